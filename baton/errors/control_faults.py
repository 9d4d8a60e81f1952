"""What may be wrong with what decides about the steps of a graph: values and not exceptions, as in `faults`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NeedsTooMany:
    """A step needs more dependencies than it has."""

    step: str
    needs: int
    dependencies: int

    def __str__(self) -> str:
        return (
            f"step {self.step!r} needs {self.needs} of its dependencies and has {self.dependencies} that count; name "
            f"more of them in deps, or need fewer"
        )


@dataclass(frozen=True, slots=True)
class DependsOnClosing:
    """An ordinary step waits for a closing one."""

    step: str
    closing: str

    def __str__(self) -> str:
        return (
            f"step {self.step!r} depends on {self.closing!r}, which is a closing step; only closing steps may, so give "
            f"it runs= as well, or leave that dependency out"
        )


@dataclass(frozen=True, slots=True)
class ReferenceWithoutDefault:
    """A closing step or an undo refers to a result that may never be there."""

    step: str
    dependency: str
    is_undo: bool

    def __str__(self) -> str:
        what = f"the undo of step {self.step!r}" if self.is_undo else f"closing step {self.step!r}"
        return (
            f"{what} takes the result of {self.dependency!r}, which may be missing; write "
            f"result_of({self.dependency!r}, default=None)"
        )


@dataclass(frozen=True, slots=True)
class PlainAndDefault:
    """One step refers to another both with a default and without one."""

    step: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"step {self.step!r} takes the result of {self.dependency!r} both with a default and without one; give "
            f"each reference the default, or none of them"
        )


@dataclass(frozen=True, slots=True)
class NothingToClose:
    """A closing step waits for all ordinary steps, and there are none."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step!r} is a closing step, and there is no ordinary step before it; add one"


@dataclass(frozen=True, slots=True)
class ConditionNeverHolds:
    """A condition compares what can never be compared."""

    step: str
    comparison: str
    given: str
    """The type as it is written in the annotation."""

    def __str__(self) -> str:
        return (
            f"the condition of step {self.step!r} compares {self.comparison}, and that result is {self.given}; compare "
            f"it with a value of its type"
        )


@dataclass(frozen=True, slots=True)
class UnknownUndoReference:
    """An undo takes the result of a step that is neither its own nor upstream of it."""

    step: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"the undo of step {self.step!r} takes the result of {self.dependency!r}; it may take that of "
            f"{self.step!r} itself, or of a step upstream of it"
        )


ControlFault = (
    NeedsTooMany
    | DependsOnClosing
    | ReferenceWithoutDefault
    | PlainAndDefault
    | NothingToClose
    | ConditionNeverHolds
    | UnknownUndoReference
)
