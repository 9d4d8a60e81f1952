"""The attempts that run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct

from baton.database.messages import Claimed
from baton.tasks import Tasks, wait_for_event

if TYPE_CHECKING:
    import asyncpg

    from baton.runtime.attempt_records import Outbox


class Cause(Enum):
    """Why an attempt is cancelled; noted before it is, so that the runner need not guess it from a CancelledError."""

    TIMEOUT = "it took longer than its timeout"
    SHUTDOWN = "the worker pool is shutting down"
    LEASE_LOST = "the worker pool lost its lease"
    VOID = "its claim is void: the step was cancelled, or taken over"


# One is made for every attempt: a dataclass takes 0.8 µs to make, a struct 0.2.
class Attempt(Struct, eq=False):
    """One run of a claimed step, as a task of its own."""

    claimed: Claimed
    cause: Cause | None = None
    task: asyncio.Task[Any] | None = None
    is_running: bool = False
    """False until its code runs: a task that is cancelled before that ends without an outcome."""
    thread_ended: asyncio.Event | None = None
    """Set when the thread that runs it has returned. A thread cannot be stopped, so the slot is taken until then."""
    connection: asyncpg.Connection[asyncpg.Record] | None = None
    """That of a transactional worker."""
    is_settled: bool = False
    """Its outcome has committed already, in the transaction of a transactional worker."""
    has_kept: bool = False
    """It has kept a value, so that the count of attempts began anew with it."""
    outbox: Outbox | None = None
    """What it leaves besides its outcome, and has not been sent; None if it has left nothing."""
    error: BaseException | None = None
    """What its worker raised in this process, for the events; None if errors are redacted."""
    _began_at: float | None = None
    _ended_at: float | None = None
    _timer: asyncio.TimerHandle | None = None

    @property
    def key(self) -> tuple[int, UUID]:
        return self.claimed.step_id, self.claimed.token

    @property
    def number(self) -> int:
        """Which attempt in a row it counts as when it fails."""
        return 1 if self.has_kept else self.claimed.attempt

    @property
    def seconds(self) -> float | None:
        """For how long its code ran; None if it never began, or has not ended."""
        return None if self._began_at is None or self._ended_at is None else self._ended_at - self._began_at

    def begin(self) -> None:
        """Note that its code is called now, and let its timeout begin."""
        self._began_at = monotonic()
        if self.claimed.timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.claimed.timeout, self.cancel, Cause.TIMEOUT)

    def end(self) -> None:
        """Note that its code has ended: it cannot be cancelled any more."""
        self.is_running = False
        self._ended_at = monotonic()
        if self._timer is not None:
            self._timer.cancel()

    def cancel(self, cause: Cause) -> None:
        """Cancel it, once: the first cause counts."""
        if self.cause is None:
            self.cause = cause
            if self.task is not None and self.is_running:
                self.task.cancel()


current: ContextVar[Attempt | None] = ContextVar("baton attempt", default=None)
"""The attempt that the running code belongs to; in its threads as well."""


class Attempts:
    """Starts attempts, knows which of them run, and cancels them."""

    def __init__(self, work: Callable[[Attempt], Awaitable[None]], tasks: Tasks) -> None:
        self._work = work
        self._tasks = tasks
        self._running: set[Attempt] = set()
        self._none_runs = asyncio.Event()
        self._none_runs.set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, claimed: Claimed) -> None:
        attempt = Attempt(claimed)
        self._running.add(attempt)
        self._none_runs.clear()
        name = f"baton step {claimed.workflow_id}/{claimed.step}"
        attempt.task = self._tasks.start(self._run(attempt), name=name)

    async def _run(self, attempt: Attempt) -> None:
        current.set(attempt)
        try:
            attempt.is_running = True
            await self._work(attempt)
        finally:
            self._running.discard(attempt)
            if not self._running:
                self._none_runs.set()

    def held(self) -> frozenset[tuple[int, UUID]]:
        """Return the claims of the attempts that run. May be called in another thread."""
        return frozenset(attempt.key for attempt in self._running.copy())

    def cancel(self, keys: Iterable[tuple[int, UUID]], cause: Cause) -> None:
        wanted = frozenset(keys)
        for attempt in tuple(self._running):
            if attempt.key in wanted:
                attempt.cancel(cause)

    def cancel_all(self, cause: Cause) -> None:
        for attempt in tuple(self._running):
            attempt.cancel(cause)

    async def ended(self, timeout: float | None) -> bool:
        """Wait until none runs, for at most `timeout` seconds. Return whether none runs."""
        return await wait_for_event(self._none_runs, timeout)
