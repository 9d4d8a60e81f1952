"""The causes that somebody set: pauses of runs, workers and lanes, limits and rates of queues."""

from __future__ import annotations

from collections.abc import Sequence

from baton.core.causes import Cause, Holder, LanePaused, LimitReached, RateReached, RunPaused, WorkerPaused
from baton.core.causes.waiting import EntryState
from baton.core.explaining.facts import HolderFacts, QueueFacts, RateFacts, StepFacts


def paused(step: StepFacts, state: EntryState) -> Cause | None:
    """Return the pause of its run, its worker or its lane that keeps a step from starting; None if there is none."""
    if (pause := step.pause) is None:
        return None
    match pause.of:
        case "run":
            return RunPaused(state=state, workflow=step.workflow, seconds=pause.seconds)
        case "worker":
            return WorkerPaused(state=state, worker=step.worker, seconds=pause.seconds)
        case "lane":
            lane = step.lane.name if step.lane is not None else "-"
            return LanePaused(state=state, queue=step.queue, lane=lane, seconds=pause.seconds)


def at_limit(step: StepFacts, queue: QueueFacts) -> Cause | None:
    """Return the limit or rate that keeps an available step from starting; None if there is room."""
    if queue.running is not None and queue.limited >= queue.running:
        return LimitReached(
            queue=step.queue, lane=None, limit=queue.running, executing=queue.limited, holders=holders_of(queue.holders)
        )
    lane = step.lane
    if lane is not None and lane.running is not None and lane.taken >= lane.running:
        return LimitReached(
            queue=step.queue,
            lane=lane.name,
            limit=lane.running,
            executing=lane.taken,
            holders=holders_of(lane.holders),
        )
    return _at_rate(step, None, queue.rate) or (None if lane is None else _at_rate(step, lane.name, lane.rate))


def _at_rate(step: StepFacts, lane: str | None, rate: RateFacts | None) -> Cause | None:
    if rate is None or rate.free >= step.units:
        return None
    left = (step.units - rate.free) * rate.per / rate.starts
    return RateReached(
        queue=step.queue, lane=lane, starts=rate.starts, per=rate.per, units=step.units, seconds_left=left
    )


def holders_of(found: Sequence[HolderFacts]) -> tuple[Holder, ...]:
    """Return the steps that hold slots of a queue or lane."""
    return tuple([Holder(workflow=one.workflow, step=one.step, seconds=one.seconds) for one in found])
