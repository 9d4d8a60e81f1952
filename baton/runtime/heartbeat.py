"""The pool's lease, renewed from a thread and a connection of its own: a blocked event loop does not lose it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from baton.database.connections import Connector, ReconnectingConnection, error_summary
from baton.database.store import Store
from baton.runtime.attempts import Attempts
from baton.runtime.loop_watchdog import LoopWatchdog
from baton.runtime.tokens import Tokens
from baton.tasks import Tasks, in_thread, wait_for_event

log = logging.getLogger("baton.pool")

HEARTBEATS_PER_LEASE = 3
MARGIN = 0.1
"""The pool trusts its lease for a shorter time than the database does, by this share."""
STOP_SECONDS = 10.0

Keys = frozenset[tuple[int, UUID]]


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease that a heartbeat renews, and what it calls. The `on_` functions are called in the pool's event loop."""

    pool: int
    seconds: float
    max_block: float
    """Seconds the event loop may be blocked before the process ends itself."""
    on_void: Callable[[Keys], None]
    """Called with claims that the pool held when the heartbeat was composed, and does not own any more."""
    on_lost: Callable[[], None]
    """Called when the lease is lost, or may be: nothing that runs here counts from now on."""
    on_counted: Callable[[Sequence[int]], None]
    """Called with how many living pools serve each of the pool's queues."""
    failures: Callable[[], Sequence[str]]
    """Returns what fails in this pool, for `baton doctor`. Called in the heartbeat's thread."""
    workers: Callable[[], Sequence[str]]
    """Returns the names of the workers that can run in this pool. Called in the heartbeat's thread."""


class Heartbeat:
    """Renews a lease three times while it lasts, and reports the tokens held. Watches the event loop as well.

    A heartbeat is composed after the one before was answered, or given up. The pool trusts its lease, less a margin,
    from the time at which it sent the last one that was answered, by the monotonic clock.
    """

    def __init__(self, connector: Connector, schema: str, lease: Lease, tokens: Tokens, attempts: Attempts) -> None:
        self._connector = connector
        self._schema = schema
        self._lease = lease
        self._tokens = tokens
        self._attempts = attempts
        self._loop = asyncio.get_running_loop()
        self._watchdog = LoopWatchdog(lease.max_block)
        self._trusted_until = time.monotonic() + lease.seconds * (1 - MARGIN)
        self._is_answered = True
        self._number = 0
        self._stopped = threading.Event()
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._hurry: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="baton heartbeat", daemon=True)

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread.start()

    @property
    def lease_seconds(self) -> float:
        """For how long the pool may still trust its lease; 0 if it may not."""
        return max(0.0, self._trusted_until - time.monotonic())

    @property
    def is_answered(self) -> bool:
        """Whether the last heartbeat was answered."""
        return self._is_answered

    def send_now(self) -> None:
        """Send the next heartbeat at once: claims may be void."""
        if self._own_loop is not None and self._hurry is not None and not self._own_loop.is_closed():
            self._own_loop.call_soon_threadsafe(self._hurry.set)

    async def stop(self) -> None:
        """Send no more, and return when the thread has ended."""
        self._stopped.set()
        self.send_now()
        await in_thread(self._thread.join, STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._send_until_stopped())
        except Exception:
            log.critical("the heartbeat ended with an unexpected error; the lease is lost", exc_info=True)
            self._call(self._lease.on_lost)

    async def _send_until_stopped(self) -> None:
        self._hurry = asyncio.Event()
        self._own_loop = asyncio.get_running_loop()
        connection = ReconnectingConnection(self._connector, "heartbeat")
        tasks = Tasks()
        tasks.start(self._watchdog.run(), name="baton watchdog")
        try:
            while not self._is_over() and await self._renew(connection):
                await wait_for_event(self._hurry, self._lease.seconds / HEARTBEATS_PER_LEASE)
                self._hurry.clear()
        finally:
            await tasks.aclose()
            await connection.aclose()

    async def _renew(self, connection: ReconnectingConnection) -> bool:
        """Send heartbeats until one is answered. Returns whether the lease is still the pool's."""
        while not self._is_over():
            left = self._trusted_until - time.monotonic()
            if left <= 0:
                log.error(
                    "the lease of pool %s could not be renewed in time; its attempts are cancelled", self._lease.pool
                )
                self._call(self._lease.on_lost)
                return False
            try:
                async with asyncio.timeout(min(left, self._lease.seconds / HEARTBEATS_PER_LEASE)):
                    is_alive = await self._send(connection)
                self._is_answered = True
                return is_alive
            except Exception as error:  # noqa: BLE001 - a loop; the lease's own time decides when it is lost
                self._is_answered = False
                # The database may receive it all the same, at any time: the next one is not its
                # successor, and says so by a gap in the numbers (see heartbeat.sql).
                self._number += 1
                log.warning("the lease of pool %s was not renewed: %s", self._lease.pool, error_summary(error))
                await asyncio.sleep(min(1.0, self._lease.seconds / 20))
        return False

    async def _send(self, connection: ReconnectingConnection) -> bool:
        # In this order: a claim that is answered between the two is listed and not yet held, which
        # is harmless.
        held = self._attempts.held()
        tokens = self._tokens.listed()
        sent_at = time.monotonic()
        self._number += 1
        answer = await Store(connection, self._schema).heartbeat(
            self._lease.pool, self._number, tokens, self._lease.workers(), self._lease.seconds, self._lease.failures()
        )
        if not answer.is_alive:
            log.error("the lease of pool %s was lost; its attempts are cancelled", self._lease.pool)
            self._call(self._lease.on_lost)
            return False
        self._trusted_until = sent_at + self._lease.seconds * (1 - MARGIN)
        self._call(lambda: self._lease.on_counted(answer.serving))
        void = held - answer.held
        if void:
            self._call(lambda: self._lease.on_void(void))
        return True

    def _is_over(self) -> bool:
        # A loop that was closed while its pool was entered runs no steps, and nothing will call
        # `stop`.
        return self._stopped.is_set() or self._loop.is_closed()

    def _call(self, callback: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)
