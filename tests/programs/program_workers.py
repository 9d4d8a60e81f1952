"""The workers of short programs: each call leaves a line in the effects log."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from baton import Baton, Context, result_of, worker
from tests.programs.fault_workers import log

SECONDS_WITHOUT_END = 600.0


def note(ctx: Context, event: str = "start") -> None:
    log().write(event=event, step=ctx.step, attempt=ctx.attempt, key=ctx.idempotency_key.partition("/")[2])


@worker(name="program does", backoff=0.01)
async def does(ctx: Context, value: Any = None, given: Any = None) -> Any:
    """Return its argument."""
    note(ctx)
    return value


@worker(name="program fails", max_attempts=1)
async def fails(ctx: Context, value: Any = None) -> None:
    note(ctx)
    raise ValueError("no seats left")


@worker(name="program fails once", max_attempts=1)
async def fails_once(ctx: Context, value: Any = None) -> Any:
    """Fail in the first attempt that any process makes, which the log remembers."""
    note(ctx)
    if len(log().read(event="start", step=ctx.step)) == 1:
        raise ValueError("no seats left")
    return value


@worker(name="program hangs")
async def hangs(ctx: Context, value: Any = None) -> None:
    note(ctx)
    try:
        await asyncio.sleep(SECONDS_WITHOUT_END)
    finally:
        note(ctx, "stopped")


@worker(name="program dies once", backoff=0.01)
async def dies_once(ctx: Context, value: Any = None) -> Any:
    """Kill its process in the first attempt."""
    note(ctx)
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


@worker(name="program plans")
async def plans(ctx: Context, parts: int) -> Baton:
    """Return a graph with a closing step of its own."""
    note(ctx)
    graph = Baton.new()
    for part in range(parts):
        graph.add(f"part {part}", does.new(part))
    graph.add("sum", does.new([result_of(f"part {part}") for part in range(parts)]))
    return graph.add("tidy", does.new(), runs="always").returns("sum")
