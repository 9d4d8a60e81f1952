"""What a random workflow with groups is to do: known to the workers that do it and to the model that foretells it.

Nothing here, nor in the rest of the model, comes from the package that is tested.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Deed = Literal[
    "return", "raise", "retry", "cancel", "skip", "list", "grow", "cycle", "unknown", "empty", "twice", "hang"
]
"""What one attempt does.

list     returns the numbers of so many items
grow     returns a graph
cycle, unknown, empty, twice
         returns a graph with this fault, or tries to
hang     goes on until somebody cancels the step by hand
"""
FAULTS = frozenset({"cycle", "unknown", "empty", "twice"})
SOUND = frozenset({"return", "list", "grow"})
TROUBLED = frozenset({"raise", "retry"})
NOTHING = "nothing"
"""The default of the parameter `left`; no step returns it."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Which unfavourable ends of its dependencies a step counts as done."""

    cancelled: bool = False
    discarded: bool = False
    skipped: bool = False

    def ignores(self, state: str) -> bool:
        return state == "completed" or bool(getattr(self, state, False))

    def beside(self, other: Tolerance) -> Tolerance:
        return Tolerance(
            self.cancelled or other.cancelled, self.discarded or other.discarded, self.skipped or other.skipped
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A step as it is added to a workflow: one that runs, a map, or a workflow."""

    name: str
    kind: Literal["step", "map", "family"] = "step"
    deps: tuple[str, ...] = ()
    left: str | None = None
    """The dependency whose result is the argument `left`; of a map, of each child."""
    flags: Tolerance = field(default_factory=Tolerance)
    deeds: tuple[Deed, ...] = ("return",)
    """By attempt; the last one is repeated."""
    snoozes: int = 0
    max_attempts: int = 2
    size: int = 0
    """How many numbers the deed "list" returns."""
    inside: Family | None = None
    """The graph that the deed "grow" returns; of a family its own."""
    items: tuple[Node, ...] = ()
    """Of a map: what its children do, by number."""
    source: str | None = None
    """Of a map: the dependency whose list it takes apart; None for a literal list of all its items."""
    concurrency: int | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """All it waits for by itself."""
        return tuple(dict.fromkeys(name for name in (*self.deps, self.left, self.source) if name is not None))

    @property
    def read(self) -> tuple[str, ...]:
        """What its worker, or that of its children, reads and hears of."""
        return tuple(dict.fromkeys(name for name in (*self.deps, self.left) if name is not None))

    def deed(self, attempt: int) -> Deed:
        return self.deeds[min(attempt, len(self.deeds)) - 1]


@dataclass(frozen=True, slots=True)
class Family:
    """A workflow: the whole, one inside it, or one that a worker returns."""

    steps: tuple[Node, ...]
    returns: str | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """One random workflow."""

    label: str
    """Draws it again."""
    whole: Family
    cancels: tuple[str, ...] | None = None
    """What is cancelled by hand once the step that hangs has started; an empty one for the whole run."""


def healed(deeds: tuple[Deed, ...]) -> tuple[Deed, ...]:
    """What a step does once nothing troubles it any more."""
    return tuple(deed for deed in deeds if deed not in TROUBLED) or ("return",)


def value_of(name: str, left: Any, seen: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """What a step returns: it tells one name from another, and each thing given from any other."""
    return hashlib.sha256(json.dumps([name, left, seen, told], sort_keys=True).encode()).hexdigest()[:12]
