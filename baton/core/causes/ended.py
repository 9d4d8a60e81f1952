"""Why a step ended as it did."""

from __future__ import annotations

from typing import Literal

from baton.core.causes.kind import Kind, because, caller, limit
from baton.core.states import FinalStepState


class Completed(Kind, frozen=True):
    """It has a result."""

    by: Literal["worker", "children", "signal", "message", "timer", "run", "default", "caller"]
    """What the result is from; "default" if its time was up, "caller" if somebody gave it (`run.complete`)."""
    attempt: int = 0
    reason: str | None = None
    """Why somebody gave it."""
    actor: str | None = None
    role: str | None = None

    def __str__(self) -> str:
        match self.by:
            case "worker":
                return "is completed" if self.attempt <= 1 else f"is completed, in attempt {self.attempt}"
            case "caller":
                return f"was completed by {caller(self.actor, self.role)}{because(self.reason)}"
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

    @property
    def brief(self) -> str:
        """The sentence without the reason of the other step."""
        return f"was {self.state} because of step {self.step!r} upstream"

    def __str__(self) -> str:
        return f"{self.brief}, which was {self.step_state}{because(self.reason)}"


class EndedByGroup(Kind, frozen=True):
    """The group that it is in ended before it began."""

    state: FinalStepState
    group: str
    reason: str | None = None

    @property
    def brief(self) -> str:
        """The sentence without the reason of the group."""
        return f"was {self.state} with its group {self.group!r}"

    def __str__(self) -> str:
        return f"{self.brief}{because(self.reason)}"


class EndedByChild(Kind, frozen=True):
    """It is a group, and a step below it decided how it ended."""

    state: FinalStepState
    step: str
    step_state: FinalStepState
    reason: str | None = None
    alike: str = ""
    """How many of its children ended like that, in words; empty for one."""

    @property
    def brief(self) -> str:
        """The sentence without the reason of the other step."""
        return (
            f"was {self.state} because {self.alike}"
            if self.alike
            else f"was {self.state} because of step {self.step!r}"
        )

    def __str__(self) -> str:
        return (
            f"{self.brief}, the first {self.step!r}{because(self.reason)}"
            if self.alike
            else (f"{self.brief}, which was {self.step_state}{because(self.reason)}")
        )


class Verdict(Kind, frozen=True):
    """What `needs=`, `tolerate=` or the skips of all its children decided."""

    state: FinalStepState
    reason: str
    step: str | None = None
    """The first step that counts against it; None if there is none."""
    step_state: FinalStepState | None = None
    step_reason: str | None = None

    @property
    def brief(self) -> str:
        """The sentence without the other step."""
        return f"was {self.state}: {self.reason}"

    def __str__(self) -> str:
        first = f"; step {self.step!r} was {self.step_state}{because(self.step_reason)}" if self.step else ""
        return f"{self.brief}{first}"


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
    actor: str | None = None
    """Who, as the application said."""
    role: str | None = None
    """The database role that called."""

    def __str__(self) -> str:
        what = " with the whole workflow" if self.is_whole else ""
        return (
            f"was {self.state}{what} by {caller(self.actor, self.role)}{because(self.reason) or ', without a reason'}"
        )


class EndedByWorker(Kind, frozen=True):
    """An attempt decided it: its worker returned `Cancel`, `Skip` or `Fail`, or raised what it calls fatal."""

    state: FinalStepState
    reason: str | None = None
    attempt: int = 1

    def __str__(self) -> str:
        how = "for good" if self.state == "discarded" else "by its own worker"
        return f"was {self.state} {how} in attempt {self.attempt}{because(self.reason)}"


class AttemptsUsedUp(Kind, frozen=True):
    """It failed as often as it may."""

    attempts: int
    error: str

    def __str__(self) -> str:
        if self.attempts == 1:
            return f"was discarded, as its only attempt failed: {self.error}"
        return f"was discarded, as all its {self.attempts} attempts failed, the last with: {self.error}"


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

    option: Literal["deadline", "start_within"]
    seconds: float

    def __str__(self) -> str:
        what = "end within its deadline of" if self.option == "deadline" else "start within"
        return f"was discarded: it did not {what} {limit(self.seconds)}"


class NothingCame(Kind, frozen=True):
    """The signal or message that it waited for did not come in time."""

    what: Literal["signal", "message"]
    seconds: float

    def __str__(self) -> str:
        return f"was discarded: no {self.what} came within {limit(self.seconds)}"


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
