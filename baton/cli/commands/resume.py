"""`baton resume`: let a paused queue go on."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_actor, add_address
from baton.client.engine import Engine


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Let a paused queue go on. Its worker pools are woken at once."
    parser.add_argument("queue", metavar="QUEUE", help="the name of the queue")
    parser.add_argument("--lane", metavar="LANE", help="only this lane of the queue")
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Resume a queue, and print whether it was paused."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        was_paused = await engine.resume(arguments.queue, lane=arguments.lane, actor=arguments.actor)
    what = f"queue {arguments.queue!r}"
    if arguments.lane is not None:
        what = f"lane {arguments.lane!r} of {what}"
    print(f"resumed {what}" if was_paused else f"{what} was not paused")
