"""What may be wrong with a graph: values and not exceptions, because one graph may have many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from baton.errors.control_faults import ControlFault

COMPARED_NAMES = 5_000
SHOWN_MEMBERS = 40
LONGEST_SHOWN = 200


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name most like `name`, to be put behind a sentence; empty if none is like it."""
    # A misspelled name in a graph of a hundred thousand steps has to be answered at once.
    similar_in_length = [other for other in known if abs(len(other) - len(name)) <= 2]
    matches = get_close_matches(name, similar_in_length[:COMPARED_NAMES], n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def shortened(name: str) -> str:
    """Return a name so that it can be read in a sentence."""
    return name if len(name) <= LONGEST_SHOWN else f"{name[: LONGEST_SHOWN // 2]} ... {name[-LONGEST_SHOWN // 2 :]}"


@dataclass(frozen=True, slots=True)
class EmptyWorkflow:
    """The workflow has no step."""

    def __str__(self) -> str:
        return "the workflow has no steps; add at least one"


@dataclass(frozen=True, slots=True)
class UnknownDependency:
    """A step waits for a name that no step has."""

    step: str
    dependency: str
    known: Sequence[str] = field(repr=False)

    def __str__(self) -> str:
        hint = did_you_mean(self.dependency, self.known)
        return f"step {self.step!r} depends on {self.dependency!r}, which is not in the workflow{hint}"


@dataclass(frozen=True, slots=True)
class SelfDependency:
    """A step waits for itself."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step!r} depends on itself"


@dataclass(frozen=True, slots=True)
class Cycle:
    """Steps wait for each other in a circle; none of them could ever start."""

    members: tuple[str, ...]
    """In the order in which they would run: each is waited for by the next, and the last by the first."""

    def __str__(self) -> str:
        names = [repr(name) for name in self.members]
        if len(names) > SHOWN_MEMBERS:
            half = SHOWN_MEMBERS // 2
            names[half:-half] = [f"({len(names) - 2 * half} more)"]
        circle = " -> ".join([*names, names[0]])
        return f"steps wait for each other in a cycle: {circle}"


@dataclass(frozen=True, slots=True)
class ArgumentNotJSON:
    """An argument of a step has no faithful form in JSON."""

    step: str
    path: str
    """Where the value stands, such as `$.items[3]`; `$` is the mapping of arguments by name."""
    why: str

    def __str__(self) -> str:
        return f"step {self.step!r} has an argument that is not JSON, at {self.path}: {self.why}"


@dataclass(frozen=True, slots=True)
class MetaNotJSON:
    """The workflow's meta has no faithful form in JSON."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"the workflow's meta is not JSON, at {self.path}: {self.why}"


@dataclass(frozen=True, slots=True)
class IgnoredWithoutDefault:
    """A parameter takes the result of a step that may end without one, and has no default for that case."""

    step: str
    parameter: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"step {self.step!r} goes on when {self.dependency!r} ends without a result, but its parameter "
            f"{self.parameter!r} takes that result and has no default; give it one"
        )


@dataclass(frozen=True, slots=True)
class EmptyGroup:
    """A sub-workflow has no step."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step!r} is a workflow without steps; add at least one"


@dataclass(frozen=True, slots=True)
class EndlessGroup:
    """A workflow is, by way of others perhaps, a step of itself."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step!r} is a workflow that it is part of itself; build another one for it"


@dataclass(frozen=True, slots=True)
class NestedTooDeep:
    """Groups stand in groups, more than the limit."""

    step: str
    most: int

    def __str__(self) -> str:
        return f"step {shortened(self.step)!r} has more than {self.most} groups around it; that is the limit"


@dataclass(frozen=True, slots=True)
class UnknownReturn:
    """What a workflow returns is none of its steps."""

    name: str
    group: str | None
    """The step that is this workflow; None for the whole."""
    known: Sequence[str] = field(repr=False)

    def __str__(self) -> str:
        what = "the workflow" if self.group is None else f"step {self.group!r}"
        return f"{what} returns {self.name!r}, which is no step of it{did_you_mean(self.name, self.known)}"


@dataclass(frozen=True, slots=True)
class TypesDoNotFit:
    """A step's result can never be what the parameter it is passed to takes."""

    step: str
    parameter: str
    dependency: str
    given: str
    wanted: str
    """Types as they are written in annotations."""
    is_item: bool
    """Only an item of the result is passed, by `each`."""

    def __str__(self) -> str:
        given = f"{'an item of ' if self.is_item else ''}the result of {self.dependency!r}, {self.given},"
        return f"step {self.step!r} takes {given} as its parameter {self.parameter!r}, which is {self.wanted}"


@dataclass(frozen=True, slots=True)
class EachOfNoList:
    """What a map is to take apart can never be a list."""

    step: str
    dependency: str
    given: str
    """The type as it is written in the annotation."""

    def __str__(self) -> str:
        result = f"the result of {self.dependency!r}, which is {self.given} and no list"
        return f"step {self.step!r} takes each item of {result}"


@dataclass(frozen=True, slots=True)
class TooManySteps:
    """The workflow has more steps than the engine's limit."""

    steps: int
    most: int

    def __str__(self) -> str:
        return f"the workflow has {self.steps:,} steps, and the limit is {self.most:,}; see Engine(limits=...)"


@dataclass(frozen=True, slots=True)
class ArgumentsTooLarge:
    """A step's arguments are larger than the engine's limit."""

    step: str
    size: int
    most: int
    """Bytes, as JSON."""

    def __str__(self) -> str:
        return (
            f"step {self.step!r} has arguments of {self.size:,} bytes as JSON, and the limit is {self.most:,}; store "
            f"the data elsewhere and pass where it is, or see Engine(limits=...)"
        )


Fault = (
    ControlFault
    | EmptyWorkflow
    | EmptyGroup
    | EndlessGroup
    | NestedTooDeep
    | UnknownReturn
    | TypesDoNotFit
    | EachOfNoList
    | UnknownDependency
    | SelfDependency
    | Cycle
    | ArgumentNotJSON
    | MetaNotJSON
    | IgnoredWithoutDefault
    | TooManySteps
    | ArgumentsTooLarge
)
