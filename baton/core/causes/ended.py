"""Why a step ended as it did."""

from __future__ import annotations

from typing import Literal

from baton.core.causes.kind import Kind, because, span
from baton.core.states import FinalStepState


class Completed(Kind, frozen=True):
    """It has a result."""

    by: Literal["worker", "children", "signal", "message", "timer", "run", "default"]
    """What the result is from; "default" if its time was up."""
    attempt: int = 0

    def __str__(self) -> str:
        match self.by:
            case "worker":
                return "is completed" if self.attempt <= 1 else f"is completed, in attempt {self.attempt}"
            case "children":
                return "is completed, as its children are"
            case "timer":
                return "is completed: its time has come"
            case "default":
                return "is completed with its default: its time was up"
            case "run":
                return "is completed, as the run is that it waited for"
            case _:
                return f"is completed: its {self.by} came"


class ConditionFalse(Kind, frozen=True):
    """Its condition (`when=`) did not hold."""

    condition: str
    """As it was written."""
    read: str
    """What was compared, with the values."""

    def __str__(self) -> str:
        return f"was skipped: its condition {self.condition} does not hold, as {self.read}"


class ConditionFault(Kind, frozen=True):
    """Its condition could not be evaluated."""

    condition: str
    fault: str

    def __str__(self) -> str:
        return f"was discarded: its condition {self.condition} cannot be evaluated: {self.fault}"


class EndedByStep(Kind, frozen=True):
    """A step upstream of it ended badly, and it does not ignore that."""

    state: FinalStepState
    step: str
    """The step that began it, however many lie between."""
    step_state: FinalStepState
    reason: str | None = None
    """Why that one ended so."""

    def __str__(self) -> str:
        return f"was {self.state}, because step {self.step!r} upstream was {self.step_state}{because(self.reason)}"


class EndedByGroup(Kind, frozen=True):
    """The group that it is in ended before it began."""

    state: FinalStepState
    group: str
    reason: str | None = None

    def __str__(self) -> str:
        return f"was {self.state} with its group {self.group!r}{because(self.reason)}"


class EndedByChild(Kind, frozen=True):
    """It is a group, and a step below it decided how it ended."""

    state: FinalStepState
    step: str
    step_state: FinalStepState
    reason: str | None = None
    alike: str = ""
    """How many of its children ended like that, in words; empty for one."""

    def __str__(self) -> str:
        alike = f"{self.alike}; first " if self.alike else ""
        return f"was {self.state}: {alike}step {self.step!r} was {self.step_state}{because(self.reason)}"


class Verdict(Kind, frozen=True):
    """What `needs=`, `tolerate=` or the skips of all its children decided."""

    state: FinalStepState
    reason: str

    def __str__(self) -> str:
        return f"was {self.state}: {self.reason}"


class NotNeeded(Kind, frozen=True):
    """What it was for has enough without it. That fails nothing."""

    reason: str

    def __str__(self) -> str:
        return f"was cancelled as no longer needed: {self.reason}"


class ScopeEnded(Kind, frozen=True):
    """The workflow, or the group that it is in, was ended: its deadline passed, or a step failed that ends all."""

    scope: str | None
    """The group; None for the workflow."""
    reason: str

    def __str__(self) -> str:
        what = "the workflow" if self.scope is None else f"its group {self.scope!r}"
        return f"was cancelled, because {what} was ended: {self.reason}"


class NothingToCleanUp(Kind, frozen=True):
    """It is a closing step without a cause to run."""

    reason: str

    def __str__(self) -> str:
        return f"was skipped: {self.reason}"


class EndedByCaller(Kind, frozen=True):
    """Somebody cancelled or skipped it, or all of its workflow."""

    state: FinalStepState
    is_whole: bool
    """The workflow as a whole was cancelled."""
    reason: str | None = None

    def __str__(self) -> str:
        what = " with the whole workflow" if self.is_whole else ""
        verb = "cancel" if self.state == "cancelled" else "skip"
        why = because(self.reason) or " that gave no reason"
        return f"was {self.state}{what}, by a call of {verb}{why}"


class EndedByWorker(Kind, frozen=True):
    """Its worker said so: it returned `Cancel`, `Skip` or `Fail`, or raised what it calls fatal."""

    state: FinalStepState
    reason: str | None = None
    attempt: int = 1

    def __str__(self) -> str:
        return f"was {self.state} by its own worker in attempt {self.attempt}{because(self.reason)}"


class AttemptsUsedUp(Kind, frozen=True):
    """It failed as often as it may."""

    attempts: int
    error: str

    def __str__(self) -> str:
        attempts = "its only attempt" if self.attempts == 1 else f"all its {self.attempts} attempts"
        return f"was discarded after {attempts} failed, the last with: {self.error}"


class TooManyLost(Kind, frozen=True):
    """Attempt after attempt was lost with its process."""

    reason: str

    def __str__(self) -> str:
        return f"was discarded: {self.reason}"


class NeverFitted(Kind, frozen=True):
    """No worker pool could call its worker with these arguments, for as long as that was tried."""

    fault: str

    def __str__(self) -> str:
        return f"was discarded: {self.fault}"


class DeadlinePassed(Kind, frozen=True):
    """It did not end, or not start, in time."""

    limit: Literal["deadline", "start_within"]
    seconds: float

    def __str__(self) -> str:
        what = "end within its deadline of" if self.limit == "deadline" else "start within"
        return f"was discarded: it did not {what} {span(self.seconds)}"


class NothingCame(Kind, frozen=True):
    """The signal or message that it waited for did not come in time."""

    what: Literal["signal", "message"]
    seconds: float

    def __str__(self) -> str:
        return f"was discarded: no {self.what} came within {span(self.seconds)}"


class RunEnded(Kind, frozen=True):
    """The run that it waited for ended so, or does not exist."""

    state: FinalStepState
    run: str
    reason: str

    def __str__(self) -> str:
        return f"was {self.state}: {self.reason}"


class EndedOtherwise(Kind, frozen=True):
    """The engine ended it, for the reason it gives."""

    state: FinalStepState
    reason: str

    def __str__(self) -> str:
        return f"was {self.state}: {self.reason}"
