"""`baton queues`, `pause` and `resume`: the queues, and whether anything in them may start."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from baton.cli.terminal import print_table
from baton.client.engine import Engine
from baton.database.queries import Queue

HEADINGS = ("queue", "available", "waiting", "executing", "pools", "slots", "")


async def show(arguments: argparse.Namespace) -> None:
    """Print a line for each queue."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        found = await engine.queues()
    if found:
        print_table(HEADINGS, [_row(queue) for queue in found])
    else:
        print("there is no queue: nothing waits or runs, and no worker process serves any")


async def pause(arguments: argparse.Namespace) -> None:
    """Pause a queue, and say what still runs."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        is_new = await engine.pause(arguments.queue)
        queue = _named(await engine.queues(), arguments.queue)
    said = f"paused queue {queue.name!r}" if is_new else f"queue {queue.name!r} is paused already"
    print(f"{said}: {queue.executing} executing, {queue.available} available")


async def resume(arguments: argparse.Namespace) -> None:
    """Resume a queue, and say so."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        was_paused = await engine.resume(arguments.queue)
    print(f"resumed queue {arguments.queue!r}" if was_paused else f"queue {arguments.queue!r} was not paused")


def _row(queue: Queue) -> Sequence[str]:
    remark = f"paused since {queue.paused_at:%Y-%m-%d %H:%M:%S %Z}" if queue.paused_at else _unserved(queue)
    figures = (queue.available, queue.waiting, queue.executing, queue.pools, queue.slots)
    return (queue.name, *map(str, figures), remark)


def _unserved(queue: Queue) -> str:
    return "" if queue.pools else "no worker process serves it"


def _named(queues: Sequence[Queue], name: str) -> Queue:
    """The queue of this name; resumed again since, it may be gone from the list."""
    found = [queue for queue in queues if queue.name == name]
    return found[0] if found else Queue(name, None, 0, 0, 0, 0, 0)
