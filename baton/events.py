"""What happens in a worker pool, as values: for logs, metrics, traces and tests.

    WorkerPool(observers=[observe])

calls `observe(event)` for each event, in the pool's event loop and in the order in which things happen. An observer is
a plain function that returns soon: the pool waits for it. What it raises is logged, and changes nothing.

An attempt passes these in order: `StepsClaimed`, `AttemptStarted`, `AttemptEnded`, perhaps `OutcomeReplaced`, and
`OutcomesAnswered`. A process that dies in between leaves out the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

log = logging.getLogger("baton.events")

StopCause = Literal["timeout", "shutdown", "lease_lost", "void"]
"""Why the pool cancelled an attempt. "void": the step was cancelled, or another claim owns it now."""


class PoolRegistered(Struct, frozen=True):
    """The pool has its lease and claims steps from now on; again under another number after a lost lease."""

    pool: int
    name: str
    queues: Mapping[str, int]


class LeaseLost(Struct, frozen=True):
    """The lease ran out, or may have. What runs is cancelled, and the pool registers anew."""

    pool: int


class PoolDraining(Struct, frozen=True):
    """The pool starts nothing new from now on."""

    pool: int
    running: int
    """How many attempts still run."""


class PoolDrained(Struct, frozen=True):
    """Nothing runs any more."""

    pool: int
    cut_short: int
    """How many attempts had not ended within the grace, and were cancelled."""
    is_settled: bool
    """False: the database did not answer in time, and the last outcomes are dropped."""


class StepsClaimed(Struct, frozen=True):
    """A call claimed these steps, in this order; all under one token."""

    pool: int
    token: UUID
    step_ids: Sequence[int]
    asked: int
    """How many steps the call asked for."""


class LimitReached(Struct, frozen=True):
    """A limit of a queue keeps a claim from getting more steps that wait; the claim before did not reach it."""

    pool: int
    queue: str
    limit: Literal["running", "starts", "lanes"]
    """How many execute, how many may start in a time, or limits or pauses of its lanes."""


class AttemptStarted(Struct, frozen=True, kw_only=True):
    """An attempt begins: its worker is called once there is a thread, a process or a connection for it."""

    pool: int
    step_id: int
    token: UUID
    workflow_id: str
    workflow_name: str | None
    step: str
    worker: str
    queue: str
    attempt: int
    max_attempts: int


class AttemptEnded(AttemptStarted, frozen=True, kw_only=True):
    """The worker's code has ended, or was cancelled. The outcome is not settled yet.

    Except for a transactional worker, whose outcome has committed if it is one that commits.
    """

    kind: str
    """How it ended: completed, failed, discarded, cancelled, skipped, snoozed, given_back, unknown_worker, misfit,
    expanded or lost; `stopped` if its outcome would not count any more and is not sent."""
    error: str | None
    """What went wrong, or the reason the worker gave; redacted as it is stored."""
    trace: str | None
    """The traceback of a failed attempt; redacted as it is stored."""
    delay: float | None
    """Seconds until the next attempt."""
    seconds: float | None
    """How long the worker's code ran; None if it never began."""
    cause: StopCause | None
    """Why the pool cancelled it, if it did."""
    is_last: bool
    """No attempt is left after this one: a failed step is discarded."""
    is_requested: bool
    """The worker asked for another attempt by returning `RetryAfter`: control flow, not a fault."""
    exception: BaseException | None
    """What the worker raised in this process; None if the pool redacts errors, for this one is not redacted."""


class SentOutcome(Struct, frozen=True):
    """An outcome on its way to the database."""

    step_id: int
    token: UUID
    kind: str


class AnsweredOutcome(Struct, frozen=True):
    """An outcome that the database has answered."""

    step_id: int
    token: UUID
    kind: str
    is_accepted: bool
    """False: another claim owns the step, or it is final; the outcome counts for nothing."""


class OutcomesAnswered(Struct, frozen=True):
    """The outcomes of one call are settled, or refused."""

    outcomes: Sequence[AnsweredOutcome]


class OutcomeReplaced(Struct, frozen=True):
    """An attempt's outcome cannot be settled as it is, and this one is settled in its place."""

    step_id: int
    token: UUID
    kind: str
    error: str


class WorkflowFailed(Struct, frozen=True):
    """An outcome that this pool settled was the last one of a workflow, which has failed.

    The end by a deadline, a signal's timeout, an operator or a dead pool's attempt is no event of any pool, and that by
    an outcome whose answer was lost may be none.
    """

    workflow_id: str
    workflow_name: str | None
    step: str | None
    """The first step that failed, in the order added; None if there is none among its first 10,000."""
    reason: str | None
    """Why it did."""


class CallFailed(Struct, frozen=True):
    """A call that carried these outcomes, or only a claim, has failed; it is sent again, whole or in parts."""

    call: Literal["advance", "settle", "expand"]
    outcomes: Sequence[SentOutcome]
    error: Exception
    is_transient: bool
    """It is unknown whether the call took effect. It is sent again unchanged, which is safe."""


class ScheduleFired(Struct, frozen=True):
    """A slot of a schedule was fired, or left out."""

    schedule: str
    outcome: str
    """`fired`, `skipped` because an earlier run is not final, `waiting` for its end, `missed`, or `failed`."""
    slot: datetime | None
    """None if all slots that were due were missed."""
    run: str | None
    """The id of the run that was inserted."""
    missed: int
    """How many slots before it were found too late."""
    error: str | None
    """Why it failed; it is tried again."""


class UpkeepDone(Struct, frozen=True):
    """A part of upkeep was done."""

    part: str
    """`look`, `mark dead`, `rescue`, `end overdue`, `stage`, `schedules`, `end waits` or `prune`."""
    died: int
    """Pools whose lease had run out."""
    lost: int
    """Attempts rescued from dead pools."""
    given_back: int
    """Claims that were never answered, given back without an attempt."""
    pruned: int
    staged: int
    """Steps whose time had come, which are available now."""
    waits_ended: int = 0
    """Steps for which what they waited for had come, or whose time was up."""
    ended: int = 0
    """Deadlines that had passed."""


class UpkeepFailed(Struct, frozen=True):
    """A part of upkeep failed, and is tried again."""

    part: str
    failures: int
    """How often it has failed in a row."""
    error: Exception


Event: TypeAlias = (
    PoolRegistered
    | LeaseLost
    | PoolDraining
    | PoolDrained
    | StepsClaimed
    | LimitReached
    | AttemptStarted
    | AttemptEnded
    | OutcomesAnswered
    | OutcomeReplaced
    | WorkflowFailed
    | CallFailed
    | ScheduleFired
    | UpkeepDone
    | UpkeepFailed
)
Observer: TypeAlias = Callable[[Event], object]


class Observers:
    """Passes the events of one pool to its observers.

    Args:
        log_event: is given every event first: the pool's own log.
        observers: the application's.
    """

    def __init__(self, log_event: Observer, observers: Sequence[Observer] = ()) -> None:
        self._observers = (log_event, *observers)
        self.are_given = bool(observers)
        """Whether the application observes. If not, events that the log does not need are not even made."""
        # An attribute, and not `__bool__`: it is asked twice for every attempt.
        self._failures = 0

    def emit(self, event: Event) -> None:
        """Call each observer with this event, whatever the others raise."""
        for observer in self._observers:
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - the application's code; a step must not fail for it
                self._report(observer, event, error)

    def _report(self, observer: Observer, event: Event, error: Exception) -> None:
        self._failures += 1
        # One that always raises would fill the log: after the first, only every doubling is logged.
        if self._failures.bit_count() == 1:
            log.error(
                "observer %r raised on %s; the observers of this pool have now failed %d time(s)",
                *(observer, type(event).__name__, self._failures),
                exc_info=error,
            )
