"""Concurrent inserts leave together: what comes while a call is under way goes out with the next, in one commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from baton.core.keys import key_of
from baton.core.spec import WorkflowSpec
from baton.database.connections import CLOSE_SECONDS, Connections, with_retries
from baton.database.failures import Failure, failure_of
from baton.database.messages import Inserted
from baton.database.store import Store
from baton.errors import EngineClosed
from baton.tasks import Tasks

REPLAY_SECONDS = 30.0
"""For how long an insert is sent again after transient failures."""
STEPS_TOGETHER = 2_000
"""A call takes workflows with at most this many steps in all."""
CALLS = 2
"""While one call is written by the server, this process takes the answers of another and prepares the next."""
WORTH_SPLITTING = 32
"""From this many waiting workflows on they are sent in `CALLS` calls; fewer would cost more calls than they gain."""
STEPS_OF_SMALL = 100
TEXT_OF_SMALL = 50_000
"""A workflow with more steps, or more characters of arguments, goes alone: others do not wait for it to be written."""
PATIENCE_SECONDS = 0.02
"""A call that takes longer waits for a lock or for the server. Then the next ones no longer wait for it."""


class ConcurrentInserts:
    """The inserts of one engine, outside of transactions of the application.

    An idle engine inserts at once, in the caller's task. Each caller gets its own answer after the commit. A caller
    that is cancelled before its workflow is sent inserts nothing; cancelled later, it takes no other along.

    One workflow that cannot be stored, or whose id somebody else is inserting in an open transaction, makes the call
    fail. Then each of that call is inserted alone, and only the one that fails again fails its caller.
    """

    def __init__(self, connections: Connections, schema: str, most_calls: int, *, checks_inserts: bool) -> None:
        self._store = Store(connections, schema, checks_inserts=checks_inserts)
        self._most_calls = most_calls
        self._waiting: deque[_Waiting] = deque()
        self._calls = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks()
        self._is_closed = False

    async def insert(self, spec: WorkflowSpec) -> Inserted:
        """Insert a workflow of at most `STEPS_PER_CALL` steps, in a transaction with others or in one of its own.

        Raises: EngineClosed if the engine is closed before it is sent; what the database refuses it with.
        """
        if not _is_small(spec):
            return await self._insert_alone(spec)
        if not self._calls:
            self._calls += 1
            try:
                return await self._insert_alone(spec)
            finally:
                self._calls -= 1
                self._send_next()
        return await self._insert_with_others(spec)

    async def aclose(self) -> None:
        """Refuse what was not sent, and wait for the answers to what was."""
        self._is_closed = True
        for one in self._waiting:
            one.refuse(EngineClosed())
        self._waiting.clear()
        self._stop_timer()
        await self._tasks.ended(CLOSE_SECONDS)
        await self._tasks.aclose()

    async def _insert_alone(self, spec: WorkflowSpec) -> Inserted:
        if self._is_closed:
            raise EngineClosed
        return await with_retries(partial(self._store.insert_workflow, spec), REPLAY_SECONDS)

    async def _insert_with_others(self, spec: WorkflowSpec) -> Inserted:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(spec, loop.create_future())
        self._waiting.append(waiting)
        self._start_timer()
        inserted = await waiting.inserted
        return inserted or await self._insert_alone(spec)

    def _send_next(self) -> None:
        """Send what waits, unless the calls under way are as many as are of use."""
        if self._waiting and self._calls < CALLS:
            parts = CALLS if not self._calls and len(self._waiting) >= WORTH_SPLITTING else 1
            each = -(-len(self._waiting) // parts)
            for _ in range(parts):
                self._send(each)

    def _lose_patience(self) -> None:
        self._timer = None
        if self._waiting and self._calls < self._most_calls:
            self._send(len(self._waiting))
        self._start_timer()

    def _send(self, most: int) -> None:
        if together := self._take(most):
            self._calls += 1
            self._tasks.start(self._insert_together(together), name="baton concurrent inserts")

    def _take(self, most: int) -> Sequence[_Waiting]:
        """Take what goes into one call, those that came first. Of two with one id the second goes with the next."""
        taken: dict[str, _Waiting] = {}
        left: list[_Waiting] = []
        steps = 0
        while self._waiting and len(taken) < most and steps < STEPS_TOGETHER:
            one = self._waiting.popleft()
            if one.inserted.done():  # its caller was cancelled
                continue
            if one.spec.id in taken:
                left.append(one)
                continue
            taken[one.spec.id] = one
            steps += len(one.spec.steps)
        self._waiting.extendleft(reversed(left))
        return tuple(taken.values())

    async def _insert_together(self, together: Sequence[_Waiting]) -> None:
        try:
            await self._answer(together)
        finally:
            for one in together:
                one.refuse(EngineClosed())
            # Who was answered may insert again at once: the next call takes all of these, not the first one alone.
            await asyncio.sleep(0)
            self._calls -= 1
            if not self._is_closed:
                self._send_next()

    async def _answer(self, together: Sequence[_Waiting]) -> None:
        specs = [one.spec for one in together]
        try:
            inserted = await with_retries(partial(self._call, specs), REPLAY_SECONDS)
        except Exception as error:  # noqa: BLE001 - each caller raises it
            for one in together:
                one.refuse(error)
            return
        for one in together:
            one.answer(None if inserted is None else inserted[one.spec.id])

    async def _call(self, specs: Sequence[WorkflowSpec]) -> dict[str, Inserted] | None:
        """Insert workflows in one transaction; return None if it failed, and one of them may be the cause."""
        try:
            taken = await self._store.insert_together(specs)
        except Exception as error:
            if failure_of(error) is Failure.TRANSIENT:
                raise
            return None
        return {spec.id: Inserted(None, spec.id not in taken, taken.get(spec.id, spec.fingerprint)) for spec in specs}

    def _start_timer(self) -> None:
        """Look again after a while, as long as something waits."""
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._lose_patience)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Waiting(Struct, eq=False):
    """A workflow that leaves with the next call."""

    spec: WorkflowSpec
    inserted: asyncio.Future[Inserted | None]
    """None: it has to be inserted alone. Cancelled with its caller."""

    def answer(self, inserted: Inserted | None) -> None:
        if not self.inserted.done():
            self.inserted.set_result(inserted)

    def refuse(self, error: Exception) -> None:
        if not self.inserted.done():
            self.inserted.set_exception(error)


def _is_small(spec: WorkflowSpec) -> bool:
    # With a key it may wait for another transaction.
    return (
        key_of(spec) is None
        and len(spec.steps) <= STEPS_OF_SMALL
        and sum(len(step.args) for step in spec.steps) <= TEXT_OF_SMALL
    )
