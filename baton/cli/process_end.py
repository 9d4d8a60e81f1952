"""The end of a process in which steps have left threads behind: Python would wait for them, however long they take."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

log = logging.getLogger("baton.pool")

THREAD_SECONDS = 1.0
"""How long a thread may take to end after its pool has drained."""
_IN_TO_THREAD = "asyncio"
_OF_STEPS = ("AnyIO worker", f"{_IN_TO_THREAD}_")
"""How the names of threads begin in which plain workers run, and what async ones give to `asyncio.to_thread`."""


def name_threads(loop: asyncio.AbstractEventLoop) -> None:
    """Give the threads of `asyncio.to_thread` the names that they have in asyncio's own event loop, in any."""
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=_IN_TO_THREAD))


def end_without_threads(code: int) -> None:
    """Let this process end by itself; or with this exit code in a second, if a thread of a step keeps it from that.

    To be called when all is settled, and before the event loop is closed, which waits for `asyncio.to_thread`.
    """

    def watch() -> None:
        time.sleep(THREAD_SECONDS)
        if any(thread.name.startswith(_OF_STEPS) for thread in threading.enumerate()):
            log.warning("steps still hang in threads; the process ends without them")
            logging.shutdown()
            with suppress(OSError):
                sys.stdout.flush()
            os._exit(code)

    threading.Thread(target=watch, name="baton process end", daemon=True).start()
