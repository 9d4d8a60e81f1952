"""`baton queues`: the queues, what waits and runs in each, and which pools serve it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from baton.cli.arguments import add_address, add_json
from baton.cli.terminal import print_json, print_lines, table
from baton.client.engine import Engine
from baton.database.queries import Queue

HEADINGS = ("queue", "available", "waiting", "executing", "pools", "slots", "")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "List the queues. available: may start now; waiting: for a time (a schedule, or the delay after a failure); "
        "pools: the living worker pools that serve it; slots: how many of its steps they run at once, all together."
    )
    add_json(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Print a line for each queue."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        found, pauses = await engine.queues(), await engine.pauses()
    if arguments.json:
        print_json([asdict(queue) for queue in found])
    elif found:
        print_lines(table(HEADINGS, [_row(queue) for queue in found], text=(0, len(HEADINGS) - 1)))
    else:
        print("there is no queue: nothing waits or runs, and no worker pool serves any")
    for pause in pauses if not arguments.json else ():
        aside = f", {pause.put_aside:,} steps put aside" if pause.put_aside else ""
        print(f"{pause.kind} {pause.name!r} is paused since {pause.paused_at:%Y-%m-%d %H:%M:%S %Z}{aside}")


def _row(queue: Queue) -> Sequence[str]:
    figures = (queue.available, queue.waiting, queue.executing, queue.pools, queue.slots)
    return (queue.name, *(f"{figure:,}" for figure in figures), _remark(queue))


def _remark(queue: Queue) -> str:
    if queue.paused_at is not None:
        return f"paused since {queue.paused_at:%Y-%m-%d %H:%M:%S %Z}"
    if queue.running is not None and queue.executing >= queue.running and queue.available:
        return f"at its limit of {queue.running:,}"
    if queue.is_limited and queue.available and queue.pools:
        return "has limits; see baton limits"
    return "" if queue.pools else "no worker pool serves it"
