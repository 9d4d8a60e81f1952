"""The plan of a random workflow that uses all that decides how a workflow ends.

Nothing here, nor in the rest of the model, comes from the package that is tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tests.model.group_plan import IgnoreFlags

End = Literal["completed", "discarded", "cancelled", "skipped"]
Kind = Literal["step", "map", "graph", "workflow"]


@dataclass(frozen=True, slots=True)
class ResultIs:
    """`result_of(step)["n"]` compared with a number; or of a key that no result has."""

    step: str
    operator: Literal["==", "!=", "<", ">="]
    number: int
    key: str = "n"


@dataclass(frozen=True, slots=True)
class StateIs:
    """`state_of(step) == state`."""

    step: str
    state: str


@dataclass(frozen=True, slots=True)
class Failed:
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Succeeded:
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Both:
    first: When
    second: When


@dataclass(frozen=True, slots=True)
class Either:
    first: When
    second: When


@dataclass(frozen=True, slots=True)
class Negated:
    condition: When


When: TypeAlias = ResultIs | StateIs | Failed | Succeeded | Both | Either | Negated


@dataclass(frozen=True, slots=True)
class EndStep:
    """A step as it is added to a workflow."""

    name: str
    kind: Kind = "step"
    deps: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    """Those whose results are arguments."""
    defaults: tuple[str, ...] = ()
    """Those whose results are arguments with a default."""
    observes: tuple[str, ...] = ()
    """Those whose states are arguments."""
    flags: IgnoreFlags = field(default_factory=IgnoreFlags)
    when: When | None = None
    runs: Literal["always", "on failure"] | None = None
    needs: int | None = None
    cancels_rest: bool = False
    has_undo: bool = False
    end: End = "completed"
    """How its own attempt ends it; of a map and a graph, which expand, not used."""
    value: int = 0
    undo_end: End = "completed"
    inside: EndScope | None = None
    """Of a workflow its steps, of a graph what its worker returns."""
    items: tuple[End, ...] = ()
    """Of a map: how each of its children ends."""

    @property
    def is_gated(self) -> bool:
        return self.kind == "workflow" and not (self.when is None and self.runs is None and self.needs is None)


@dataclass(frozen=True, slots=True)
class EndScope:
    """A workflow: the whole, one inside it, or one that a worker returns."""

    steps: tuple[EndStep, ...]


@dataclass(frozen=True, slots=True)
class EndPlan:
    label: str
    """Draws it again."""
    whole: EndScope


def results_read(when: When | None) -> tuple[str, ...]:
    """The steps whose results a condition reads."""
    match when:
        case ResultIs(step):
            return (step,)
        case Both(first, second) | Either(first, second):
            return (*results_read(first), *results_read(second))
        case Negated(condition):
            return results_read(condition)
        case _:
            return ()


def states_read(when: When | None) -> tuple[str, ...]:
    """The steps whose states a condition reads."""
    match when:
        case StateIs(step):
            return (step,)
        case Failed(steps) | Succeeded(steps):
            return steps
        case Both(first, second) | Either(first, second):
            return (*states_read(first), *states_read(second))
        case Negated(condition):
            return states_read(condition)
        case _:
            return ()


def named_by(step: EndStep) -> tuple[str, ...]:
    """All that a step depends on by name."""
    read = (*results_read(step.when), *states_read(step.when))
    return tuple(dict.fromkeys((*step.deps, *step.takes, *step.defaults, *step.observes, *read)))
