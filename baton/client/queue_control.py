"""The methods of an engine that deal with queues: what is in them, pauses, and limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from baton.core.durations import Seconds
from baton.core.names import checked_actor
from baton.core.options import checked_option_name, checked_queue
from baton.database.start_pauses import pause_starts, read_start_pauses, resume_starts
from baton.errors import InvalidOption

if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.database.connections import Calls
    from baton.database.queries import Queue
    from baton.database.queue_limits import LimitedQueue, LimitStore
    from baton.database.start_pauses import Kind, StartPause


ChangeOfStarts: TypeAlias = Callable[["Calls", str, "Kind", str, str | None], Awaitable[bool | None]]


class QueueControl:
    """A part of `Engine`. What it needs is imported by those who have limits."""

    async def queues(self) -> Sequence[Queue]:
        """Return every queue that has entries, is paused, is served, or has limits. Reads every entry there is."""
        return await self._engine().reads.queues()

    async def pause(
        self,
        queue: str | None = None,
        *,
        lane: str | None = None,
        worker: str | None = None,
        actor: str | None = None,
    ) -> bool:
        """Let no pool start a step of this queue, on any machine, until it is resumed; restarts do not resume it.

        What runs goes on and settles; what is inserted or due waits. A claim that is under way may still start steps.
        Returns True if this call paused it, False if it was paused already.

        Args:
            lane: pause only this lane of the queue. "-" is that of steps without one.
            worker: in place of a queue: pause the steps of this worker, by name, in every queue.
            actor: who does it; see `interventions`.

        Raises: InvalidOption if this cannot be the name of a queue, lane or worker.
        """
        if worker is not None:
            return await self._change_worker(pause_starts, queue, lane, worker, actor)
        return await self._engine().store.pause(*_queue_and_lane(queue, lane), checked_actor(actor))

    async def resume(
        self,
        queue: str | None = None,
        *,
        lane: str | None = None,
        worker: str | None = None,
        actor: str | None = None,
    ) -> bool:
        """Let a paused queue, a lane of it, or a worker go on; pools are woken at once. Returns whether it was paused.

        The arguments are those of `pause`.

        Raises: InvalidOption if this cannot be the name of a queue, lane or worker.
        """
        if worker is not None:
            return await self._change_worker(resume_starts, queue, lane, worker, actor)
        return await self._engine().store.resume(*_queue_and_lane(queue, lane), checked_actor(actor))

    async def pauses(self) -> Sequence[StartPause]:
        """Return the runs and workers that are paused, the first to be paused first. Paused queues are in `queues`."""
        engine = self._engine()
        return await read_start_pauses(engine.store.calls, engine.schema)

    async def limit(
        self,
        queue: str,
        *,
        running: int | None = None,
        starts: float | None = None,
        per: Seconds | None = None,
        burst: float | None = None,
        lane_running: int | None = None,
        lane_starts: float | None = None,
        lane_per: Seconds | None = None,
        lane_burst: float | None = None,
        actor: str | None = None,
    ) -> bool:
        """Bound a queue over all worker pools, from now on. What is left out is not bounded any more.

        The limits hold at every moment, whatever dies: what executes is counted, and nothing has to be given back. An
        attempt counts from its claim until its outcome is accepted, or its claim is void because its step was cancelled
        or its pool lost its lease. What runs already goes on, if more runs than a new limit allows.

        With a limit for lanes the lanes of the queue take turns, within a priority.

        Args:
            running: how many steps execute at once.
            starts: how many units may start in `per`: a start counts as many units as its job has, 1 unless given.
                Every attempt is a start.
            per: seconds, or a `timedelta`.
            burst: how many units may start at once after a rest; a tenth of a second's worth unless given, but at least
                1. No time of `per` has more than `starts` and `burst` together. A job with more units is refused when
                it is inserted.
            lane_running: how many steps of each lane execute at once.
            lane_starts: how many units of each lane may start in `lane_per`.
            lane_per: seconds, or a `timedelta`.
            lane_burst: as `burst`.
            actor: who does it; see `interventions`.

        Returns whether this changed anything. Raises `InvalidOption`; and `asyncpg.LockNotAvailableError` after half a
        minute, if what executes is locked by other sessions for so long.
        """
        from baton.core.queue_limits import queue_limits

        limits = queue_limits(
            queue,
            running=running,
            starts=starts,
            per=per,
            burst=burst,
            lane_running=lane_running,
            lane_starts=lane_starts,
            lane_per=lane_per,
            lane_burst=lane_burst,
        )
        return await self._limits().put(queue, limits, checked_actor(actor))

    async def remove_limit(self, queue: str, *, actor: str | None = None) -> bool:
        """Take all limits of a queue away. Returns whether it had any. `actor`: as in `limit`.

        Raises `InvalidOption`.
        """
        from baton.core.queue_limits import QueueLimits

        return await self._limits().put(checked_queue("queue", queue), QueueLimits(), checked_actor(actor))

    async def limits(self) -> Sequence[LimitedQueue]:
        """Return the queues that have limits, or lanes that are paused, by name. Reads every entry there is."""
        return await self._limits().records()

    async def _change_worker(
        self, change: ChangeOfStarts, queue: str | None, lane: str | None, worker: str, actor: str | None
    ) -> bool:
        if queue is not None or lane is not None:
            raise InvalidOption("worker", worker, "name a worker or a queue, not both")
        engine, name = self._engine(), checked_option_name("worker", worker)
        return bool(await change(engine.store.calls, engine.schema, "worker", name, checked_actor(actor)))

    def _limits(self) -> LimitStore:
        from baton.database.queue_limits import LimitStore

        engine = self._engine()
        return LimitStore(engine.store.calls, engine.schema)

    def _engine(self) -> Engine:
        return cast("Engine", self)


def _queue_and_lane(queue: str | None, lane: str | None) -> tuple[str, str | None]:
    if queue is None:
        raise InvalidOption("queue", queue, "name a queue or a worker")
    return checked_queue("queue", queue), None if lane is None else checked_option_name("lane", lane)
