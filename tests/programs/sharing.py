"""Workers for several processes, which note in an effects log what they did."""

from __future__ import annotations

import asyncio
import os
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
