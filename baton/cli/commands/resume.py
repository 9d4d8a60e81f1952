"""`baton resume`: let a paused queue, worker or run go on."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_actor, add_address
from baton.cli.paused_thing import add_subject
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Let a paused queue, worker or run go on. The worker pools are woken at once."
    add_subject(parser)
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Resume it, and print whether it was paused."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if arguments.run_id is not None:
            subject = f"run {arguments.run_id!r}"
            was_paused = await Run(arguments.run_id, engine).resume(actor=arguments.actor)
        elif arguments.worker is not None:
            subject = f"worker {arguments.worker!r}"
            was_paused = await engine.resume(worker=arguments.worker, actor=arguments.actor)
        else:
            lane = "" if arguments.lane is None else f"lane {arguments.lane!r} of "
            subject = f"{lane}queue {arguments.queue!r}"
            was_paused = await engine.resume(arguments.queue, lane=arguments.lane, actor=arguments.actor)
    print(f"resumed {subject}" if was_paused else f"{subject} was not paused")
