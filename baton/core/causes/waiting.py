"""Why a step has not begun, or begins again later."""

from __future__ import annotations

from shlex import quote
from typing import Literal, TypeAlias

from baton.core.causes.kind import Kind, because, counted, listed, span

EntryState = Literal["scheduled", "available", "retryable", "waiting"]


class WaitsForSteps(Kind, frozen=True):
    """Steps that it depends on have not ended."""

    steps: tuple[str, ...]
    """The first of them."""
    others: int = 0
    """How many more there are."""

    def __str__(self) -> str:
        return f"waits for {listed(self.steps, self.others)}"


class WaitsForChildren(Kind, frozen=True):
    """It is a group, and has begun."""

    unfinished: int
    children: int

    def __str__(self) -> str:
        return f"waits for {self.unfinished:,} of its {self.children:,} children"


class WaitsForEnough(Kind, frozen=True):
    """It starts when enough of its dependencies are completed (`needs=`)."""

    needs: int
    missing: int
    """How many more have to complete, or, of those it only observes, to end."""
    steps: tuple[str, ...]
    others: int = 0

    def __str__(self) -> str:
        needs = f"needs {counted(self.needs, 'result')} of its dependencies, and waits for {self.missing:,} more"
        return f"{needs}, of {listed(self.steps, self.others)}"


class WaitsForGroup(Kind, frozen=True):
    """The group that it is in has not begun: the condition or the dependencies of the group come first."""

    group: str

    def __str__(self) -> str:
        return f"waits for its group {self.group!r} to begin"


class WaitsForVerdict(Kind, frozen=True):
    """It is a closing step, and runs when all ordinary steps, and undos if there are any, have ended."""

    unfinished: int
    """How many of these have not."""

    def __str__(self) -> str:
        return f"is a closing step, and waits for the end of {counted(self.unfinished, 'step')} before it"


class WaitsForUndos(Kind, frozen=True):
    """It is an undo: undos run one after the other, the step that ended last first."""

    steps: tuple[str, ...]
    """The undos whose turn is before."""
    others: int = 0

    def __str__(self) -> str:
        return f"is an undo, and its turn comes after {listed(self.steps, self.others)}"


class WaitsForMapSlot(Kind, frozen=True):
    """The map that it belongs to runs only some of its children at a time."""

    map: str
    concurrency: int
    holders: tuple[str, ...]
    """The first of the children that hold a slot."""

    def __str__(self) -> str:
        slots = "the slot" if self.concurrency == 1 else f"one of the {self.concurrency:,} slots"
        held = listed(self.holders, max(0, self.concurrency - len(self.holders)))
        return (
            f"waits for {slots} of {self.map!r}, held by {held}"
            if self.holders
            else f"waits for {slots} of {self.map!r}"
        )


class WaitsForAttempts(Kind, frozen=True):
    """It is a closing step or an undo, and code of what it cleans up after may still run."""

    steps: tuple[str, ...]
    pools: tuple[str, ...]

    def __str__(self) -> str:
        where = f" in worker pool {listed(self.pools)}" if self.pools else ""
        return f"waits until the code of {listed(self.steps)} has really ended{where}"


class WaitsForSignal(Kind, frozen=True):
    """Nobody has sent its signal."""

    seconds_left: float | None = None
    """Until its time is up; None for no limit."""
    has_default: bool = False
    step: str = ""

    def __str__(self) -> str:
        remedy = f"send it with run.signal({self.step!r}, ...)"
        return f"waits for a signal{_time_limit(self.seconds_left, self.has_default)}: {remedy}"


class WaitsForMessage(Kind, frozen=True):
    """No message of its topic is left for it."""

    topic: str
    seconds_left: float | None = None
    has_default: bool = False

    def __str__(self) -> str:
        remedy = f"send one with run.send({self.topic!r}, ...)"
        limit = _time_limit(self.seconds_left, self.has_default)
        return f"waits for a message of topic {self.topic!r}{limit}: {remedy}"


class WaitsForTime(Kind, frozen=True):
    """It is a timer."""

    seconds_left: float

    def __str__(self) -> str:
        return f"waits for its time, which comes in {span(self.seconds_left)}"


class WaitsForRun(Kind, frozen=True):
    """Another run has not ended."""

    run: str
    state: str | None
    """The state of that run; None if it does not exist."""
    seconds_left: float | None = None
    """Until it has to exist; None if it does."""
    circle: tuple[str, ...] = ()
    """The runs that wait for one another, beginning with this one; empty if they do not."""

    def __str__(self) -> str:
        if self.circle:
            way = " waits for ".join(repr(run) for run in (*self.circle, self.circle[0]))
            return f"waits for workflow {self.run!r}, but {way}: cancel one of them"
        if self.state is None:
            limit = (
                ""
                if self.seconds_left is None
                else f"; unless it comes within {span(self.seconds_left)}, the step is discarded"
            )
            return f"waits for workflow {self.run!r}, which does not exist yet{limit}"
        return f"waits for workflow {self.run!r} to end, which is {self.state}"


class AboutToEnd(Kind, frozen=True):
    """What it waits for has come, or all its children have ended: a worker pool settles it within a moment."""

    def __str__(self) -> str:
        return "has all that it waits for, and is about to end"


class _Unserved(Kind, frozen=True):
    """Nobody can run it now."""

    state: EntryState

    @property
    def fact(self) -> str:
        """The sentence without the state of the step."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"is {self.state}, and {self.fact}"


class QueuePaused(_Unserved, frozen=True):
    """Its queue is paused."""

    queue: str
    seconds: float
    """Since when."""

    @property
    def fact(self) -> str:
        """The sentence without the state of the step."""
        return (
            f"queue {self.queue!r} has been paused for {span(self.seconds)}: resume it with "
            f"`baton resume {quote(self.queue)}`"
        )


class NotServed(_Unserved, frozen=True):
    """No living worker pool serves its queue."""

    queue: str

    @property
    def fact(self) -> str:
        """The sentence without the state of the step."""
        return (
            f"no living worker pool serves queue {self.queue!r}: start one with "
            f"`baton worker MODULE --queues {quote(self.queue)}=N`"
        )


class NoPoolForWorker(_Unserved, frozen=True):
    """No living worker pool that serves its queue can run its worker.

    They do not know it, or lack the executor or a provided type that it asks for.
    """

    queue: str
    worker: str
    refusal: str | None = None
    """What the last pool said that claimed it, such as which type it does not provide."""

    @property
    def fact(self) -> str:
        """The sentence without the state of the step."""
        tried = f"; the last one that tried says: {self.refusal}" if self.refusal else ""
        return (
            f"no living worker pool that serves queue {self.queue!r} can run worker "
            f"{self.worker!r}{tried}; start one with the module that defines it"
        )


class NoPoolForArguments(_Unserved, frozen=True):
    """The worker pools that claimed it could not call its worker with these arguments."""

    fault: str
    seconds_left: float
    """Until a pool tries again."""

    @property
    def fact(self) -> str:
        """The sentence without the state of the step."""
        return (
            f"no worker pool that claimed it could run it: {self.fault}; tried again in {span(self.seconds_left)}: "
            f"start a pool with the version of the worker that these arguments fit"
        )


Unserved: TypeAlias = QueuePaused | NotServed | NoPoolForWorker | NoPoolForArguments
"""Why nobody can run a step now."""


class PutBack(Kind, frozen=True):
    """A worker pool that claimed it could not run it, and another one can: it is tried again soon."""

    reason: str
    seconds_left: float

    def __str__(self) -> str:
        return f"was put back ({self.reason}), and is tried again in {span(self.seconds_left)}"


class Holder(Kind, frozen=True):
    """A step that holds a slot of a queue."""

    workflow: str
    step: str
    seconds: float

    def __str__(self) -> str:
        return f"step {self.step!r} of workflow {self.workflow!r} for {span(self.seconds)}"


class SlotsTaken(Kind, frozen=True):
    """All slots that living worker pools give to its queue are taken."""

    queue: str
    slots: int
    holders: tuple[Holder, ...]
    """Those that have run the longest."""

    def __str__(self) -> str:
        taken = "whose only one is taken" if self.slots == 1 else f"whose {self.slots:,} are all taken"
        longest = f", the longest by {self.holders[0]}" if self.holders else ""
        return f"waits for a slot in queue {self.queue!r}, {taken}{longest}"


class AboutToStart(Kind, frozen=True):
    """Nothing is in its way: a worker pool claims it within a moment."""

    queue: str
    ahead: int = 0
    """How many steps of its queue are claimed before it."""

    def __str__(self) -> str:
        ahead = f", after {counted(self.ahead, 'step')} before it" if self.ahead else ""
        return f"is available in queue {self.queue!r}, and is about to start{ahead}"


class Retries(Kind, frozen=True):
    """Its last attempt failed, and the next one has a time."""

    attempt: int
    max_attempts: int
    error: str
    seconds_left: float

    def __str__(self) -> str:
        return (
            f"failed in attempt {self.attempt} of {self.max_attempts} ({self.error}), and starts again in "
            f"{span(self.seconds_left)}"
        )


class Scheduled(Kind, frozen=True):
    """It has a time (`scheduled_at`, `schedule_in`)."""

    seconds_left: float | None
    """None: it never comes."""

    def __str__(self) -> str:
        if self.seconds_left is None:
            return "is scheduled for a time that never comes: cancel it"
        return f"is scheduled, and starts in {span(self.seconds_left)}"


class Snoozed(Kind, frozen=True):
    """Its worker returned `Snooze`."""

    reason: str | None
    seconds_left: float

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"snoozes{why}, and starts again in {span(self.seconds_left)}"


class WaitsForBudget(Kind, frozen=True):
    """A budget of calls of language models has no room for its attempt."""

    reason: str
    seconds_left: float
    """Until it asks again; sooner if what it waits for is spent less or raised."""

    def __str__(self) -> str:
        return f"waits for room in a budget: {self.reason}; raise it with run.raise_budget(...)"


class NextRound(Kind, frozen=True):
    """Its worker returned `Again(after=...)`."""

    round: int
    """Its number; the first one was 1."""
    seconds_left: float

    def __str__(self) -> str:
        return f"begins round {self.round} in {span(self.seconds_left)}"


class BeingEnded(Kind, frozen=True):
    """It is a group that was ended, and its closing steps have not."""

    verdict: str
    reason: str | None
    unfinished: int

    def __str__(self) -> str:
        return (
            f"is being ended as {self.verdict}{because(self.reason)}; it waits for "
            f"{counted(self.unfinished, 'child step')} that cleans up"
        )


def _time_limit(seconds_left: float | None, has_default: bool) -> str:
    if seconds_left is None:
        return ""
    then = "takes its default" if has_default else "is discarded"
    return f"; without one it {then} in {span(seconds_left)}"
