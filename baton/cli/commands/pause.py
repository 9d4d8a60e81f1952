"""`baton pause`: stop the start of steps of a queue, a worker or a run, on every machine."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_actor, add_address
from baton.cli.paused_thing import add_subject
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Let no worker pool, on any machine, start a step of a queue, of a worker or of a run until it is resumed. "
        "What runs goes on."
    )
    add_subject(parser)
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Pause it; of a queue, print what still runs."""
    name = arguments.queue
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if arguments.run_id is not None:
            is_new = await Run(arguments.run_id, engine).pause(actor=arguments.actor)
            print(_said("run", arguments.run_id, is_new=is_new))
            return
        if arguments.worker is not None:
            is_new = await engine.pause(worker=arguments.worker, actor=arguments.actor)
            print(_said("worker", arguments.worker, is_new=is_new))
            return
        is_new = await engine.pause(name, lane=arguments.lane, actor=arguments.actor)
        # Resumed again meanwhile, and empty, it is not in the list.
        found = [queue for queue in await engine.queues() if queue.name == name]
    executing, available = (found[0].executing, found[0].available) if found else (0, 0)
    what = "queue" if arguments.lane is None else f"lane {arguments.lane!r} of queue"
    print(f"{_said(what, name, is_new=is_new)}: {executing} executing, {available} available")


def _said(what: str, name: str, *, is_new: bool) -> str:
    return f"paused {what} {name!r}" if is_new else f"{what} {name!r} is paused already"
