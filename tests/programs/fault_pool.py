"""A worker process that may kill itself at a failpoint of the pool, or have a wrong clock.

Run with a JSON object of settings: those of `WorkerPool`, and

    kill_at       the failpoint at which it kills itself
    stop_at       the failpoint at which it stops itself, until it is continued
    kill_on       at which pass of that failpoint; 1 if left out
    clock_off     seconds by which its clock is wrong
    part_size     how many children of a group go into one call
    call_seconds  how long a call of a transactional attempt may take
    idle_seconds  how long a transaction of several calls may be idle
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import os
import signal
import sys
import time
from typing import Any

from baton import Engine, WorkerPool
from baton.database import connections
from baton.runtime import expander, failpoints, transactions
from tests.programs import (  # noqa: F401  # registers them
    fault_workers,
    forking_workers,
    pool_workers,
    program_workers,
    transfer_workers,
)


def signal_at(wanted: str, number: signal.Signals, time: int) -> None:
    """Send this process a signal when it passes the failpoint for the given time."""
    times = 0

    async def reached(point: str) -> None:
        nonlocal times
        times += point == wanted
        if point == wanted and times == time:
            os.kill(os.getpid(), number)

    failpoints.reached = reached


def set_clock_off(seconds: float) -> None:
    """Shift the clock of this process."""
    true_time, true_datetime = time.time, dt.datetime

    class Wrong(true_datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return true_datetime.now(tz) + dt.timedelta(seconds=seconds)

    time.time = lambda: true_time() + seconds
    dt.datetime = Wrong  # type: ignore[misc]


async def main(settings: dict[str, Any]) -> None:
    if (point := settings.pop("kill_at", None)) is not None:
        signal_at(point, signal.SIGKILL, settings.pop("kill_on", 1))
    if (point := settings.pop("stop_at", None)) is not None:
        signal_at(point, signal.SIGSTOP, 1)
    transactions.CALL_SECONDS = settings.pop("call_seconds", transactions.CALL_SECONDS)
    connections.IDLE_SECONDS = settings.pop("idle_seconds", connections.IDLE_SECONDS)
    expander.STEPS_PER_CALL = settings.pop("part_size", expander.STEPS_PER_CALL)
    async with Engine() as engine, WorkerPool(engine, **settings) as pool:
        await pool.serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    given = json.loads(sys.argv[1])
    set_clock_off(given.pop("clock_off", 0.0))
    asyncio.run(main(given))
