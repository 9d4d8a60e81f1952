"""The pool's calls to the engine: outcomes go out and claims come in, in one call for both.

Two calls may be under way at once, which keeps the server and this process busy together. An outcome that arrives
during a call leaves with the next one; when no call is under way, it leaves at once. A call that fails in a transient
way is sent again unchanged, with the same tokens, until it is answered: nothing is lost or done twice, whether or not
the first one had committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from baton.core.limits import Limits
from baton.core.outcome import given_back
from baton.database.connections import Connector, ReconnectingConnection, pause_before
from baton.database.failures import Failure, failure_of
from baton.database.messages import Advanced, Claimed, ClaimRequest, FailedWorkflow, Settlement
from baton.database.store import Store
from baton.events import LimitReached, Observers, StepsClaimed, WorkflowFailed
from baton.runtime import failpoints
from baton.runtime.attempts import Cause
from baton.runtime.call_events import call_failed, outcome_replaced, outcomes_answered
from baton.runtime.claim_planner import ClaimPlanner
from baton.runtime.expander import Expander
from baton.runtime.ongoing_failures import OngoingFailures
from baton.runtime.settler import Settler
from baton.runtime.tokens import Tokens
from baton.tasks import Tasks, wait_for_event

CONNECTIONS = 2
WORTH_A_SECOND_CALL = 100
"""This many outcomes or free slots are worth a call while another one is under way."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call, as it is sent and sent again."""

    pool: int
    settling: Sequence[Settlement]
    claiming: ClaimRequest
    is_separate: bool = False
    """Claim each step in a subtransaction of its own, because the claim as a whole failed."""

    def narrowed(self) -> Request:
        """Return what is sent after the database refused this claim, which carried no outcomes."""
        if not self.is_separate:
            return replace(self, is_separate=True)
        return replace(self, claiming=self.claiming.halved())


class Dispatcher:
    """Sends outcomes and claims, and hands on what was claimed.

    Args:
        pool: returns the id the pool is registered under now. What was claimed under an earlier id is given back.
        failures: is kept informed of steps that no claim can take.
        start: is given each claimed step.
    """

    def __init__(
        self,
        connector: Connector,
        schema: str,
        claim_planner: ClaimPlanner,
        tokens: Tokens,
        limits: Limits,
        failures: OngoingFailures,
        pool: Callable[[], int],
        start: Callable[[Claimed], None],
        observers: Observers,
    ) -> None:
        self._connections = [ReconnectingConnection(connector, "pool") for _ in range(CONNECTIONS)]
        self._isolation_connection = ReconnectingConnection(connector, "pool isolated")
        self._schema = schema
        self._claim_planner = claim_planner
        self._settler = Settler()
        self._observers = observers
        self._expander = Expander(
            ReconnectingConnection(connector, "pool expanding"), schema, limits, self._expanded, self._put, observers
        )
        self._tokens = tokens
        self._failures = failures
        self._pool = pool
        self._start = start
        self._tasks = Tasks()
        self._calls_under_way = 0
        self._idle_connections: list[asyncio.Event] = []
        # A connection is about to check whether a call is worth making. It will see what arrives
        # before it does.
        self._is_checking = False
        self._wake_isolated = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._wakeup_timer: asyncio.TimerHandle | None = None
        self._all_answered = asyncio.Event()
        self._unanswered = 0
        self._all_answered.set()

    def put(self, claimed: Claimed, settling: Settlement | None) -> None:
        """Send the outcome of an attempt that has ended; None if it has none to send."""
        if settling is None:
            self._tokens.answered(claimed.token)
        else:
            self._unanswered += 1
            self._all_answered.clear()
            if settling.outcome.kind == "expanded":
                self._expander.put(claimed, settling)
            else:
                self._put(settling)

    def _put(self, settling: Settlement) -> None:
        self._settler.put(settling)
        if self._settler.has_isolated:
            self._wake_isolated.set()
        self.wake()

    def _expanded(self, settling: Settlement, is_accepted: bool) -> None:
        self._settled([settling], [is_accepted])
        self.wake()

    def wake(self) -> None:
        """Check whether there is something to send or to claim."""
        if self._idle_connections and not self._is_checking:
            self._is_checking = True
            self._idle_connections.pop().set()

    def lane_freed(self, queue: str, lane: str) -> None:
        """Claim from this queue: a step of this lane has ended."""
        self._claim_planner.lane_freed(queue, lane)
        self.wake()

    def notified(self, queue: str, entries: int) -> None:
        """Claim from this queue, now or a little later: a notification announced at least this many entries."""
        self._claim_planner.notified(queue, entries, self._loop.time())
        self._wake_due()

    async def run(self) -> None:
        """Make calls until cancelled."""
        try:
            self._tasks.start(self._settle_isolated(), name="baton settling isolated")
            self._tasks.start(self._expander.run(), name="baton expander")
            await asyncio.wait(
                [self._tasks.start(self._use(one), name="baton dispatcher") for one in self._connections]
            )
        finally:
            if self._wakeup_timer is not None:
                self._wakeup_timer.cancel()
            await self._tasks.aclose()
            for connection in (*self._connections, self._isolation_connection):
                await connection.aclose()

    async def flushed(self, timeout: float | None) -> bool:
        """Wait until everything that was sent is answered, for at most `timeout` seconds. Return whether it is."""
        return await wait_for_event(self._all_answered, timeout)

    def _wake_due(self) -> None:
        """Claim from the queues whose wakeup is due, and plan to come back for the next one."""
        self._claim_planner.wake_due(self._loop.time())
        self.wake()
        if self._wakeup_timer is not None:
            self._wakeup_timer.cancel()
        next_in = self._claim_planner.next_wakeup_in(self._loop.time())
        self._wakeup_timer = None if next_in is None else self._loop.call_later(next_in, self._wake_due)

    async def _use(self, connection: ReconnectingConnection) -> None:
        """Make one call after the other on this connection, and wait while none is worth making."""
        store, woken = Store(connection, self._schema), asyncio.Event()
        while True:
            while not self._is_worth_a_call():
                self._is_checking = False
                self._idle_connections.append(woken)
                await woken.wait()
                woken.clear()
            self._is_checking = False
            request = self._request()
            self._calls_under_way += 1
            try:
                # What is left may be enough for another connection.
                if self._is_worth_a_call():
                    self.wake()
                await self._call(store, request)
            finally:
                self._calls_under_way -= 1
            # The steps that were claimed get one iteration of the event loop: what ends in it
            # leaves with the next call at once.
            self._is_checking = True
            await asyncio.sleep(0)

    def _is_worth_a_call(self) -> bool:
        outcomes, wanted = len(self._settler), self._claim_planner.wanted
        if self._calls_under_way == 0:
            return outcomes > 0 or wanted > 0
        return outcomes >= WORTH_A_SECOND_CALL or wanted >= WORTH_A_SECOND_CALL

    def _request(self) -> Request:
        settling = () if self._claim_planner.must_wait_for_locks else self._settler.take()
        claiming = self._claim_planner.reserve(self._tokens.draw(), everywhere=bool(settling))
        self._unanswered += 1
        self._all_answered.clear()
        return Request(self._pool(), settling, claiming)

    async def _call(self, store: Store, request: Request) -> None:
        reserved = request.claiming
        advanced: Advanced | None = None
        attempt = 0
        while advanced is None:
            try:
                await failpoints.reach("before settle" if request.settling else "before claim")
                advanced = await self._send(store, request)
                await failpoints.reach("after settle" if request.settling else "after claim")
            except Exception as error:  # noqa: BLE001 - whatever it was, the outcomes must not be lost
                failure = failure_of(error)
                self._observers.emit(call_failed("advance", request.settling, error, failure))
                if request.settling and failure is not Failure.TRANSIENT:
                    # The outcomes and the claim go by themselves: either may be what failed.
                    self._settler.isolate(request.settling, failure)
                    self._wake_isolated.set()
                    request = replace(request, settling=())
                else:
                    if failure is not Failure.TRANSIENT:
                        request = request.narrowed()
                    await asyncio.sleep(pause_before(attempt))
                    attempt += 1
        self._answered(replace(request, claiming=reserved), advanced)

    async def _send(self, store: Store, request: Request) -> Advanced:
        if not request.is_separate:
            return await store.advance(request.pool, request.settling, request.claiming)
        separate = await store.claim_separately(request.pool, request.claiming)
        self._failures.succeeded("claim", separate.passed_over, is_complete=False)
        return Advanced((), separate.claimed)

    def _answered(self, request: Request, advanced: Advanced) -> None:
        self._settled(request.settling, advanced.accepted, advanced.failures)
        token, claimed = request.claiming.token, advanced.claimed
        if self._observers.are_given and claimed:
            ids = [one.step_id for one in claimed]
            self._observers.emit(StepsClaimed(request.pool, token, ids, sum(request.claiming.limits.values())))
        self._tokens.claimed(token, len(claimed))
        if request.pool != self._pool():
            # The lease they were claimed under is lost. Given back at once they cost no attempt, as
            # a sweep would.
            for one in claimed:
                self.put(one, Settlement(one.step_id, one.token, given_back(Cause.LEASE_LOST.value)))
            claimed = ()
        self._claim_planner.answered(request.claiming, claimed)
        self._pace(request.pool, advanced.memory)
        if request.is_separate and claimed:
            # It may have asked for less than was reserved, so an answer that is short does not mean
            # an empty queue.
            self._claim_planner.wake_all()
        for one in claimed:
            self._start(one)
        self._count_answers(1)

    def _pace(self, pool: int, memory: str | None) -> None:
        """Plan the next claims of queues with limits."""
        if memory is None:
            return
        for paced in self._claim_planner.paced(memory, self._loop.time()):
            assert paced.reached is not None
            self._observers.emit(LimitReached(pool, paced.queue, paced.reached))
        self._wake_due()

    def _settled(
        self, settling: Sequence[Settlement], accepted: Sequence[bool], failures: Sequence[FailedWorkflow] = ()
    ) -> None:
        if settling and (self._observers.are_given or not all(accepted)):
            self._observers.emit(outcomes_answered(settling, accepted))
        for failed in failures:
            self._observers.emit(WorkflowFailed(failed.id, failed.name, failed.step, failed.reason))
        self._tokens.answered(*[one.token for one in settling])
        self._count_answers(len(settling))

    def _count_answers(self, answers: int) -> None:
        self._unanswered -= answers
        if self._unanswered == 0:
            self._all_answered.set()

    async def _settle_isolated(self) -> None:
        store = Store(self._isolation_connection, self._schema)
        failures = 0
        while True:
            await self._wake_isolated.wait()
            while self._settler.has_isolated:
                failures = 0 if await self._settle_one_batch(store) else failures + 1
                if failures:
                    await asyncio.sleep(pause_before(failures))
            self._wake_isolated.clear()

    async def _settle_one_batch(self, store: Store) -> bool:
        """Send an isolated batch. Return whether the next one may follow without a pause."""
        settling = self._settler.take_isolated()
        try:
            settled = await store.settle(settling)
        except Exception as error:  # noqa: BLE001 - whatever it was, the outcomes must not be lost
            failure = failure_of(error)
            self._observers.emit(call_failed("settle", settling, error, failure))
            if (replaced := self._settler.split(settling, failure, error)) is not None:
                self._observers.emit(outcome_replaced(replaced))
            # After a lock timeout there was pause enough, and the lock should be taken as soon as
            # it is free.
            return failure is Failure.LOCKED or (failure is Failure.DATA and len(settling) > 1)
        self._settler.settled(settling)
        self._settled(settling, settled.accepted, settled.failures)
        return True
