"""Attempts that run in a transaction of their own, which ends with their settle: all of it commits, or nothing.

The settle is never sent again: its transaction holds the worker's rows, which only the worker could write again. After
a COMMIT whose end is unknown the claim is settled as `lost`, over another connection; "refused" means that it had
committed, because the first settle holds the lock of the workflow until the server has ended its transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

import asyncpg

from baton.core.limits import Limits
from baton.core.outcome import Outcome, lost
from baton.core.worker import AnyWorker
from baton.database.connections import CALL_SECONDS, CLOSE_SECONDS, error_summary, pause_before
from baton.database.failures import Failure, failure_of
from baton.database.messages import Settlement
from baton.database.store import Store
from baton.database.worker_connections import OpenTransaction, WorkerConnections
from baton.events import AnsweredOutcome, Observers, OutcomesAnswered
from baton.runtime import failpoints
from baton.runtime.attempts import Attempt
from baton.runtime.expander import Refused, Sending
from baton.runtime.runner import Runner, stopped

if TYPE_CHECKING:
    from baton.database.connections import Record

log = logging.getLogger("baton.pool")

HAS_TRANSACTION_TIMEOUT = 17
"""The first version of PostgreSQL that has it."""
COMMITTING = frozenset({"completed", "cancelled", "skipped", "snoozed", "again", "expanded"})
"""The outcomes that commit with what the worker wrote. A failed attempt leaves nothing, nor does a `RetryAfter`."""


class Transactions:
    """Runs transactional attempts.

    Args:
        lease_seconds: for how long a transaction that has settled may wait for its commit. It holds the lock of its
            workflow, which a process that is frozen just then has to lose.
        on_committed: is called when a commit may have released steps.
    """

    def __init__(
        self,
        worker_connections: WorkerConnections,
        schema: str,
        lease_seconds: float,
        runner: Runner,
        limits: Limits,
        on_committed: Callable[[], None],
        observers: Observers,
    ) -> None:
        self._worker_connections = worker_connections
        self._schema = schema
        self._lease_seconds = lease_seconds
        self._runner = runner
        self._limits = limits
        self._on_committed = on_committed
        self._observers = observers

    async def run(self, attempt: Attempt, worker: AnyWorker) -> Outcome | None:
        """Run one attempt to its end, and settle it in its transaction if its outcome commits.

        Returns how it ended. Unless `attempt.is_settled`, the outcome is still to be settled as any other: that of an
        attempt that was rolled back, or `lost`; None if it does not count. Raises nothing, whatever the worker or its
        connection does.
        """
        try:
            return await self._run(attempt, worker)
        except Exception as error:
            # Without an outcome, its claim would be held as long as the pool lives.
            log.critical("a transactional attempt ended with an unexpected error", exc_info=True)
            return lost(f"it is unknown how its transaction ended: {error_summary(error)}")

    async def _run(self, attempt: Attempt, worker: AnyWorker) -> Outcome | None:
        try:
            begun = await self._begun(attempt)
        except asyncio.CancelledError:
            if attempt.cause is None:
                raise
            return stopped(attempt)
        except Exception as error:  # noqa: BLE001 - the step must not be lost, whatever refuses the connection
            return self._runner.failed(error, attempt, worker)
        is_sound = False
        try:
            attempt.connection = cast("asyncpg.Connection[Record]", begun.connection)
            await failpoints.reach("transaction begun")
            outcome = await self._runner.run(attempt)
            if outcome is not None and outcome.kind in COMMITTING:
                outcome = await self._settle(begun, attempt, worker, outcome)
            is_sound = await _nothing_is_open(begun)
        finally:
            await self._worker_connections.give_back(begun, is_sound=is_sound)
        return outcome

    async def _begun(self, attempt: Attempt) -> OpenTransaction:
        """Wait for a connection, as long as it takes: the attempt's time has not begun."""
        failures = 0
        while True:
            try:
                begun = await self._worker_connections.begin()
                if (timeout := attempt.claimed.timeout) is not None:
                    seconds = timeout + self._lease_seconds
                    await begun.connection.execute(_limits(begun, idle_seconds=seconds, more_seconds=1.0))
            except Exception as error:
                if failure_of(error) is not Failure.TRANSIENT:
                    raise
                log.warning("no transaction for %s yet: %s", attempt.claimed.worker, error_summary(error))
                await asyncio.sleep(pause_before(failures))
                failures += 1
            else:
                return begun

    async def _settle(
        self, begun: OpenTransaction, attempt: Attempt, worker: AnyWorker, outcome: Outcome
    ) -> Outcome | None:
        """Settle in the transaction and commit it. Returns how the attempt ended, as `run` does."""
        if (why := _spoiled(begun)) is not None:
            return self._runner.failed(why, attempt, worker)
        try:
            is_accepted = await self._settle_until_unlocked(begun, attempt, outcome)
        except Refused as refused:
            return refused.outcome
        except Exception as error:  # noqa: BLE001 - nothing has committed, whatever it was
            return self._unsettled(error, begun, attempt, worker)
        if not is_accepted:
            # Inside the transaction the claim was void, perhaps because of what the worker did
            # there, which is rolled back. The ordinary settle sees the state without that: it is
            # refused if another claim owns the step.
            return self._runner.failed(_refused(), attempt, worker)
        await failpoints.reach("before its commit")
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await begun.transaction.commit()
        except Exception as error:  # noqa: BLE001 - a deferred constraint on the worker's rows may object
            if failure_of(error) is not Failure.TRANSIENT:
                return self._runner.failed(error, attempt, worker)
            return lost(f"it is unknown whether its transaction was committed: {error_summary(error)}")
        await failpoints.reach("after its commit")
        attempt.is_settled = True
        if self._observers.are_given:
            answered = AnsweredOutcome(attempt.claimed.step_id, attempt.claimed.token, outcome.kind, True)
            self._observers.emit(OutcomesAnswered([answered]))
        self._on_committed()
        return outcome

    async def _settle_until_unlocked(self, begun: OpenTransaction, attempt: Attempt, outcome: Outcome) -> bool:
        """Return whether the outcome is accepted. A settle that met a lock took no effect, and is sent again."""
        while True:
            await failpoints.reach("before its settle")
            # More time in all, for the settle and the commit.
            limits = _limits(begun, idle_seconds=self._lease_seconds, more_seconds=2 * CALL_SECONDS)
            await begun.connection.execute(f"savepoint baton_settle; set local statement_timeout = 0; {limits}")
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    return await self._sent(begun, attempt, outcome)
            except asyncpg.PostgresError as error:
                is_locked = failure_of(error) is Failure.LOCKED or isinstance(error, asyncpg.DeadlockDetectedError)
                if not is_locked or attempt.cause is not None:
                    raise
                log.warning("a transactional settle waits for a lock: %s", error_summary(error))
            await begun.connection.execute("rollback to savepoint baton_settle")

    async def _sent(self, begun: OpenTransaction, attempt: Attempt, outcome: Outcome) -> bool:
        claimed = attempt.claimed
        store = Store(begun.connection, self._schema)
        settling = Settlement(claimed.step_id, claimed.token, outcome)
        if outcome.kind != "expanded":
            return await store.settle_one(settling)
        sending = Sending(store, self._limits, nullcontext)
        plan = await sending.plan(claimed, outcome)
        if isinstance(plan, Outcome):
            raise Refused(plan.detail or "")
        return await sending.send(settling, plan)

    def _unsettled(
        self, error: Exception, begun: OpenTransaction, attempt: Attempt, worker: AnyWorker
    ) -> Outcome | None:
        """Return what a failed settle means; it was not committed."""
        match failure_of(error):
            case Failure.LOCKED if attempt.cause is not None:
                return stopped(attempt)
            case Failure.DATA:
                text = f"the outcome of this attempt could not be stored: {type(error).__name__}"
                return self._runner.finished(Outcome("failed", text), attempt, worker)
            case Failure.TRANSIENT if begun.is_lost or isinstance(error, TimeoutError):
                return lost(f"the connection was lost before its transaction was committed: {error_summary(error)}")
            case _:
                return self._runner.failed(_explained(error), attempt, worker)


def _refused() -> Exception:
    return RuntimeError(
        "the settle in the worker's own transaction was refused, and everything it wrote is rolled back: another claim "
        "owns the step, or the worker itself cancelled its step or workflow over ctx.connection; a worker cancels its "
        "own step by returning Cancel(reason)"
    )


def _limits(begun: OpenTransaction, *, idle_seconds: float, more_seconds: float) -> str:
    """Return the statements that limit how long the transaction may lie idle, and how much more it may last in all.

    A process that is frozen would otherwise keep the rows it has locked. To the server it may be active then, and not
    idle: asyncpg prepares a statement with one message and executes it with another. Only PostgreSQL 17 and newer have
    a limit for that; it must be the longer one, or the first does not count.
    """
    limits = [f"set local idle_in_transaction_session_timeout = {_milliseconds(idle_seconds)}"]
    if begun.connection.get_server_version().major >= HAS_TRANSACTION_TIMEOUT:
        # A limit that is in force already would go on counting from where it began.
        limits += ["set local transaction_timeout = 0"]
        limits += [f"set local transaction_timeout = {_milliseconds(idle_seconds + more_seconds)}"]
    return "; ".join(limits)


def _milliseconds(seconds: float) -> int:
    return max(1, min(2**31 - 1, round(seconds * 1000)))


def _spoiled(begun: OpenTransaction) -> Exception | None:
    """Return why nothing can be settled in the transaction, if the worker has ended it."""
    if begun.is_lost or begun.connection.is_in_transaction():
        return None
    return RuntimeError(
        "the worker ended the transaction of ctx.connection, which the pool ends when it has settled the step; take "
        "back a part with async with ctx.connection.transaction()"
    )


def _explained(error: Exception) -> Exception:
    match error:
        case asyncpg.InFailedSQLTransactionError():
            why = (
                "the worker went on after a statement had failed, which ends a transaction in PostgreSQL: put what may "
                "fail into async with ctx.connection.transaction()"
            )
        case asyncpg.InterfaceError():
            why = "the worker returned while a statement on ctx.connection was still under way: await it"
        case _:
            return error
    explained = RuntimeError(why)
    explained.__cause__ = error
    return explained


async def _nothing_is_open(begun: OpenTransaction) -> bool:
    """Roll back what was not committed. Returns whether the connection may be used again."""
    if begun.is_lost:
        return False
    if not begun.connection.is_in_transaction():
        return True
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await begun.transaction.rollback()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False
    return True
