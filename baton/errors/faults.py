"""What may be wrong with a graph: values and not exceptions, because one graph may have many at once.

Structs and not dataclasses: these would take a sixth of the time of `import baton`.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from baton.errors.control_faults import ControlFault
from baton.errors.texts import did_you_mean, quoted, shortened

SHOWN_MEMBERS = 40


class EmptyWorkflow(Struct, frozen=True):
    """The workflow has no step."""

    def __str__(self) -> str:
        return "the workflow has no steps; add at least one"


class UnknownDependency(Struct, frozen=True):
    """A step waits for a name that no step has."""

    step: str
    dependency: str
    known: Sequence[str]

    def __repr__(self) -> str:
        return f"UnknownDependency(step={self.step!r}, dependency={self.dependency!r})"

    def __str__(self) -> str:
        hint = did_you_mean(self.dependency, self.known)
        return f"step {quoted(self.step)} depends on {quoted(self.dependency)}, which is not in the workflow{hint}"


class SelfDependency(Struct, frozen=True):
    """A step waits for itself."""

    step: str

    def __str__(self) -> str:
        return f"step {quoted(self.step)} depends on itself"


class Cycle(Struct, frozen=True):
    """Steps wait for each other in a circle; none of them could ever start."""

    members: tuple[str, ...]
    """In the order in which they would run: each waits for the one before it, and the first for the last."""

    def __str__(self) -> str:
        names = [quoted(name) for name in self.members]
        if len(names) > SHOWN_MEMBERS:
            half = SHOWN_MEMBERS // 2
            names[half:-half] = [f"({len(names) - 2 * half} more)"]
        circle = " -> ".join([*names, names[0]])
        return f"steps wait for each other in a cycle: {circle}"


class ArgumentNotJSON(Struct, frozen=True):
    """An argument of a step would not come back from JSON as it is."""

    step: str
    path: str
    """Where the value stands, such as `$.items[3]`; `$` is the mapping of arguments by name."""
    why: str

    def __str__(self) -> str:
        return f"step {quoted(self.step)} has an argument that is not JSON, at {shortened(self.path)}: {self.why}"


class MetaNotJSON(Struct, frozen=True):
    """The workflow's meta would not come back from JSON as it is."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"the workflow's meta is not JSON, at {shortened(self.path)}: {self.why}"


class IgnoredWithoutDefault(Struct, frozen=True):
    """A parameter takes the result of a step that may end without one, and has no default for that case."""

    step: str
    parameter: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} goes on when {quoted(self.dependency)} ends without a result, but its parameter "
            f"{quoted(self.parameter)} takes that result and has no default; give it one"
        )


class IgnoredInFixedPlace(Struct, frozen=True):
    """An argument takes the result of a step that may end without one, in a place that cannot be left out."""

    step: str
    parameter: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} goes on when {quoted(self.dependency)} ends without a result, but its parameter "
            f"{quoted(self.parameter)} has that result in a tuple or a record, which needs all its values; write "
            f"result_of(..., default=...), or pass it in a list, under a key of a mapping, or as an argument with a "
            f"default"
        )


class FaultInMap(Struct, frozen=True):
    """The workflow that a step makes for each item has a fault."""

    step: str
    fault: Fault

    def __str__(self) -> str:
        return f"in the workflow that step {quoted(self.step)} maps: {self.fault}"


class UnknownHole(Struct, frozen=True):
    """A map gives items to a hole that its workflow does not have."""

    step: str
    hole: str
    known: Sequence[str]

    def __str__(self) -> str:
        holes = f"; its holes are {', '.join(map(repr, self.known))}" if self.known else "; it has none"
        hint = did_you_mean(self.hole, self.known) or holes
        return f"each= of step {quoted(self.step)} names {self.hole!r}, which is no hole of its workflow{hint}"


class ItemDoesNotFit(Struct, frozen=True):
    """An item of a list does not fit where its hole stands."""

    step: str
    hole: str
    number: int
    why: str

    def __str__(self) -> str:
        return f"item {self.number} of {self.hole!r} of step {quoted(self.step)} does not fit: {self.why}"


class HoleWithoutValue(Struct, frozen=True):
    """A job has a hole, and a workflow with holes cannot be inserted."""

    step: str
    hole: str

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} has the hole {self.hole!r}, and no value for it; write the workflow with "
            f"to_template() and give the value to Baton.from_template(), or add it with each={{{self.hole!r}: ...}}"
        )


class ModelWithoutValue(Struct, frozen=True):
    """A model map has a hole, and a workflow with holes cannot be inserted."""

    hole: str

    def __str__(self) -> str:
        return (
            f"a model map has the hole {self.hole!r}, and no value for it; write the workflow with to_template() and "
            f"give the value to Baton.from_template()"
        )


class EmptyGroup(Struct, frozen=True):
    """A sub-workflow has no step."""

    step: str

    def __str__(self) -> str:
        return f"step {quoted(self.step)} is a workflow without steps; add at least one"


class EndlessGroup(Struct, frozen=True):
    """A workflow is a step of itself, directly or inside others."""

    step: str

    def __str__(self) -> str:
        return f"step {quoted(self.step)} is a workflow that contains itself; build another one for it"


class NestedTooDeep(Struct, frozen=True):
    """Groups stand in groups, more than the limit."""

    step: str
    most: int

    def __str__(self) -> str:
        return f"step {quoted(self.step)} has more than {self.most} groups around it; that is the limit"


class UnknownReturn(Struct, frozen=True):
    """A workflow returns the result of a step that it does not have."""

    name: str
    group: str | None
    """The step that is this workflow; None for the whole."""
    known: Sequence[str]

    def __repr__(self) -> str:
        return f"UnknownReturn(name={self.name!r}, group={self.group!r})"

    def __str__(self) -> str:
        what = "the workflow" if self.group is None else f"step {quoted(self.group)}"
        hint = did_you_mean(self.name, self.known)
        return f"{what} returns the result of {quoted(self.name)}, which is not one of its steps{hint}"


class TypesDoNotFit(Struct, frozen=True):
    """A step's result never fits the parameter that it is passed to."""

    step: str
    parameter: str
    dependency: str
    given: str
    wanted: str
    """Types as they are written in annotations."""
    is_item: bool
    """Only an item of the result is passed, by `each`."""

    def __str__(self) -> str:
        given = f"{'an item of ' if self.is_item else ''}the result of {quoted(self.dependency)}, {self.given},"
        parameter = f"its parameter {quoted(self.parameter)}, which is {self.wanted}"
        return f"step {quoted(self.step)} takes {given} as {parameter}; change one of the two annotations"


class EachOfNoList(Struct, frozen=True):
    """A map is to be made of a result that is never a list."""

    step: str
    dependency: str
    given: str
    """The type as it is written in the annotation."""

    def __str__(self) -> str:
        result = f"the result of {quoted(self.dependency)}, which is {self.given} and not a list"
        return f"step {quoted(self.step)} takes each item of {result}; return a list, or leave out each(...)"


class TooManySteps(Struct, frozen=True):
    """The workflow has more steps than the engine's limit."""

    steps: int
    most: int

    def __str__(self) -> str:
        return f"the workflow has {self.steps:,} steps, and the limit is {self.most:,}; see Engine(limits=...)"


class ArgumentsTooLarge(Struct, frozen=True):
    """A step's arguments are larger than the engine's limit."""

    step: str
    size: int
    most: int
    """Bytes, as JSON."""

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} has arguments of {self.size:,} bytes as JSON, and the limit is {self.most:,}; "
            f"store the data elsewhere and pass where it is, or see Engine(limits=...)"
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
    | HoleWithoutValue
    | UnknownHole
    | ItemDoesNotFit
    | FaultInMap
    | MetaNotJSON
    | IgnoredWithoutDefault
    | IgnoredInFixedPlace
    | TooManySteps
    | ArgumentsTooLarge
)
