"""What an entered worker pool holds, from its registration until it has drained."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from baton.client.engine import Engine
from baton.client.engine_in_use import RunningAttempt, running_attempt
from baton.core import registry
from baton.core.outcome import Outcome, given_back
from baton.database.connections import error_summary
from baton.database.messages import Claimed, Settlement
from baton.database.notifications import (
    ClaimsVoid,
    DeadlineDue,
    EntryDue,
    LaneFreed,
    Notification,
    QueueHasWork,
    Reconnected,
    ScheduleDue,
    StepEnded,
    StepsChanged,
    StreamGrew,
    WaitOver,
    WorkflowFinished,
)
from baton.database.worker_connections import WorkerConnections
from baton.events import LeaseLost, Observers, PoolDrained, PoolDraining, PoolRegistered
from baton.runtime import failpoints
from baton.runtime.application_executors import ApplicationExecutors
from baton.runtime.attempt_events import attempt_ended, attempt_started
from baton.runtime.attempt_records import AttemptRecords
from baton.runtime.attempts import Attempt, Attempts, Cause
from baton.runtime.built_in_steps import outcome_without_running
from baton.runtime.claim_planner import ClaimPlanner
from baton.runtime.dispatcher import Dispatcher
from baton.runtime.event_log import log_event
from baton.runtime.executors import Executors
from baton.runtime.health import Drained, Health
from baton.runtime.heartbeat import Heartbeat, Keys, Lease
from baton.runtime.keeping import Keeping
from baton.runtime.maintenance import Maintenance
from baton.runtime.ongoing_failures import OngoingFailures
from baton.runtime.pool_settings import PoolSettings
from baton.runtime.resources import Resources
from baton.runtime.rounds import Rounds
from baton.runtime.runner import Runner
from baton.runtime.tokens import Tokens
from baton.runtime.transactions import Transactions
from baton.runtime.usage_records import PricedRecords
from baton.tasks import Tasks, finish

log = logging.getLogger("baton.pool")

STOP_SECONDS = 5.0
"""How long a cancelled attempt may take to end."""
FLUSH_SECONDS = 10.0
"""How long the last outcomes may take to be answered."""
DEREGISTER_SECONDS = 2.0
SWEEPS_PER_LEASE = 3
ANNOUNCED_SECONDS = 10.0
NO_POOL = -1


class RunningPool:
    """Claims, runs and settles steps between `start` and `aclose`; see `WorkerPool`."""

    def __init__(self, engine: Engine, settings: PoolSettings) -> None:
        connector, schema = engine.connector, engine.schema
        self._engine = engine
        self._settings = settings
        self._pool = NO_POOL
        self._tasks = Tasks()
        # Apart from the pool's own loops: a step may refuse to end.
        self._attempt_tasks = Tasks()
        self._listening = ExitStack()
        self._hurry = asyncio.Event()
        self._draining: asyncio.Task[Drained] | None = None
        self._registering: asyncio.Task[None] | None = None
        self._heartbeat: Heartbeat | None = None
        self._observers = Observers(log_event, settings.observers)
        self._resources = Resources(settings.providers)
        self._tokens = Tokens()
        listens, limits = engine.listener is not None, engine.size_limits
        self._failures = OngoingFailures()
        self.claim_planner = ClaimPlanner(settings.queues, listens=listens, input_bytes=limits.most_input_bytes)
        self.attempts = Attempts(self._work, self._attempt_tasks)
        self._records = AttemptRecords(engine.records.leave_records, settings.redact)
        self._executors = self._made_executors()
        self._runner = self._made_runner()
        self._worker_connections = WorkerConnections(connector, settings.connections)
        self._transactions = Transactions(
            self._worker_connections,
            schema,
            settings.lease,
            self._runner,
            limits,
            on_committed=self._look_everywhere,
            observers=self._observers,
        )
        self.dispatcher = Dispatcher(
            connector,
            schema,
            self.claim_planner,
            self._tokens,
            limits,
            self._failures,
            pool=lambda: self._pool,
            start=self._begin,
            observers=self._observers,
        )
        self._maintenance = Maintenance(
            connector,
            schema,
            sweep_seconds=settings.lease / SWEEPS_PER_LEASE,
            # An entry that is due later than this is not announced (see notify_due.sql): a round in
            # time finds it.
            stage_seconds=min(ANNOUNCED_SECONDS, 2 * settings.poll, settings.lease / SWEEPS_PER_LEASE),
            keep=settings.keep,
            keep_debug=settings.keep_debug,
            keep_usage=settings.keep_usage,
            failures=self._failures,
            on_staged=self._look_everywhere,
            observers=self._observers,
        )

    def _made_executors(self) -> Executors:
        settings, engine = self._settings, self._engine
        application = ApplicationExecutors(settings.executors)
        keeping = Keeping(engine.size_limits, engine.store.keep)
        records = PricedRecords(self._records, settings.prices)
        reserve = engine.store.reserve_budgets
        return Executors(settings.threads, settings.processes, application, self._resources, keeping, records, reserve)

    def _made_runner(self) -> Runner:
        settings, engine = self._settings, self._engine
        rounds = Rounds(engine.store.round_worker)
        shows = settings.errors_show_input
        return Runner(
            self._executors, rounds, engine.size_limits, settings.redact, settings.misfit, errors_show_input=shows
        )

    @property
    def pool_id(self) -> int:
        """The number it is registered under; `NO_POOL` while its lease is lost."""
        return self._pool

    def health(self) -> Health:
        lease = self._heartbeat if self._pool != NO_POOL else None
        return Health(
            name=self._settings.name,
            pool=self._pool if lease is not None else None,
            queues=self._settings.queues,
            running=len(self.attempts),
            lease_seconds=lease.lease_seconds if lease is not None else 0.0,
            is_database_answering=self._heartbeat is not None and self._heartbeat.is_answered,
            is_draining=self._draining is not None,
            failures=self._failures.sentences,
            lasting_failures=self._failures.lasting(self._settings.lease),
        )

    async def start(self) -> None:
        """Open what workers use, register, and start to claim."""
        try:
            await self._worker_connections.open()
            await self._resources.open()
            await self._register()
        except BaseException:
            await self._worker_connections.aclose()
            await self._resources.aclose()
            raise
        if self._engine.listener is not None:
            self._listening.enter_context(self._engine.listener.subscribed(self._hear))
        self._tasks.start(self.dispatcher.run(), name="baton dispatcher")
        self._tasks.start(self._maintenance.run(), name="baton maintenance")
        self._tasks.start(self._records.run(), name="baton records")
        self._tasks.start(self._poll(), name="baton poll")

    async def drain(self, grace: float) -> Drained:
        """Start nothing new, let what runs end within `grace` seconds, then cancel it and give it back."""
        self.claim_planner.stop()
        if grace == 0:
            self.hurry()
        if self._draining is None:
            self._draining = self._tasks.start(self._drain(grace), name="baton drain")
        try:
            return await asyncio.shield(self._draining)
        except asyncio.CancelledError:
            # A cancelled wait means no more grace, but no outcome is dropped.
            self.hurry()
            await finish(self._draining)
            raise

    def hurry(self) -> None:
        """End the grace of a drain now."""
        self._hurry.set()

    async def aclose(self) -> None:
        """End what still runs, deregister, and close what `start` opened. To be called after `drain`."""
        try:
            await finish(self._tasks.start(self._leave(), name="baton pool closing"))
            await self._attempt_tasks.aclose(patience=1.0)
            await self._tasks.aclose()
        finally:
            await self._executors.aclose()
            await self._worker_connections.aclose()
            # Here and not in a task: some context managers must be left by the task that entered
            # them.
            await self._resources.aclose()

    async def _register(self) -> None:
        settings = self._settings
        pool = await self._engine.store.register(
            name=settings.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            limits=dict(settings.queues),
            workers=self._executors.runnable(),
            lease_seconds=settings.lease,
        )
        lease = Lease(
            pool,
            settings.lease,
            settings.max_block,
            on_void=self._on_void,
            on_lost=self.on_lease_lost,
            on_counted=self.claim_planner.pools_counted,
            failures=lambda: self._failures.sentences,
            workers=self._executors.runnable,
        )
        self._heartbeat = Heartbeat(self._engine.connector, self._engine.schema, lease, self._tokens, self.attempts)
        self._heartbeat.start()
        self._pool = pool
        self._observers.emit(PoolRegistered(pool, settings.name, settings.queues))

    async def _poll(self) -> None:
        while True:
            self._look_everywhere()
            await asyncio.sleep(self._settings.poll)

    def _look_everywhere(self) -> None:
        self.claim_planner.wake_all()
        self.dispatcher.wake()

    def _hear(self, notice: Notification) -> None:
        match notice:
            case QueueHasWork(queue, entries):
                self.dispatcher.notified(queue, entries)
            case LaneFreed(queue, lane):
                self.dispatcher.lane_freed(queue, lane)
            case EntryDue(due_in):
                self._maintenance.due_in(due_in)
            case ScheduleDue(due_in):
                self._maintenance.schedule_due_in(due_in)
            case DeadlineDue(ends_in):
                self._maintenance.ends_in(ends_in)
            case WaitOver(over_in):
                self._maintenance.wait_over_in(over_in)
            case ClaimsVoid(pool) if pool == self._pool:
                self._send_heartbeat()
            case Reconnected():
                self._look_everywhere()
                self._maintenance.due_in(0)
                self._maintenance.schedule_due_in(0)
                self._maintenance.ends_in(0)
                self._maintenance.wait_over_in(0)
                self._send_heartbeat()
            case ClaimsVoid() | WorkflowFinished() | StepEnded() | StepsChanged() | StreamGrew():
                pass

    def _send_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.send_now()

    def _begin(self, claimed: Claimed) -> None:
        if self._draining is not None:
            self._answer(claimed, given_back(Cause.SHUTDOWN.value))
        elif (outcome := outcome_without_running(claimed)) is not None:
            self._answer(claimed, self._runner.redacted(outcome))
        else:
            self.attempts.start(claimed)

    def _answer(self, claimed: Claimed, outcome: Outcome) -> None:
        """Settle a claim for which nothing has to run."""
        self.dispatcher.put(claimed, Settlement(claimed.step_id, claimed.token, outcome))
        self.claim_planner.slot_freed(claimed.queue)

    async def _work(self, attempt: Attempt) -> None:
        claimed = attempt.claimed
        running_attempt.set(RunningAttempt(self._engine, claimed, self._settings.lease))
        try:
            if self._observers.are_given:
                self._observers.emit(attempt_started(attempt, self._pool))
            outcome = await self._run(attempt)
            if self._observers.are_given or outcome is None or outcome.kind != "completed":
                self._observers.emit(attempt_ended(attempt, self._pool, outcome))
            # It holds the attempt by its traceback, which would keep both until the next garbage
            # collection.
            attempt.error = None
            if failpoints.reached is not None:
                await failpoints.reached("after the worker")
            if attempt.cause is Cause.VOID and attempt.thread_ended is not None:
                # What cleans up after the step waits until its code has ended.
                await attempt.thread_ended.wait()
            await self._settle(attempt, outcome)
            if attempt.thread_ended is not None:
                await attempt.thread_ended.wait()
        finally:
            self.claim_planner.slot_freed(claimed.queue)
            self.dispatcher.wake()

    async def _settle(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Settle an outcome now. Of code that runs on, report the end later: what cleans up after the step waits."""
        claimed = attempt.claimed
        records = await self._records.last(attempt, outcome)
        if outcome is None or attempt.is_settled:
            self.dispatcher.put(claimed, None)
            return
        if outcome.still_runs:
            self._tokens.kept(claimed.token)
        self.dispatcher.put(claimed, Settlement(claimed.step_id, claimed.token, outcome, records))
        if outcome.still_runs and attempt.thread_ended is not None:
            await attempt.thread_ended.wait()
            # It is refused, because the claim is void, and says so that the attempt has ended.
            self.dispatcher.put(claimed, Settlement(claimed.step_id, claimed.token, given_back(Cause.TIMEOUT.value)))

    def _run(self, attempt: Attempt) -> Coroutine[Any, Any, Outcome | None]:
        worker = registry.get(attempt.claimed.worker)
        if worker is not None and worker.is_transactional:
            return self._transactions.run(attempt, worker)
        return self._runner.run(attempt)

    def _on_void(self, keys: Keys) -> None:
        self.attempts.cancel(keys, Cause.VOID)

    def on_lease_lost(self) -> None:
        """Trust nothing that runs here any more, and register anew under another number."""
        self._observers.emit(LeaseLost(self._pool))
        self._pool = NO_POOL
        self.attempts.cancel_all(Cause.LEASE_LOST)
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

    async def _drain(self, grace: float) -> Drained:
        self._observers.emit(PoolDraining(self._pool, len(self.attempts)))
        ended = self._tasks.start(self.attempts.ended(grace), name="baton drain grace")
        hurry = self._tasks.start(self._hurry.wait(), name="baton drain hurry")
        await asyncio.wait({ended, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        cut_short = len(self.attempts)
        self.attempts.cancel_all(Cause.SHUTDOWN)
        await self.attempts.ended(STOP_SECONDS)
        is_settled = await self.dispatcher.flushed(FLUSH_SECONDS)
        await self._records.flush(FLUSH_SECONDS)
        if not is_settled:
            log.error("the database did not answer in time: the last outcomes are dropped, and their steps run again")
        self._observers.emit(PoolDrained(self._pool, cut_short, is_settled))
        return Drained(cut_short, is_settled)

    async def _leave(self) -> None:
        self._listening.close()
        if self._registering is not None and not self._registering.done():
            # It would start a heartbeat that nobody stops.
            self._registering.cancel()
            await asyncio.wait([self._registering])
        if self._heartbeat is not None:
            await self._heartbeat.stop()
        if self._pool == NO_POOL:
            return
        try:
            async with asyncio.timeout(DEREGISTER_SECONDS):
                await self._engine.store.deregister(self._pool)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease runs out by itself
            log.warning(
                "pool %s could not deregister, and its lease has to run out: %s", self._pool, error_summary(error)
            )
