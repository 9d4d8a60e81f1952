"""`WorkerPool`: the machinery of one process that claims, runs and settles steps."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import anyio

from baton.client.engine import Engine, default_engine
from baton.core import registry
from baton.core.options import Seconds, at_least_one, checked_queues, more_than_none, seconds
from baton.core.outcome import Outcome, expanded, given_back, joined
from baton.database.connections import describe
from baton.database.messages import Claimed, Settlement
from baton.database.notifications import (
    ClaimsVoid,
    EntryDue,
    Notice,
    QueueHasWork,
    Reconnected,
    StepEnded,
    WorkflowFinished,
)
from baton.database.worker_connections import WorkerConnections
from baton.errors import BatonError
from baton.runtime import failpoints
from baton.runtime.application_executors import ApplicationExecutors, checked_executors
from baton.runtime.attempts import Attempt, Attempts, Cause
from baton.runtime.claim_planner import ClaimPlanner
from baton.runtime.dispatcher import Dispatcher
from baton.runtime.executors import Executors
from baton.runtime.health import Drained, Health
from baton.runtime.heartbeat import Heartbeat, Keys, Lease
from baton.runtime.maintenance import Maintenance
from baton.runtime.resources import Provider, Resources
from baton.runtime.runner import Runner
from baton.runtime.tokens import Tokens
from baton.runtime.transactions import Transactions
from baton.tasks import Tasks, finish

log = logging.getLogger("baton.runtime.pool")

STOP_SECONDS = 5.0
"""How long a cancelled attempt may take to end."""
FLUSH_SECONDS = 10.0
"""How long the last outcomes may take to be answered."""
LEAVE_SECONDS = 2.0
SWEEPS_PER_LEASE = 3
ANNOUNCED_SECONDS = 10.0
NO_POOL = -1


class WorkerPool:
    """Runs steps in this process: claims them from its queues, calls their workers, settles their outcomes.

    Used with `async with`, in a process of its own (`baton worker`, or `await pool.serve()`), or in an application's
    lifespan. Leaving it drains: nothing new is started, what runs may end within `grace`, and the rest is given back
    without spending an attempt. Any number of pools may serve the same queues.

    Args:
        engine: where; left out, the engine entered last.
        queues: how many steps of each queue run here at once. Left out, `{"default": 20}`.
        name: what the pool is called in the table `pools`; left out, host and process id.
        lease: seconds after which others take over when nothing is heard of this process. It is renewed three times as
            often, from a thread of its own; so no step is too long for it.
        poll: seconds between looks at the queues when no notice arrives.
        grace: seconds that running attempts have to end when the pool is left.
        keep: how long finished workflows are kept; None for ever.
        max_block: seconds that a step may block the event loop before the process ends itself, and others take over.
        redact: is given every error text, traceback and reason before it is stored, and returns what is stored.
        threads: how many attempts of plain functions run in threads at once; left out, as many as there are slots.
        processes: how many processes run workers with `executor="process"`; left out, one per processor. Attempts wait
            for one as claimed steps: give their queue more slots than there are processes, to keep these busy.
        executors: where workers run that name one of them, as in `@worker(executor="cluster")`. They belong to the
            application, which shuts them down after the pool.
        connections: how many attempts of transactional workers run at once, each on a connection that is opened when
            it is wanted; left out, as many as there are slots.
        provide: classes, or functions without arguments, that make asynchronous context managers. They are entered with
            the pool, left when it has drained, and handed to the workers that annotate `Provided[...]` of their type.

    Raises on entry: NoEngine, EngineClosed, WrongEventLoop.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        queues: Mapping[str, int] | None = None,
        name: str | None = None,
        lease: Seconds = 30,
        poll: Seconds = 5,
        grace: Seconds = 30,
        keep: Seconds | None = timedelta(days=7),
        max_block: Seconds = 600,
        redact: Callable[[str], str] | None = None,
        threads: int | None = None,
        processes: int | None = None,
        executors: Mapping[str, Executor] | None = None,
        connections: int | None = None,
        provide: Sequence[Provider] = (),
    ) -> None:
        self.queues = checked_queues(queues)
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._given_engine = engine
        self._lease_seconds = more_than_none("lease", lease)
        self._poll_seconds = more_than_none("poll", poll)
        self._grace_seconds = seconds("grace", grace)
        self._max_block_seconds = more_than_none("max_block", max_block)
        self._keep = None if keep is None else timedelta(seconds=seconds("keep", keep))
        self._redact = redact
        self._processes = at_least_one("processes", processes) or os.cpu_count() or 1
        self._threads = at_least_one("threads", threads) or sum(self.queues.values())
        self._resources = Resources(provide)
        self._foreign = ApplicationExecutors(checked_executors(executors))
        self._connections = at_least_one("connections", connections) or sum(self.queues.values())
        self._id = NO_POOL
        self._is_entered = False

    @property
    def given_engine(self) -> Engine | None:
        """The engine it was given; None if it takes the one that is entered last."""
        return self._given_engine

    @property
    def grace_seconds(self) -> float:
        """How long running attempts have to end when the pool is left."""
        return self._grace_seconds

    @property
    def id(self) -> int:
        """The number the pool is registered under; a new one after a lost lease."""
        return self._id

    def health(self) -> Health:
        """Return how the pool is at this moment, for an endpoint of your own. Costs nothing, at any time."""
        is_registered = self._is_entered and self._id != NO_POOL
        return Health(
            name=self.name,
            pool=self._id if is_registered else None,
            queues=self.queues,
            running=len(self._attempts) if self._is_entered else 0,
            lease_seconds=self._heartbeat.lease_seconds if is_registered else 0.0,
            is_database_answering=self._is_entered and self._heartbeat.is_answered,
            is_draining=self._is_entered and self._draining is not None,
        )

    async def __aenter__(self) -> Self:
        if self._is_entered:
            raise BatonError("the worker pool is entered already; use it as it is, or make another one")
        self._engine = self._given_engine or default_engine()
        self._tasks = Tasks()
        # Apart from the pool's own loops: a step may refuse to end.
        self._steps = Tasks()
        self._listening = ExitStack()
        self._hurry = asyncio.Event()
        self._draining: asyncio.Task[Drained] | None = None
        self._registering: asyncio.Task[None] | None = None
        self._build()
        await self._worker_connections.open()
        await self._resources.open()
        try:
            await self._register()
        except BaseException:
            await self._resources.aclose()
            raise
        self._start()
        self._is_entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            # Whoever cancels the block that holds the pool does not want to wait for what runs in it.
            await self.drain(0 if kind is not None and issubclass(kind, asyncio.CancelledError) else None)
        finally:
            try:
                await finish(self._tasks.start(self._close(), name="baton pool closing"))
                await self._steps.aclose(patience=1.0)
                await self._tasks.aclose()
            finally:
                await self._worker_connections.aclose()
                # Here and not in a task: some context managers must be left by the task that entered them.
                await self._resources.aclose()

    async def drain(self, grace: Seconds | None = None) -> Drained:
        """Start nothing new, let what runs end within `grace` seconds, then cancel it and give it back.

        No attempt is spent by what is given back. Called again, `grace=0` cuts the first call's grace short.
        """
        grace_seconds = self._grace_seconds if grace is None else seconds("grace", grace)
        self._claim_planner.stop()
        if grace_seconds == 0:
            self._hurry.set()
        if self._draining is None:
            self._draining = self._tasks.start(self._drain(grace_seconds), name="baton drain")
        try:
            return await asyncio.shield(self._draining)
        except asyncio.CancelledError:
            # Whoever waits is in a hurry: no more grace, but nothing is dropped.
            self._hurry.set()
            await finish(self._draining)
            raise

    async def serve(self) -> Drained:
        """Run until SIGTERM, SIGINT or SIGHUP: the first drains, the second cuts the grace short. Returns when drained.

        A SIGHUP that the process ignores, as under `nohup`, is still ignored.
        """
        hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, *hangup) as signals:
            asked = asyncio.Event()
            self._tasks.start(self._obey(signals, asked), name="baton signals")
            await asked.wait()
            return await self.drain()

    def _build(self) -> None:
        dialing, schema = self._engine.dialing, self._engine.schema
        self._tokens = Tokens()
        self._claim_planner = ClaimPlanner(self.queues, hears=self._engine.listener is not None)
        self._attempts = Attempts(self._work, self._steps)
        self._executors = Executors(self._threads, self._processes, self._foreign, self._resources)
        self._runner = Runner(self._executors, self._engine.limits, self._redact)
        self._worker_connections = WorkerConnections(dialing, self._connections)
        self._transactions = Transactions(
            self._worker_connections,
            schema,
            self._lease_seconds,
            self._runner,
            self._engine.limits,
            on_committed=self._look_everywhere,
        )
        self._dispatcher = Dispatcher(
            dialing,
            schema,
            self._claim_planner,
            self._tokens,
            self._engine.limits,
            pool=lambda: self._id,
            start=self._begin,
        )
        self._maintenance = Maintenance(
            dialing,
            schema,
            sweep_seconds=self._lease_seconds / SWEEPS_PER_LEASE,
            # What is due later than this is announced to nobody (see notify_due.sql): a round in time finds it.
            tick_seconds=min(ANNOUNCED_SECONDS, 2 * self._poll_seconds, self._lease_seconds / SWEEPS_PER_LEASE),
            keep=self._keep,
            on_staged=self._look_everywhere,
        )

    async def _register(self) -> None:
        pool = await self._engine.store.register(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            limits=self.queues,
            workers=self._executors.runnable(),
            lease_seconds=self._lease_seconds,
        )
        lease = Lease(
            pool,
            self._lease_seconds,
            self._max_block_seconds,
            on_void=self._on_void,
            on_lost=self._on_lost,
            on_counted=self._claim_planner.counted,
        )
        self._heartbeat = Heartbeat(
            self._engine.dialing, self._engine.schema, lease, self._tokens, self._attempts, self._executors.runnable
        )
        self._heartbeat.start()
        self._id = pool
        log.info("worker pool %s (%s) serves %s", pool, self.name, self.queues)

    def _start(self) -> None:
        if self._engine.listener is not None:
            self._listening.enter_context(self._engine.listener.heard_by(self._hear))
        self._tasks.start(self._dispatcher.run(), name="baton exchange loop")
        self._tasks.start(self._maintenance.run(), name="baton maintenance")
        self._tasks.start(self._poll(), name="baton poll")

    async def _poll(self) -> None:
        while True:
            self._look_everywhere()
            await asyncio.sleep(self._poll_seconds)

    def _look_everywhere(self) -> None:
        self._claim_planner.look_everywhere()
        self._dispatcher.wake()

    def _hear(self, notice: Notice) -> None:
        match notice:
            case QueueHasWork(queue, entries):
                self._dispatcher.told(queue, entries)
            case EntryDue(due_in):
                self._maintenance.due_in(due_in)
            case ClaimsVoid(pool) if pool == self._id:
                self._heartbeat.beat_now()
            case Reconnected():
                self._look_everywhere()
                self._maintenance.due_in(0)
                self._heartbeat.beat_now()
            case ClaimsVoid() | WorkflowFinished() | StepEnded():
                pass

    def _begin(self, claimed: Claimed) -> None:
        if self._draining is not None:
            self._answer(claimed, given_back(Cause.SHUTDOWN.value))
        elif claimed.is_join:
            self._answer(claimed, joined())
        elif claimed.map is not None:
            self._answer(claimed, expanded())
        else:
            self._attempts.start(claimed)

    def _answer(self, claimed: Claimed, outcome: Outcome) -> None:
        """Settle a claim for which nothing has to run."""
        self._dispatcher.put(claimed, Settlement(claimed.step_id, claimed.token, outcome))
        self._claim_planner.ended(claimed.queue)

    async def _work(self, attempt: Attempt) -> None:
        claimed = attempt.claimed
        try:
            if failpoints.reached is not None:
                await failpoints.reached("before the worker")
            outcome = await self._run(attempt)
            if failpoints.reached is not None:
                await failpoints.reached("after the worker")
            self._dispatcher.put(claimed, Settlement(claimed.step_id, claimed.token, outcome) if outcome else None)
            if attempt.thread_ended is not None:
                await attempt.thread_ended.wait()
        finally:
            self._claim_planner.ended(claimed.queue)
            self._dispatcher.wake()

    def _run(self, attempt: Attempt) -> Coroutine[Any, Any, Outcome | None]:
        worker = registry.get(attempt.claimed.worker)
        if worker is not None and worker.is_transactional:
            return self._transactions.run(attempt, worker)
        return self._runner.run(attempt)

    def _on_void(self, keys: Keys) -> None:
        self._attempts.cancel(keys, Cause.VOID)

    def _on_lost(self) -> None:
        """Trust nothing that runs here any more, and begin anew under another number."""
        self._id = NO_POOL
        self._attempts.cancel_all(Cause.LEASE_LOST)
        if self._draining is None:
            self._registering = self._tasks.start(self._register_anew(), name="baton registering anew")

    async def _register_anew(self) -> None:
        while True:
            try:
                await self._register()
                break
            except Exception:
                log.warning("the pool could not register anew and tries again", exc_info=True)
                await asyncio.sleep(1.0)
        self._look_everywhere()

    async def _drain(self, grace_seconds: float) -> Drained:
        log.info("worker pool %s drains: %d attempt(s) run", self._id, len(self._attempts))
        ended = self._tasks.start(self._attempts.ended(grace_seconds), name="baton drain grace")
        hurry = self._tasks.start(self._hurry.wait(), name="baton drain hurry")
        await asyncio.wait({ended, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        cut_short = len(self._attempts)
        self._attempts.cancel_all(Cause.SHUTDOWN)
        await self._attempts.ended(STOP_SECONDS)
        is_settled = await self._dispatcher.flushed(FLUSH_SECONDS)
        if not is_settled:
            log.error("the database did not answer in time: the last outcomes are dropped, and their steps run again")
        return Drained(cut_short, is_settled)

    async def _close(self) -> None:
        self._is_entered = False
        self._listening.close()
        if self._registering is not None and not self._registering.done():
            # It would start a heartbeat that nobody stops.
            self._registering.cancel()
            await asyncio.wait([self._registering])
        await self._heartbeat.stop()
        if self._id == NO_POOL:
            return
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._engine.store.deregister(self._id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease runs out by itself
            log.warning("pool %s could not sign off, and its lease has to run out: %s", self._id, describe(error))

    async def _obey(self, signals: AsyncIterator[signal.Signals], asked: asyncio.Event) -> None:
        async for received in signals:
            if asked.is_set():
                log.warning("%s again: what runs is given back now", received.name)
                self._hurry.set()
            else:
                log.info("%s: draining", received.name)
                asked.set()
