"""The pool's lease, renewed from a thread and a connection of its own: a blocked event loop does not lose it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from baton.core import registry
from baton.database.connections import Connector, ReconnectingConnection, describe
from baton.database.store import Store
from baton.runtime.attempts import Attempts
from baton.runtime.tokens import Tokens
from baton.tasks import Tasks, wait_for_event

log = logging.getLogger("baton.pool")

BEATS_PER_LEASE = 3
MARGIN = 0.1
"""The share of the lease by which the pool trusts itself less long than the database does."""
BLOCKED_SECONDS = 1.0
"""A loop that answers nothing for so long is blocked; named then, and again each time the span has doubled."""
LOOK_SECONDS = 0.25
LAST_WORDS_SECONDS = 5.0
EXIT_STATUS = 70

Keys = frozenset[tuple[int, UUID]]


@dataclass(frozen=True, slots=True)
class Lease:
    """What the heartbeat keeps, and whom it tells. The callbacks are called in the pool's event loop."""

    pool: int
    seconds: float
    max_block: float
    """Seconds the event loop may be blocked before the process ends itself."""
    on_void: Callable[[Keys], None]
    """These claims, held when the beat was composed, are not the pool's any more."""
    on_lost: Callable[[], None]
    """The lease is lost, or may be: nothing that runs here counts from now on."""
    on_counted: Callable[[Sequence[int]], None]
    """So many living pools serve each of the pool's queues."""
    failures: Callable[[], Sequence[str]]
    """Returns what fails in this pool, for `baton doctor`. Called in the heartbeat's thread."""


class Heartbeat:
    """Beats three times a lease, with the tokens held; watches the event loop meanwhile.

    Beats follow one another, each composed after the last was answered or given up. The pool trusts itself until its
    last confirmed renewal plus the lease, less a margin, by the monotonic clock and counted from before it was sent.
    """

    def __init__(self, dialing: Connector, schema: str, lease: Lease, tokens: Tokens, attempts: Attempts) -> None:
        self._dialing = dialing
        self._schema = schema
        self._lease = lease
        self._tokens = tokens
        self._attempts = attempts
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._trusted_until = time.monotonic() + lease.seconds * (1 - MARGIN)
        self._answers = 0
        self._is_answered = True
        self._number = 0
        self._stopped = threading.Event()
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._hurry: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="baton heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def lease_seconds(self) -> float:
        """For how long the pool may trust its lease yet; 0 if it may not."""
        return max(0.0, self._trusted_until - time.monotonic())

    @property
    def is_answered(self) -> bool:
        """Whether the last beat was answered."""
        return self._is_answered

    def beat_now(self) -> None:
        """Do not wait for the next beat's time: claims may be void."""
        if self._own_loop is not None and self._hurry is not None and not self._own_loop.is_closed():
            self._own_loop.call_soon_threadsafe(self._hurry.set)

    async def stop(self) -> None:
        """Renew no more, and return when the thread has ended."""
        self._stopped.set()
        self.beat_now()
        await asyncio.to_thread(self._thread.join, 10.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception:
            log.critical("the heartbeat ended with an error that nobody expected; the lease is lost", exc_info=True)
            self._tell(self._lease.on_lost)

    async def _live(self) -> None:
        self._hurry = asyncio.Event()
        self._own_loop = asyncio.get_running_loop()
        line = ReconnectingConnection(self._dialing, "heartbeat")
        tasks = Tasks()
        tasks.start(self._watch(), name="baton watchdog")
        try:
            while not self._is_over() and await self._beat_until_answered(line):
                await wait_for_event(self._hurry, self._lease.seconds / BEATS_PER_LEASE)
                self._hurry.clear()
        finally:
            await tasks.aclose()
            await line.aclose()

    async def _beat_until_answered(self, line: ReconnectingConnection) -> bool:
        """Renew the lease. Tells whether it is the pool's still."""
        while not self._is_over():
            left = self._trusted_until - time.monotonic()
            if left <= 0:
                log.error(
                    "the lease of pool %s could not be renewed in time; its attempts are cancelled", self._lease.pool
                )
                self._tell(self._lease.on_lost)
                return False
            try:
                async with asyncio.timeout(min(left, self._lease.seconds / BEATS_PER_LEASE)):
                    is_alive = await self._beat(line)
                self._is_answered = True
                return is_alive
            except Exception as error:  # noqa: BLE001 - a loop; the lease's own time decides when it is lost
                self._is_answered = False
                # It may be noted all the same, at any time: the next one does not follow it (see heartbeat.sql).
                self._number += 1
                log.warning("the lease of pool %s was not renewed: %s", self._lease.pool, describe(error))
                await asyncio.sleep(min(1.0, self._lease.seconds / 20))
        return False

    async def _beat(self, line: ReconnectingConnection) -> bool:
        # In this order: a claim that is answered between the two is listed and not yet held, which is harmless.
        held = self._attempts.held()
        tokens = self._tokens.listed()
        sent_at = time.monotonic()
        self._number += 1
        beaten = await Store(line, self._schema).heartbeat(
            self._lease.pool, self._number, tokens, registry.names(), self._lease.seconds, self._lease.failures()
        )
        if not beaten.is_alive:
            log.error("the lease of pool %s was lost; its attempts are cancelled", self._lease.pool)
            self._tell(self._lease.on_lost)
            return False
        self._trusted_until = sent_at + self._lease.seconds * (1 - MARGIN)
        self._tell(lambda: self._lease.on_counted(beaten.serving))
        void = held - beaten.held
        if void:
            self._tell(lambda: self._lease.on_void(void))
        return True

    def _is_over(self) -> bool:
        # A loop that was closed under its pool runs no steps, and nobody is left to stop us.
        return self._stopped.is_set() or self._loop.is_closed()

    def _tell(self, callback: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    async def _watch(self) -> None:
        """Name the step that blocks the event loop, and end the process when it does so for too long."""
        named_after = BLOCKED_SECONDS
        blocked = 0.0
        while not self._is_over():
            answers, asked_at = self._answers, time.monotonic()
            self._tell(self._answer)
            await asyncio.sleep(LOOK_SECONDS)
            # The whole process may have been stopped meanwhile, and then the loop had no time to answer either.
            waited = min(time.monotonic() - asked_at, 2 * LOOK_SECONDS)
            blocked = 0.0 if self._answers > answers else blocked + waited
            if blocked < BLOCKED_SECONDS:
                named_after = BLOCKED_SECONDS
            elif blocked >= named_after:
                named_after *= 2
                log.warning("%s has blocked the event loop for %.0f s:\n%s", self._blocking(), blocked, self._stack())
            if blocked > self._lease.max_block:
                self._give_up(blocked)

    def _answer(self) -> None:
        self._answers += 1

    def _blocking(self) -> str:
        task = asyncio.current_task(self._loop)
        return task.get_name() if task is not None else "a callback"

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)
        return "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)"

    def _give_up(self, blocked: float) -> None:
        # What blocks the loop may hold the lock of the log.
        last_resort = threading.Timer(LAST_WORDS_SECONDS, os._exit, (EXIT_STATUS,))
        last_resort.daemon = True
        last_resort.start()
        log.critical(
            "%s has blocked the event loop for %.0f s, longer than max_block; this process ends, others take its steps",
            self._blocking(),
            blocked,
        )
        logging.shutdown()
        os._exit(EXIT_STATUS)
