"""A process with one worker pool, for tests that kill or block it: its arguments are its address and options."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

from baton import Context, Engine, WorkerPool, worker
from tests.effects import Effects

EFFECTS = "BATON_TEST_EFFECTS"


def log_start(ctx: Context) -> None:
    Effects(Path(os.environ[EFFECTS])).write(event="start", step=ctx.step, attempt=ctx.attempt, key=ctx.idempotency_key)


@worker
async def hang_at_first(ctx: Context) -> int:
    log_start(ctx)
    if ctx.attempt == 1:
        await asyncio.sleep(120)
    return ctx.attempt


@worker
async def block_at_first(ctx: Context) -> int:
    log_start(ctx)
    if ctx.attempt == 1:
        time.sleep(120)  # noqa: ASYNC251  # what is tried here
    return ctx.attempt


@worker(executor="thread")
def hang_in_a_thread(ctx: Context) -> int:
    log_start(ctx)
    time.sleep(120 if ctx.attempt == 1 else 0)
    return ctx.attempt


@worker(max_attempts=2)
async def kills_its_process(ctx: Context) -> None:
    log_start(ctx)
    os._exit(1)


async def main() -> None:
    logging.basicConfig(level=logging.INFO)
    async with Engine(sys.argv[1]) as engine, WorkerPool(engine, **json.loads(sys.argv[2])) as pool:
        await pool.serve()


if __name__ == "__main__":
    asyncio.run(main())
