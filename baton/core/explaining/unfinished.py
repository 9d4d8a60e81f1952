"""The cause of a step that is not final."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baton.core.causes import (
    AboutToEnd,
    AboutToStart,
    BeingEnded,
    Cause,
    Executing,
    Holder,
    LanePaused,
    NextRound,
    NoPoolForArguments,
    NoPoolForWorker,
    NotServed,
    PoolGone,
    PoolSilent,
    PutBack,
    QueueLimited,
    QueuePaused,
    Retries,
    Scheduled,
    SlotsTaken,
    Snoozed,
    WaitsForAttempts,
    WaitsForBudget,
    WaitsForChildren,
    WaitsForEnough,
    WaitsForGroup,
    WaitsForMapSlot,
    WaitsForMessage,
    WaitsForRun,
    WaitsForSignal,
    WaitsForSteps,
    WaitsForTime,
    WaitsForUndos,
    WaitsForVerdict,
)
from baton.core.causes.kind import NAMED
from baton.core.causes.waiting import EntryState, Unserved
from baton.core.explaining.facts import AwaitedFacts, LimitFacts, QueueFacts, StepFacts
from baton.core.explaining.pauses import paused

Known = Mapping[int, StepFacts]
Queues = Mapping[str, QueueFacts]


def cause_of_unfinished(step: StepFacts, known: Known, queues: Queues) -> Cause:
    """Return why a step is where it is that is not final."""
    match step.state:
        case "executing":
            return _executing(step)
        case "waiting" if step.awaits is not None:
            return _waiting(step, step.awaits)
        case "waiting":
            return paused(step, "waiting") or AboutToStart(queue=step.queue)
        case "available" | "scheduled" | "retryable":
            queue = queues.get(step.queue) or QueueFacts(step.queue, None, None, 0)
            return _entry(step, step.state, queue)
        case _:
            return _suspended(step, known)


def _executing(step: StepFacts) -> Cause:
    seconds, pool = step.running_seconds or 0.0, step.pool
    if step.is_join:
        return AboutToEnd()
    if pool is None or pool.is_dead:
        name = None if pool is None else pool.name
        is_served = bool(step.is_known)
        return PoolGone(
            pool=name,
            seconds=seconds,
            attempt=step.attempt,
            max_attempts=step.max_attempts,
            is_served=is_served,
            queue=step.queue,
        )
    if pool.is_silent:
        return PoolSilent(
            pool=pool.name,
            host=pool.host,
            pid=pool.pid,
            seconds=seconds,
            attempt=step.attempt,
            max_attempts=step.max_attempts,
            silent_seconds=pool.silent_seconds,
            seconds_left=max(0.0, pool.lease_left),
        )
    return Executing(
        pool=pool.name,
        host=pool.host,
        pid=pool.pid,
        seconds=seconds,
        attempt=step.attempt,
        max_attempts=step.max_attempts,
    )


def _waiting(step: StepFacts, awaits: AwaitedFacts) -> Cause:
    left = step.waits_until
    has_default = awaits.default is not None
    if step.is_ripe:
        return AboutToEnd()
    match awaits.type:
        case "signal":
            return WaitsForSignal(seconds_left=left, has_default=has_default, step=step.name)
        case "message":
            return WaitsForMessage(topic=awaits.topic or "", seconds_left=left, has_default=has_default)
        case "timer":
            return WaitsForTime(seconds_left=left or 0.0)
        case "run":
            state, circle = (None, None) if step.run is None else (step.run.state, step.run.circle)
            limit = None if state is not None else awaits.within
            return WaitsForRun(run=awaits.id or "", state=state, seconds_left=limit, circle=circle or ())


def _entry(step: StepFacts, state: EntryState, queue: QueueFacts) -> Cause:
    """Return the cause of a step that has an entry in its queue, and does not execute."""
    if (pause := paused(step, state)) is not None:
        return pause
    if step.limit is not None and step.limit.limit == "paused_lane":
        return _limited(step.queue, step.limit, ())
    unserved = why_unserved(
        state=state,
        queue=step.queue,
        worker=step.worker,
        paused_seconds=queue.paused_seconds,
        is_served=queue.slots is not None,
        is_known=bool(step.is_known),
        misfit=step.reason if step.outcome == "misfit" else None,
        refusal=step.reason if step.refusals else None,
        seconds_left=step.due_in or 0.0,
    )
    if unserved is not None:
        return unserved
    if state != "available":
        return _delayed(step)
    slots = queue.slots or 0
    holders = tuple(Holder(workflow=one.workflow, step=one.step, seconds=one.seconds) for one in queue.holders)
    if step.limit is not None:
        return _limited(step.queue, step.limit, holders)
    if queue.taken < slots:
        return AboutToEnd() if step.is_join else AboutToStart(queue=step.queue)
    return SlotsTaken(queue=step.queue, slots=slots, holders=holders)


def _limited(queue: str, facts: LimitFacts, holders: tuple[Holder, ...]) -> QueueLimited | LanePaused:
    if facts.limit == "paused_lane":
        return LanePaused(queue=queue, lane=facts.lane or "-", seconds=facts.seconds or 0.0)
    return QueueLimited(
        queue=queue,
        limit=facts.limit,
        most=facts.most,
        lane=facts.lane,
        per=facts.per,
        seconds_left=facts.seconds,
        holders=() if facts.limit != "running" else holders,
    )


def why_unserved(
    *,
    state: EntryState,
    queue: str,
    worker: str,
    paused_seconds: float | None,
    is_served: bool,
    is_known: bool,
    misfit: str | None,
    refusal: str | None,
    seconds_left: float,
) -> Unserved | None:
    """Return why no pool can run a step that has an entry in its queue; None if one can.

    `misfit`: how its arguments did not fit. `refusal`: why the last pool that claimed it put it back.
    """
    if paused_seconds is not None:
        return QueuePaused(state=state, queue=queue, seconds=paused_seconds)
    if misfit is not None:
        return NoPoolForArguments(state=state, fault=misfit, seconds_left=seconds_left)
    if not is_served:
        return NotServed(state=state, queue=queue)
    if not is_known:
        return NoPoolForWorker(state=state, queue=queue, worker=worker, refusal=refusal)
    return None


def _delayed(step: StepFacts) -> Cause:
    due = step.due_in or 0.0
    if step.state == "retryable":
        error = step.error or step.reason or "no error was recorded"
        return Retries(attempt=step.attempt, max_attempts=step.max_attempts, error=error, seconds_left=due)
    if step.refusals:
        return PutBack(reason=step.reason or "it could not run there", seconds_left=due)
    match step.outcome:
        case "snoozed":
            return Snoozed(reason=step.reason, seconds_left=due)
        case "no_budget":
            return WaitsForBudget(reason=step.reason or "it is used up", seconds_left=due)
        case "again":
            return NextRound(round=step.round, seconds_left=due)
        case _:
            return Scheduled(seconds_left=step.due_in)


def closed_gate(group: StepFacts, known: Known) -> StepFacts | None:
    """Return what a group waits for that has not begun: its gate, which has its edges. None if it has begun."""
    gates = (one for one in known.values() if one.role == "gate" and one.group == group.name)
    return next((one for one in gates if one.state == "suspended"), None)


def _suspended(step: StepFacts, known: Known) -> Cause:
    if step.attempts is not None:
        return WaitsForAttempts(steps=step.attempts.steps, pools=step.attempts.pools)
    if step.ending is not None:
        return BeingEnded(verdict=step.ending.state, reason=step.ending.reason, unfinished=step.pending)
    waited = [known[one] for one in step.next if one in known]
    gate = next((one for one in waited if one.role == "gate"), None)
    if step.children is not None:
        if (closed := closed_gate(step, known)) is not None:
            return _for_others(closed, [known[one] for one in closed.next if one in known])
        return WaitsForChildren(unfinished=step.pending, children=step.children)
    if gate is not None and step.role != "undo" and not step.is_own:
        return WaitsForGroup(group=gate.group or gate.name)
    if (end := next((one for one in waited if one.role == "end"), None)) is not None:
        return WaitsForVerdict(unfinished=end.pending)
    return _for_others(step, waited)


def _for_others(step: StepFacts, waited: Sequence[StepFacts]) -> Cause:
    named = tuple([one.name for one in waited if not one.is_own][:NAMED])
    if step.slot is not None and step.pending == 1:
        return WaitsForMapSlot(map=step.slot.map, concurrency=step.slot.concurrency, holders=step.slot.holders)
    if step.needs is not None and step.grouping is None:
        return WaitsForEnough(
            needs=step.needs, missing=step.pending, steps=named, others=max(0, len(waited) - len(named))
        )
    others = max(0, step.pending - len(named))
    if step.role == "undo":
        return WaitsForUndos(steps=named, others=others if named else 0)
    return WaitsForSteps(steps=named, others=others)
