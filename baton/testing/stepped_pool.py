"""A worker pool without loops of its own: it claims, runs and settles one step when it is asked to.

Its parts are those of `WorkerPool`, and so are the calls it makes to the database.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID, uuid4

from msgspec import Struct, structs

from baton.client.engine import Engine
from baton.client.engine_in_use import RunningAttempt, running_attempt
from baton.core import registry
from baton.core.outcome import Outcome, lost
from baton.database.connections import ReconnectingConnection
from baton.database.failures import Failure, failure_of
from baton.database.messages import AttemptRecord, Claimed, ClaimRequest, Settlement
from baton.database.store import Store
from baton.database.worker_connections import WorkerConnections
from baton.events import AttemptEnded, Observers
from baton.runtime.application_executors import ApplicationExecutors
from baton.runtime.attempt_events import attempt_ended, attempt_started
from baton.runtime.attempt_records import AttemptRecords
from baton.runtime.attempts import Attempt, Cause, current
from baton.runtime.built_in_steps import outcome_without_running
from baton.runtime.event_log import log_event
from baton.runtime.executors import Executors
from baton.runtime.expander import Refused, Sending
from baton.runtime.keeping import Keeping
from baton.runtime.pool_settings import PoolSettings
from baton.runtime.resources import Resources
from baton.runtime.rounds import Rounds
from baton.runtime.runner import Runner
from baton.runtime.transactions import Transactions
from baton.runtime.usage_records import PricedRecords

RESCUED_AT_ONCE = 1000
IsLost: TypeAlias = Callable[[Claimed], bool]


class Ran(Struct, frozen=True):
    """An attempt that has run, and whose outcome is not settled yet."""

    claimed: Claimed
    outcome: Outcome | None
    """None: the attempt was stopped, and there is nothing to settle."""
    is_settled: bool
    """A transactional worker has committed it already."""
    ended: AttemptEnded | None
    """None if nothing had to run for it: a join, or the expansion of a map."""
    records: tuple[AttemptRecord, ...] = ()
    """What leaves with the outcome."""


class LosingRunner(Runner):
    """Keeps back the outcome of an attempt in which the process is to crash, so that its transaction cannot commit."""

    def __init__(self, engine: Engine, settings: PoolSettings, executors: Executors, is_lost: IsLost) -> None:
        rounds = Rounds(engine.store.round_worker)
        shows = settings.errors_show_input
        super().__init__(
            executors, rounds, engine.size_limits, settings.redact, settings.misfit, errors_show_input=shows
        )
        self._is_lost = is_lost
        self.kept_back: dict[tuple[int, UUID], Outcome] = {}

    async def run(self, attempt: Attempt) -> Outcome | None:
        outcome = await super().run(attempt)
        if outcome is None or not self._is_lost(attempt.claimed):
            return outcome
        self.kept_back[attempt.key] = outcome
        return lost("the test lets the process crash here")


class SteppedPool:
    """One registered pool; see the module. Used between `open` and `aclose`, in one event loop.

    Args:
        is_lost: whether the process is to crash when an attempt of this step has ended.
    """

    def __init__(self, engine: Engine, settings: PoolSettings, is_lost: IsLost) -> None:
        self._engine = engine
        self._settings = settings
        self._pool = 0
        limits = engine.size_limits
        self.observers = Observers(log_event, settings.observers)
        self._resources = Resources(settings.providers)
        self._records = AttemptRecords(engine.records.leave_records, settings.redact)
        self._executors = Executors(
            settings.threads,
            settings.processes,
            ApplicationExecutors(settings.executors),
            self._resources,
            Keeping(limits, engine.store.keep),
            PricedRecords(self._records, settings.prices),
            engine.store.reserve_budgets,
        )
        self._runner = LosingRunner(engine, settings, self._executors, is_lost)
        self._connections = WorkerConnections(engine.connector, settings.connections)
        self._transactions = Transactions(
            self._connections,
            engine.schema,
            settings.lease,
            self._runner,
            limits,
            on_committed=lambda: None,
            observers=self.observers,
        )
        self._expanding = ReconnectingConnection(engine.connector, "testing")

    async def open(self) -> None:
        await self._connections.open()
        await self._resources.open()
        await self._register()

    async def aclose(self) -> None:
        await self._executors.aclose()
        await self._connections.aclose()
        await self._expanding.aclose()
        await self._resources.aclose()
        await self._engine.store.deregister(self._pool)

    async def die(self) -> None:
        """Let the pool be lost as when its process is killed, and what it held be rescued; another one takes over."""
        await self._engine.store.deregister(self._pool)
        while (await self._engine.store.rescue(limit=RESCUED_AT_ONCE)).is_more:
            pass
        await self._register()

    async def claim(self, queue: str) -> Claimed | None:
        """Claim the next step of this queue; None if there is none."""
        limits = self._engine.size_limits
        wanted = ClaimRequest(uuid4(), {queue: 1}, input_bytes=limits.most_input_bytes)
        advanced = await self._engine.store.advance(self._pool, (), wanted)
        return advanced.claimed[0] if advanced.claimed else None

    async def run(self, attempt: Attempt) -> Ran:
        """Run a claimed step, if there is something to run for it. To be called in a task of its own."""
        claimed = attempt.claimed
        if (outcome := outcome_without_running(claimed)) is not None:
            return Ran(claimed, self._runner.redacted(outcome), is_settled=False, ended=None)
        current.set(attempt)
        running_attempt.set(RunningAttempt(self._engine, claimed, self._settings.lease))
        self.observers.emit(attempt_started(attempt, self._pool))
        attempt.is_running = True
        worker = registry.get(claimed.worker)
        if worker is not None and worker.is_transactional:
            outcome = await self._transactions.run(attempt, worker)
        else:
            outcome = await self._runner.run(attempt)
        outcome = self._runner.kept_back.pop(attempt.key, outcome)
        ended = attempt_ended(attempt, self._pool, outcome)
        self.observers.emit(ended)
        if attempt.cause is Cause.VOID and attempt.thread_ended is not None:
            await attempt.thread_ended.wait()
        records = () if outcome is None else await self._records.last(attempt, outcome)
        return Ran(claimed, outcome, attempt.is_settled, ended, records)

    async def settle(self, ran: Ran) -> None:
        """Write how an attempt ended, with all its consequences."""
        if ran.outcome is None or ran.is_settled or ran.outcome.kind == "expanded":
            if ran.records:
                await self._engine.records.leave_records(ran.records)
            ran = structs.replace(ran, records=())
        if ran.outcome is None or ran.is_settled:
            return
        claimed = ran.claimed
        settling = Settlement(claimed.step_id, claimed.token, ran.outcome, ran.records)
        if ran.outcome.kind == "expanded":
            replaced = await self._expand(claimed, settling)
            if replaced is None:
                return
            settling = structs.replace(settling, outcome=replaced)
        try:
            await self._engine.store.settle([settling])
        except Exception as error:
            if failure_of(error) is not Failure.DATA:
                raise
            text = f"the outcome of this attempt could not be stored: {type(error).__name__}"
            await self._engine.store.settle([structs.replace(settling, outcome=Outcome("failed", text))])

    async def _expand(self, claimed: Claimed, settling: Settlement) -> Outcome | None:
        """Write the children of a step; return the outcome to settle if it has or gets none."""
        store = Store(self._expanding, self._engine.schema)
        sending = Sending(store, self._engine.size_limits, self._expanding.transaction)
        plan = await sending.plan(claimed, settling.outcome)
        if isinstance(plan, Outcome):
            return plan
        try:
            await sending.send(settling, plan)
        except Refused as refused:
            return refused.outcome
        return None

    async def _register(self) -> None:
        settings = self._settings
        self._pool = await self._engine.store.register(
            name=settings.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            limits=dict(settings.queues),
            workers=self._executors.runnable(),
            lease_seconds=settings.lease,
        )
