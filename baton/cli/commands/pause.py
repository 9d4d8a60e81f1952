"""`baton pause`: stop the start of steps of a queue, on every machine."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_actor, add_address
from baton.client.engine import Engine


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Let no worker pool, on any machine, start a step of a queue until it is resumed. What runs goes on."
    )
    parser.add_argument("queue", metavar="QUEUE", help="the name of the queue")
    parser.add_argument("--lane", metavar="LANE", help="only this lane of the queue")
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Pause a queue, and print what still runs."""
    name = arguments.queue
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        is_new = await engine.pause(name, lane=arguments.lane, actor=arguments.actor)
        # Resumed again meanwhile, and empty, it is not in the list.
        found = [queue for queue in await engine.queues() if queue.name == name]
    what = f"queue {name!r}" if arguments.lane is None else f"lane {arguments.lane!r} of queue {name!r}"
    said = f"paused {what}" if is_new else f"{what} is paused already"
    executing, available = (found[0].executing, found[0].available) if found else (0, 0)
    print(f"{said}: {executing} executing, {available} available")
