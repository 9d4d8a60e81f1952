"""The plan of a random workflow. Its workers follow it, and the model predicts the run from it.

Nothing here, nor in the rest of the model, comes from the package that is tested.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Act = Literal["return", "raise", "retry", "cancel", "skip", "fail", "fatal", "overrun", "hang", "poison", "unstorable"]
"""What one attempt does.

return   returns a value
raise    raises
retry    returns RetryAfter(0)
cancel   returns Cancel
skip     returns Skip
fail     returns Fail
fatal    raises an error that its worker calls fatal
overrun  takes longer than its timeout
hang     runs until the test cancels the step
poison   kills its process
unstorable
         returns what the database refuses to store
"""

Flavour = Literal["digest", "none", "whole", "broken", "nested"]

DEFAULTS: Mapping[str, Any] = {"left": "no left", "right": "no right", "several": "no several"}
"""The defaults of the workers' parameters; no step returns one of these values."""

CANCELLED_BY_TEST = "cancelled by the test"
"""The reason given when the test cancels."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Which ends of a dependency count as done; None where the workflow decides."""

    cancelled: bool | None = None
    discarded: bool | None = None
    skipped: bool | None = None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step: where it stands in the graph, and what it does."""

    name: str
    deps: tuple[str, ...] = ()
    """Dependencies whose results it does not take."""
    left: str | None = None
    """The dependency whose result is the argument `left`; so for `right`."""
    right: str | None = None
    several: tuple[str, ...] = ()
    """The dependencies whose results are nested in the argument `several`."""
    worker: str = "act"
    acts: tuple[Act, ...] = ("return",)
    """By attempt; the last one is repeated."""
    rounds: int = 0
    """How many rounds it begins before it does anything else."""
    snoozes: int = 0
    """How often it is snoozed before its first act."""
    snooze: float = 0.0
    """Seconds."""
    max_attempts: int = 3
    timeout: float | None = None
    """Seconds; given where an attempt overruns."""
    flags: Flags = field(default_factory=Flags)
    flavour: Flavour = "digest"
    queue: str = "default"
    priority: int = 0
    schedule_in: float | None = None
    """Seconds."""

    @property
    def dependencies(self) -> frozenset[str]:
        return frozenset(name for name in (*self.deps, self.left, self.right, *self.several) if name is not None)

    @property
    def sees_all_results(self) -> bool:
        """Whether its worker takes a context, and so knows its attempt and reads the results of all dependencies."""
        return self.worker != "act_plainly"

    @property
    def begins_anew(self) -> bool:
        """Whether it does something with which the count of its failures begins anew."""
        return self.snoozes > 0 or self.rounds > 0

    def act(self, attempt: int) -> Act:
        return self.acts[min(attempt, len(self.acts)) - 1]


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Steps to be cancelled in one call once the step `when`, which hangs, has started."""

    when: str
    """The only step of its workflow that hangs."""
    names: frozenset[str] | None
    """`when` among them; None for the whole workflow."""

    def concerns(self, name: str) -> bool:
        return self.names is None or name in self.names


@dataclass(frozen=True, slots=True)
class Plan:
    """One workflow."""

    label: str
    """The same label draws the same plan again."""
    steps: tuple[StepPlan, ...]
    """In the order in which they are added."""
    flags: Flags = field(default_factory=Flags)
    cancellation: Cancellation | None = None

    @property
    def by_name(self) -> dict[str, StepPlan]:
        return {step.name: step for step in self.steps}

    @property
    def dependents(self) -> dict[str, list[StepPlan]]:
        found: dict[str, list[StepPlan]] = {step.name: [] for step in self.steps}
        for step in self.steps:
            for name in step.dependencies:
                found[name].append(step)
        return found

    def ignores(self, step: StepPlan, state: str) -> bool:
        """Whether the step ignores that a dependency ended in this state."""
        own = getattr(step.flags, state)
        return bool(getattr(self.flags, state) if own is None else own)


def given_to(step: StepPlan, results: Mapping[str, Any]) -> dict[str, Any]:
    """What the worker of a step is given, `results` being those of its dependencies that have one."""
    given: dict[str, Any] = dict(DEFAULTS)
    if step.left is not None and step.left in results:
        given["left"] = results[step.left]
    if step.right is not None and step.right in results:
        given["right"] = results[step.right]
    if step.several:
        # A list and a mapping leave out what has no result.
        given["several"] = nested([results[name] for name in step.several if name in results])
        if step.several[-1] not in results:
            del given["several"]["last"]["of"]
        else:
            given["several"]["last"]["of"] = results[step.several[-1]]
    given["seen"] = {name: results[name] for name in sorted(step.dependencies & results.keys())}
    return given if step.sees_all_results else given | {"seen": None}


def nested(values: list[Any]) -> dict[str, Any]:
    """The argument `several`: references deep in it, with values of its own beside them."""
    return {"all": [7, *values], "last": {"of": values[-1] if values else None, "is": None}}


def value_of(name: str, flavour: Flavour, given: Mapping[str, Any]) -> Any:
    """What a step returns: another value for each name and for each difference in what it was given."""
    digest = hashlib.sha256(json.dumps([name, given], sort_keys=True).encode()).hexdigest()[:16]
    match flavour:
        case "digest":
            return digest
        case "none":
            return None
        case "whole":
            return int(digest, 16) * 10**30
        case "broken":
            return -0.0 if digest[0] < "8" else 1e22
        case "nested":
            return {"z": digest, "a": [None, True, 1.0, {"": []}], "text": "\x00\ud800 é \N{SNOWMAN}"}
