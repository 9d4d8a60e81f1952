"""The pool's talk with the engine: outcomes go out, claims come in, in one call for both.

Two calls may be under way at once, which keeps the server and this process busy together. What ends during a call
leaves with the next one; when none is under way, the first outcome leaves at once. A call that fails in passing is sent
again as it was, with the same tokens, until it is answered: nothing is lost or doubled, whatever had committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baton.core.limits import Limits
from baton.core.outcome import given_back
from baton.database.connections import Connector, ReconnectingConnection, pause_before
from baton.database.failures import Failure, classify
from baton.database.messages import Advanced, Claimed, ClaimRequest, Settlement
from baton.database.store import Store
from baton.events import Observers, StepsClaimed
from baton.runtime import failpoints
from baton.runtime.attempts import Cause
from baton.runtime.call_events import call_failed, outcome_replaced, outcomes_answered
from baton.runtime.claim_planner import ClaimPlanner
from baton.runtime.expander import Expander
from baton.runtime.settler import Settler
from baton.runtime.tokens import Tokens
from baton.tasks import Tasks, wait_for_event

log = logging.getLogger("baton.pool")

LINES = 2
WORTH_A_SECOND_CALL = 100
"""So many outcomes or free slots are worth a call while another is under way."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of `advance`, as it is sent and sent again."""

    pool: int
    settling: Sequence[Settlement]
    claiming: ClaimRequest


class Dispatcher:
    """Sends outcomes and claims, and hands on what was claimed.

    Args:
        pool: the id the pool is registered under now; claims answered for an earlier one are nobody's here.
        start: is given each claimed step.
    """

    def __init__(
        self,
        dialing: Connector,
        schema: str,
        producer: ClaimPlanner,
        tokens: Tokens,
        limits: Limits,
        pool: Callable[[], int],
        start: Callable[[Claimed], None],
        observers: Observers,
    ) -> None:
        self._lines = [ReconnectingConnection(dialing, "pool") for _ in range(LINES)]
        self._line_apart = ReconnectingConnection(dialing, "pool apart")
        self._schema = schema
        self._claim_planner = producer
        self._settler = Settler()
        self._observers = observers
        self._expander = Expander(
            ReconnectingConnection(dialing, "pool expanding"), schema, limits, self._expanded, self._put, observers
        )
        self._tokens = tokens
        self._pool = pool
        self._start = start
        self._tasks = Tasks()
        self._calling = 0
        self._resting: list[asyncio.Event] = []
        # A line is about to look whether there is something to send, and will see whatever comes before it does.
        self._is_looking = False
        self._wake_apart = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._unanswered = 0
        self._idle.set()

    def put(self, claimed: Claimed, settling: Settlement | None) -> None:
        """An attempt has ended: send its outcome, if it has one that anybody wants."""
        if settling is None:
            self._tokens.answered(claimed.token)
        else:
            self._unanswered += 1
            self._idle.clear()
            if settling.outcome.kind == "expanded":
                self._expander.put(claimed, settling)
            else:
                self._put(settling)

    def _put(self, settling: Settlement) -> None:
        self._settler.put(settling)
        if self._settler.has_apart:
            self._wake_apart.set()
        self.wake()

    def _expanded(self, settling: Settlement, is_accepted: bool) -> None:
        self._settled([settling], [is_accepted])
        self.wake()

    def wake(self) -> None:
        """There may be something to send, or to claim."""
        if self._resting and not self._is_looking:
            self._is_looking = True
            self._resting.pop().set()

    def told(self, queue: str, entries: int) -> None:
        """A notice said that there are at least so many entries in this queue."""
        self._claim_planner.told(queue, entries, self._loop.time())
        self._take_turns()

    async def run(self) -> None:
        """Send what there is to send, for ever."""
        try:
            self._tasks.start(self._settle_apart(), name="baton settling apart")
            self._tasks.start(self._expander.run(), name="baton expander")
            await asyncio.wait([self._tasks.start(self._use(line), name="baton exchange") for line in self._lines])
        finally:
            if self._turn is not None:
                self._turn.cancel()
            await self._tasks.aclose()
            for line in (*self._lines, self._line_apart):
                await line.aclose()

    async def flushed(self, timeout: float | None) -> bool:
        """Wait until all that was sent is answered, at most so many seconds. Tells whether it is."""
        return await wait_for_event(self._idle, timeout)

    def _take_turns(self) -> None:
        """Look where the pool's turn has come, and again when the next one comes."""
        self._claim_planner.take_turns(self._loop.time())
        self.wake()
        if self._turn is not None:
            self._turn.cancel()
        next_in = self._claim_planner.next_turn_in(self._loop.time())
        self._turn = None if next_in is None else self._loop.call_later(next_in, self._take_turns)

    async def _use(self, line: ReconnectingConnection) -> None:
        """Make one call after the other, and rest while none is worth it."""
        store, woken = Store(line, self._schema), asyncio.Event()
        while True:
            while not self._is_worth_a_call():
                self._is_looking = False
                self._resting.append(woken)
                await woken.wait()
                woken.clear()
            self._is_looking = False
            request = self._request()
            self._calling += 1
            try:
                # What is left may be enough for another line.
                if self._is_worth_a_call():
                    self.wake()
                await self._call(store, request)
            finally:
                self._calling -= 1
            # One turn of the event loop for what was claimed: what ends in it leaves with the next call at once.
            self._is_looking = True
            await asyncio.sleep(0)

    def _is_worth_a_call(self) -> bool:
        outcomes, wanted = len(self._settler), self._claim_planner.wanted
        if self._calling == 0:
            return outcomes > 0 or wanted > 0
        return outcomes >= WORTH_A_SECOND_CALL or wanted >= WORTH_A_SECOND_CALL

    def _request(self) -> Request:
        settling = self._settler.take()
        claiming = self._claim_planner.reserve(self._tokens.draw(), everywhere=bool(settling))
        self._unanswered += 1
        self._idle.clear()
        return Request(self._pool(), settling, claiming)

    async def _call(self, store: Store, request: Request) -> None:
        advanced: Advanced | None = None
        attempt = 0
        while advanced is None:
            try:
                await failpoints.reach("before settle" if request.settling else "before claim")
                advanced = await store.advance(request.pool, request.settling, request.claiming)
                await failpoints.reach("after settle" if request.settling else "after claim")
            except Exception as error:  # noqa: BLE001 - whatever it was, the outcomes must not be lost
                failure = classify(error)
                self._observers.emit(call_failed("advance", request.settling, error, failure))
                if request.settling and failure in (Failure.LOCKED, Failure.DATA):
                    # The outcomes go apart in smaller parts; the claim is sent again by itself.
                    if (replaced := self._settler.split(request.settling, failure, error)) is not None:
                        self._observers.emit(outcome_replaced(replaced))
                    self._wake_apart.set()
                    request = Request(request.pool, (), request.claiming)
                else:
                    await asyncio.sleep(pause_before(attempt))
                    attempt += 1
        self._answered(request, advanced)

    def _answered(self, request: Request, advanced: Advanced) -> None:
        self._settled(request.settling, advanced.accepted)
        token, claimed = request.claiming.token, advanced.claimed
        if self._observers and claimed:
            ids = [one.step_id for one in claimed]
            self._observers.emit(StepsClaimed(request.pool, token, ids, sum(request.claiming.limits.values())))
        self._tokens.claimed(token, len(claimed))
        if request.pool != self._pool():
            # The lease they were claimed under is lost: given back at once they cost no attempt, as a sweep would.
            for one in claimed:
                self.put(one, Settlement(one.step_id, one.token, given_back(Cause.LEASE_LOST.value)))
            claimed = ()
        self._claim_planner.claimed(request.claiming, claimed)
        for one in claimed:
            self._start(one)
        self._done(1)

    def _settled(self, settling: Sequence[Settlement], accepted: Sequence[bool]) -> None:
        if settling and (self._observers or not all(accepted)):
            self._observers.emit(outcomes_answered(settling, accepted))
        self._tokens.answered(*[one.token for one in settling])
        self._done(len(settling))

    def _done(self, answers: int) -> None:
        self._unanswered -= answers
        if self._unanswered == 0:
            self._idle.set()

    async def _settle_apart(self) -> None:
        store = Store(self._line_apart, self._schema)
        failures = 0
        while True:
            await self._wake_apart.wait()
            while self._settler.has_apart:
                failures = 0 if await self._settle_one_apart(store) else failures + 1
                if failures:
                    await asyncio.sleep(pause_before(failures))
            self._wake_apart.clear()

    async def _settle_one_apart(self, store: Store) -> bool:
        settling = self._settler.take_apart()
        try:
            accepted = await store.settle(settling)
        except Exception as error:  # noqa: BLE001 - whatever it was, the outcomes must not be lost
            failure = classify(error)
            self._observers.emit(call_failed("settle", settling, error, failure))
            if (replaced := self._settler.split(settling, failure, error)) is not None:
                self._observers.emit(outcome_replaced(replaced))
            # The lock timeout was pause enough, and who waits for the lock has it as soon as it is free.
            return failure is Failure.LOCKED or (failure is Failure.DATA and len(settling) > 1)
        self._settler.settled(settling)
        self._settled(settling, accepted)
        return True
