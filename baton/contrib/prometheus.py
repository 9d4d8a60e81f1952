"""Metrics for Prometheus: of the worker pools of this process, and of the queues in the database.

    metrics = Metrics()
    pool = WorkerPool(engine, observers=[metrics])

    @app.get("/metrics")
    async def scrape() -> Response:
        return Response(await metrics.text(pool), media_type=metrics.content_type)

`baton worker --health` has them at `/metrics` without a line of code. docs/observing.md lists them.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from baton.client.engine import Engine
from baton.contrib.metric_families import (
    ATTEMPT_SECONDS,
    ATTEMPTS,
    CALL_FAILURES,
    CLAIMED,
    CONTENT_TYPE,
    DEADLINES,
    ENTRIES,
    LEASE_SECONDS,
    LEASES_LOST,
    LIMITS_REACHED,
    OLDEST_SECONDS,
    PAUSED,
    POOLS_DIED,
    PRUNED,
    READY,
    REFUSED,
    REPLACED,
    RESCUED,
    RUNNING,
    SLOTS,
    SLOTS_FIRED,
    UPKEEP_FAILURES,
    WORKFLOWS_FAILED,
    Samples,
)
from baton.database.connections import error_summary
from baton.database.queue_depths import QueueDepths, read_queue_depths
from baton.events import (
    AttemptEnded,
    AttemptStarted,
    CallFailed,
    Event,
    LeaseLost,
    LimitReached,
    OutcomeReplaced,
    OutcomesAnswered,
    PoolDrained,
    PoolDraining,
    PoolRegistered,
    ScheduleFired,
    StepsClaimed,
    UpkeepDone,
    UpkeepFailed,
    WorkflowFailed,
)
from baton.runtime.health import Health
from baton.runtime.pool import WorkerPool

log = logging.getLogger("baton.metrics")

READ_SECONDS = 2.0
"""How long the database may take to say how deep the queues are. After that the scrape goes without."""
FRESH_SECONDS = 5.0
"""How long that answer is used again."""


class Metrics:
    """An observer of worker pools that counts what happens in them. One for a process; it may observe several pools.

    Nothing is asked of the database except by `text` and `refresh`, at most every five seconds: two statements, of
    which one reads each entry of the queues.
    """

    content_type = CONTENT_TYPE
    """Of what `text` returns."""

    def __init__(self) -> None:
        self._counted = Samples()
        self._depths = QueueDepths()
        self._read_at = -FRESH_SECONDS

    def __call__(self, event: Event) -> None:
        """Count an event: what `WorkerPool(observers=[metrics])` calls."""
        match event:
            case StepsClaimed():
                self._counted.add(CLAIMED, by=len(event.step_ids))
            case LimitReached():
                self._counted.add(LIMITS_REACHED, (event.queue, event.limit))
            case AttemptStarted():  # and AttemptEnded, which is one
                self._count_attempt(event)
            case OutcomesAnswered() | OutcomeReplaced() | CallFailed():
                self._count_outcomes(event)
            case UpkeepDone() | UpkeepFailed():
                self._count_upkeep(event)
            case WorkflowFailed():
                self._counted.add(WORKFLOWS_FAILED)
            case ScheduleFired():
                self._count_slots(event)
            case PoolRegistered() | LeaseLost() | PoolDraining() | PoolDrained():
                self._count_pool(event)

    def samples(self, health: Health | None = None) -> Samples:
        """Return what was counted, with the state of a pool and what was last read of the queues."""
        samples = Samples()
        samples.merge(self._counted)
        if health is not None:
            samples.put(LEASE_SECONDS, health.lease_seconds)
            samples.put(READY, int(health.is_ready))
        for depth in self._depths.depths:
            samples.put(ENTRIES, depth.entries, (depth.queue, depth.state))
            if depth.oldest_seconds is not None:
                samples.put(OLDEST_SECONDS, depth.oldest_seconds, (depth.queue, depth.state))
        for queue in self._depths.paused:
            samples.put(PAUSED, 1, (queue,))
        return samples

    async def text(self, pool: WorkerPool | None = None, engine: Engine | None = None) -> str:
        """Return all metrics in the text format of Prometheus; without an answer of the database, those of the process.

        Args:
            pool: whose state is among them.
            engine: where the queues are; left out, the pool's own, if it was given one.
        """
        where = engine if engine is not None or pool is None else pool.given_engine
        if where is not None:
            await self.refresh(where)
        return self.samples(None if pool is None else pool.health()).text()

    async def refresh(self, engine: Engine) -> None:
        """Read how deep the queues are, unless that was done a moment ago. A failure is logged, and leaves them out."""
        if monotonic() - self._read_at < FRESH_SECONDS:
            return
        self._read_at = monotonic()
        try:
            async with asyncio.timeout(READ_SECONDS):
                self._depths = await read_queue_depths(engine.connections, engine.schema)
        except Exception as error:  # noqa: BLE001 - metrics must be there above all when something is wrong
            self._depths = QueueDepths()
            log.warning("the depths of the queues are left out of the metrics: %s", error_summary(error))

    def _count_attempt(self, event: AttemptStarted) -> None:
        match event:
            case AttemptEnded():
                self._counted.add(ATTEMPTS, (event.queue, event.worker, _outcome(event)))
                self._counted.add(RUNNING, (event.queue,), -1)
                if event.seconds is not None:
                    self._counted.time(ATTEMPT_SECONDS, event.seconds, (event.worker,))
            case _:
                self._counted.add(RUNNING, (event.queue,))

    def _count_slots(self, event: ScheduleFired) -> None:
        if event.outcome != "missed":
            self._counted.add(SLOTS_FIRED, (event.schedule, event.outcome))
        if event.missed:
            self._counted.add(SLOTS_FIRED, (event.schedule, "missed"), event.missed)

    def _count_pool(self, event: PoolRegistered | LeaseLost | PoolDraining | PoolDrained) -> None:
        match event:
            case PoolRegistered():
                for queue, slots in event.queues.items():
                    self._counted.put(SLOTS, slots, (queue,))
                    self._counted.add(RUNNING, (queue,), 0)
            case LeaseLost():
                self._counted.add(LEASES_LOST)
            case PoolDraining() | PoolDrained():
                pass

    def _count_outcomes(self, event: OutcomesAnswered | OutcomeReplaced | CallFailed) -> None:
        match event:
            case OutcomesAnswered(outcomes):
                if refused := sum(not one.is_accepted for one in outcomes):
                    self._counted.add(REFUSED, by=refused)
            case OutcomeReplaced():
                self._counted.add(REPLACED)
            case CallFailed(call):
                self._counted.add(CALL_FAILURES, (call,))

    def _count_upkeep(self, event: UpkeepDone | UpkeepFailed) -> None:
        match event:
            case UpkeepFailed(part):
                self._counted.add(UPKEEP_FAILURES, (part,))
            case UpkeepDone():
                for family, labels, count in (
                    (RESCUED, ("lost",), event.lost),
                    (RESCUED, ("given_back",), event.given_back),
                    (POOLS_DIED, (), event.died),
                    (PRUNED, (), event.pruned),
                    (DEADLINES, (), event.ended),
                ):
                    if count:
                        self._counted.add(family, labels, count)


def _outcome(event: AttemptEnded) -> str:
    # What somebody has to look at is a step that failed for good, whichever way.
    return "discarded" if event.kind in ("failed", "lost") and event.is_last else event.kind
