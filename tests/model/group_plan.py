"""The plan of a random workflow with groups. Its workers follow it, and the model predicts the run from it.

Nothing here, nor in the rest of the model, comes from the package that is tested.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

GroupAct = Literal[
    "return", "raise", "retry", "cancel", "skip", "list", "graph", "cycle", "unknown", "empty", "twice", "hang"
]
"""What one attempt does.

list     returns a list of `size` numbers
graph    returns a graph
cycle, unknown, empty, twice
         returns a graph with this fault, or tries to
hang     runs until the test cancels the step
"""
FAULTS = frozenset({"cycle", "unknown", "empty", "twice"})
SOUND = frozenset({"return", "list", "graph"})
TROUBLED = frozenset({"raise", "retry"})
NOTHING = "nothing"
"""The default of the parameter `left`; no step returns it."""


@dataclass(frozen=True, slots=True)
class IgnoreFlags:
    """Which failed ends of its dependencies a step ignores."""

    cancelled: bool = False
    discarded: bool = False
    skipped: bool = False

    def ignores(self, state: str) -> bool:
        return state == "completed" or bool(getattr(self, state, False))


@dataclass(frozen=True, slots=True)
class Node:
    """A step as it is added to a workflow: one that runs, a map, or a workflow."""

    name: str
    kind: Literal["step", "map", "workflow"] = "step"
    deps: tuple[str, ...] = ()
    left: str | None = None
    """The dependency whose result is the argument `left`; of a map, of each child."""
    flags: IgnoreFlags = field(default_factory=IgnoreFlags)
    acts: tuple[GroupAct, ...] = ("return",)
    """By attempt; the last one is repeated."""
    snoozes: int = 0
    max_attempts: int = 2
    size: int = 0
    """How many numbers the act "list" returns."""
    inside: Graph | None = None
    """The graph that the act "graph" returns; of a workflow its steps."""
    items: tuple[Node, ...] = ()
    """Of a map: what its children do, by number."""
    source: str | None = None
    """Of a map: the dependency whose list it takes apart; None for a literal list of all its items."""
    concurrency: int | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """All that it depends on by name."""
        return tuple(dict.fromkeys(name for name in (*self.deps, self.left, self.source) if name is not None))

    @property
    def read(self) -> tuple[str, ...]:
        """The dependencies whose results and outcomes its worker, or that of its children, reads."""
        return tuple(dict.fromkeys(name for name in (*self.deps, self.left) if name is not None))

    @property
    def mapped(self) -> Graph | None:
        """The graph that each item of a map becomes, if all become the same; such a map is one of a workflow."""
        if self.kind != "map" or not self.items or any(item != self.items[0] for item in self.items):
            return None
        return self.items[0].inside if self.items[0].acts == ("graph",) and not self.items[0].snoozes else None

    def act(self, attempt: int) -> GroupAct:
        return self.acts[min(attempt, len(self.acts)) - 1]


@dataclass(frozen=True, slots=True)
class Graph:
    """A workflow: the whole, one inside it, or one that a worker returns."""

    steps: tuple[Node, ...]
    returns: str | None = None


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One random workflow."""

    label: str
    """Draws it again."""
    whole: Graph
    cancels: tuple[str, ...] | None = None
    """What the test cancels once the step that hangs has started; empty for the whole run."""


def without_failures(acts: tuple[GroupAct, ...]) -> tuple[GroupAct, ...]:
    """What a step does once steps do not fail any more."""
    return tuple(act for act in acts if act not in TROUBLED) or ("return",)


def value_of(name: str, left: Any, seen: Mapping[str, Any], outcomes: Mapping[str, Any]) -> str:
    """What a step returns: another value for each name and for each difference in what it was given."""
    return hashlib.sha256(json.dumps([name, left, seen, outcomes], sort_keys=True).encode()).hexdigest()[:12]
