"""A process with one worker pool on a queue with limits, to be killed: its arguments are its address and a log."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from baton import Context, Engine, WorkerPool, worker
from tests.effects import Effects


@worker(name="limits effect", queue="service", max_attempts=50)
async def effect(ctx: Context, lane: str) -> None:
    effects = Effects(Path(sys.argv[2]))
    effects.write(event="start", step=ctx.step, attempt=ctx.attempt, lane=lane, at=time.monotonic_ns())
    await asyncio.sleep(0.02)
    effects.write(event="end", step=ctx.step, attempt=ctx.attempt, lane=lane, at=time.monotonic_ns())


async def main() -> None:
    async with Engine(sys.argv[1], create=False) as engine:
        await WorkerPool(engine, queues={"service": 20}, lease=2, poll=1, grace=1).__aenter__()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
