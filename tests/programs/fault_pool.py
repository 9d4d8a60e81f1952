"""A worker process that may kill itself at a named point of the pool's work, or have a clock of its own.

Run with a JSON object of settings: those of `WorkerPool`, and

    kill_at       the pause point at which it kills itself
    once_ended    not before a worker has ended, so that the call it is killed in carries the outcome
    clock_off     seconds by which its clock is wrong
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
from baton.runtime import pauses
from tests.programs import fault_workers


def kill_at(wanted: str, *, once_ended: bool) -> None:
    """Kill this process at the pause point. A call counts from its beginning: one under way carries no outcome yet."""
    ready: set[asyncio.Task[Any] | None] = set()

    async def reached(point: str) -> None:
        task = asyncio.current_task()
        if not point.startswith("after advance") and (fault_workers.ended.is_set() or not once_ended):
            ready.add(task)
        if point == wanted and task in ready:
            os.kill(os.getpid(), signal.SIGKILL)

    pauses.reached = reached


def set_clock_off(seconds: float) -> None:
    """Let whatever asks for the time of day be told a wrong one."""
    true_time, true_datetime = time.time, dt.datetime

    class Wrong(true_datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return true_datetime.now(tz) + dt.timedelta(seconds=seconds)

    time.time = lambda: true_time() + seconds
    dt.datetime = Wrong  # type: ignore[misc]


async def main(settings: dict[str, Any]) -> None:
    point, once_ended = settings.pop("kill_at", None), settings.pop("once_ended", False)
    if point is not None:
        kill_at(point, once_ended=once_ended)
    async with Engine() as engine, WorkerPool(engine, **settings) as pool:
        await pool.serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    given = json.loads(sys.argv[1])
    set_clock_off(given.pop("clock_off", 0.0))
    asyncio.run(main(given))
