"""The faults of conditions, closing steps, `needs` and undos: values and not exceptions, as in `faults`."""

from __future__ import annotations

from msgspec import Struct

from baton.errors.texts import quoted


class NeedsTooMany(Struct, frozen=True):
    """A step needs more dependencies than it has."""

    step: str
    needs: int
    dependencies: int

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} needs {self.needs} of its dependencies and has {self.dependencies} that count; "
            f"name more of them in deps, or need fewer"
        )


class DependsOnClosing(Struct, frozen=True):
    """An ordinary step waits for a closing one."""

    step: str
    closing: str

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} depends on {quoted(self.closing)}, which is a closing step; only closing steps "
            f"may, so give it runs= as well, or leave that dependency out"
        )


class ReferenceWithoutDefault(Struct, frozen=True):
    """A closing step or an undo refers to a result that may never be there."""

    step: str
    dependency: str
    is_undo: bool

    def __str__(self) -> str:
        what = f"the undo of step {quoted(self.step)}" if self.is_undo else f"closing step {quoted(self.step)}"
        return (
            f"{what} takes the result of {quoted(self.dependency)}, which may be missing; write "
            f"result_of({quoted(self.dependency)}, default=None)"
        )


class PlainAndDefault(Struct, frozen=True):
    """One step refers to another both with a default and without one."""

    step: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} takes the result of {quoted(self.dependency)} both with a default and without "
            f"one; give each reference the default, or none of them"
        )


class NothingToClose(Struct, frozen=True):
    """A closing step waits for all ordinary steps, and there are none."""

    step: str

    def __str__(self) -> str:
        return f"step {quoted(self.step)} is a closing step, and there is no ordinary step before it; add one"


class ConditionNeverHolds(Struct, frozen=True):
    """A condition compares what can never be compared."""

    step: str
    comparison: str
    given: str
    """The type as it is written in the annotation."""

    def __str__(self) -> str:
        return (
            f"the condition of step {quoted(self.step)} compares {self.comparison}, and that result is {self.given}; "
            f"compare it with a value of its type"
        )


class UnknownUndoReference(Struct, frozen=True):
    """An undo takes the result of a step that is neither its own nor upstream of it."""

    step: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"the undo of step {quoted(self.step)} takes the result of {quoted(self.dependency)}; it may take that of "
            f"{quoted(self.step)} itself, or of a step upstream of it"
        )


class NeededWithoutDefault(Struct, frozen=True):
    """A step that needs only some of its dependencies takes the result of one where it cannot be missing."""

    step: str
    needs: int
    parameter: str
    dependency: str

    def __str__(self) -> str:
        return (
            f"step {quoted(self.step)} starts when {self.needs} of its dependencies have completed, and its parameter "
            f"{quoted(self.parameter)} takes the result of {quoted(self.dependency)}, which may not be there; write "
            f"result_of({quoted(self.dependency)}, default=None), or pass the results in a list"
        )


ControlFault = (
    NeedsTooMany
    | NeededWithoutDefault
    | DependsOnClosing
    | ReferenceWithoutDefault
    | PlainAndDefault
    | NothingToClose
    | ConditionNeverHolds
    | UnknownUndoReference
)
