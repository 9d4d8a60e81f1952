"""Workers that log what they do, and can be held, blocked and killed while they do it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from baton import Baton, Context, worker
from tests.effects import Effects

EFFECTS = "EFFECTS"
"""The environment variable that names the effects log. Held attempts go on when there is a file `<log>.go`."""


def note(ctx: Context, event: str) -> None:
    log().write(event=event, workflow=ctx.workflow_id, step=ctx.step, attempt=ctx.attempt)


def log() -> Effects:
    return Effects(Path(os.environ[EFFECTS]))


def may_go_on() -> Path:
    path = log().path
    return path.with_name(f"{path.name}.go")


@worker(name="fault noted")
async def noted(ctx: Context, value: int = 0, seconds: float = 0.0) -> int:
    note(ctx, "start")
    await asyncio.sleep(seconds)
    note(ctx, "end")
    return value


@worker(name="fault held")
async def held(ctx: Context, value: int = 0) -> int:
    """Hold the first attempt until the test lets it go on."""
    note(ctx, "start")
    try:
        while ctx.attempt == 1 and not may_go_on().exists():  # noqa: ASYNC110  # another process says so
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        note(ctx, "cancelled")
        raise
    note(ctx, "end")
    return value


@worker(name="fault blocking")
async def blocking(ctx: Context, seconds: float) -> int:
    """Block the event loop in the first attempt, so that its outcome is sent before anything else is received."""
    note(ctx, "start")
    if ctx.attempt == 1:
        time.sleep(seconds)  # noqa: ASYNC251  # what is wanted here
    note(ctx, "end")
    return ctx.attempt


@worker(name="fault returns_a_graph")
async def returns_a_graph(ctx: Context, size: int) -> Baton:
    """Return a graph of `size` independent steps."""
    note(ctx, "start")
    graph = Baton.new()
    for number in range(size):
        graph.add(f"part {number}", noted.new(value=number))
    return graph


@worker(name="fault poison", max_attempts=2)
async def poison(ctx: Context) -> None:
    note(ctx, "start")
    os.kill(os.getpid(), signal.SIGKILL)
