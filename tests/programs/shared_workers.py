"""Workers for several processes, which log what they did."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from pathlib import Path

from baton import Context, Engine, worker
from tests.effects import Effects

engine = Engine(schema="elsewhere")
not_an_engine = "postgresql://localhost/app"


@worker
async def noted(ctx: Context, seconds: float = 0.0) -> int:
    effects = Effects(Path(os.environ["EFFECTS"]))
    effects.write(event="start", step=ctx.step, attempt=ctx.attempt)
    await asyncio.sleep(seconds)
    effects.write(event="end", step=ctx.step, attempt=ctx.attempt)
    return os.getpid()


@worker(max_attempts=2, backoff=0.0)
async def failing() -> None:
    raise ValueError("the disk is\nfull")


@worker
def hanging(ctx: Context) -> None:
    Effects(Path(os.environ["EFFECTS"])).write(event="start", step=ctx.step, attempt=ctx.attempt)
    time.sleep(600)


@worker(name="shared: hanging in to_thread")
async def hanging_in_to_thread(ctx: Context) -> None:
    Effects(Path(os.environ["EFFECTS"])).write(event="start", step=ctx.step, attempt=ctx.attempt)
    await asyncio.to_thread(time.sleep, 600)


@worker(name="shared: blocking")
async def blocking(ctx: Context, seconds: float) -> None:
    Effects(Path(os.environ["EFFECTS"])).write(event="start", step=ctx.step, attempt=ctx.attempt)
    time.sleep(seconds)  # noqa: ASYNC251  # what is tried here


@worker(name="shared: logging")
async def logging_and_catching(ctx: Context) -> None:
    ctx.log.info("by its own log", extra={"order": 4711})
    await asyncio.to_thread(logging.getLogger("app").warning, "by the application's, in a thread")
    try:
        raise ValueError("no disk")
    except ValueError:
        logging.getLogger("app").exception("it failed:\nbadly")


@worker(name="shared: killing")
async def killing() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@worker(name="shared: counting")
async def counting(number: int | None) -> int | None:
    return number


@worker(name="shared: refusing", max_attempts=2, backoff=0.0, timeout=30)
async def refusing(order: str, amount: int, lines: list[object]) -> None:
    raise LookupError(f"{order} is \x1b[31mred")


@worker(name="shared: thinking")
async def thinking(ctx: Context, order: str) -> None:
    ctx.log.warning("odd \x1b[31m order")
    ctx.record("thought", "two\nlines")
