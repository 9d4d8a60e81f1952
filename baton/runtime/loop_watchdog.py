"""Watches a pool's event loop from another thread: names the step that blocks it, and ends the process if it stays
blocked."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback

log = logging.getLogger("baton.pool")

BLOCKED_SECONDS = 1.0
"""A loop that runs no callback for this long is blocked. That is logged then, and whenever the time has doubled."""
CHECK_SECONDS = 0.25
LOG_SECONDS = 5.0
"""How long the last message may take."""
EXIT_STATUS = 70


class LoopWatchdog:
    """Checks that the event loop in which it is made goes on.

    Args:
        max_block: after how many seconds the process ends itself: its lease is renewed as long as it lives, so that
            nobody else could take its steps.
    """

    def __init__(self, max_block: float) -> None:
        self._max_block = max_block
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._answers = 0

    async def run(self) -> None:
        """Watch until cancelled, or until the watched loop is closed. Runs in another event loop than that one."""
        logged_after = BLOCKED_SECONDS
        blocked = 0.0
        while not self._loop.is_closed():
            answers, asked_at = self._answers, time.monotonic()
            self._loop.call_soon_threadsafe(self._answer)
            await asyncio.sleep(CHECK_SECONDS)
            # The whole process may have been stopped meanwhile, and then the loop had no time to
            # answer either.
            waited = min(time.monotonic() - asked_at, 2 * CHECK_SECONDS)
            blocked = 0.0 if self._answers > answers else blocked + waited
            if blocked < BLOCKED_SECONDS:
                logged_after = BLOCKED_SECONDS
            elif blocked >= logged_after:
                logged_after *= 2
                log.warning("%s has blocked the event loop for %.0f s:\n%s", self._task_name(), blocked, self._stack())
            if blocked > self._max_block:
                self._end_process(blocked)

    def _answer(self) -> None:
        self._answers += 1

    def _task_name(self) -> str:
        task = asyncio.current_task(self._loop)
        return task.get_name() if task is not None else "a callback"

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread)
        return "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)"

    def _end_process(self, blocked: float) -> None:
        # The code that blocks the loop may hold the lock of the log.
        timer = threading.Timer(LOG_SECONDS, os._exit, (EXIT_STATUS,))
        timer.daemon = True
        timer.start()
        log.critical(
            "%s has blocked the event loop for %.0f s, longer than max_block; this process ends, others take its steps",
            self._task_name(),
            blocked,
        )
        logging.shutdown()
        os._exit(EXIT_STATUS)
