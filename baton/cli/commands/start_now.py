"""`baton start-now`: let steps start that wait for a time."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_address, add_decision
from baton.cli.decisions import print_changes
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Let steps start that wait for a time: scheduled ones, and those that wait for their next attempt. A timer "
        "ends. A group stands for the steps in it."
    )
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("steps", nargs="+", metavar="STEP", help="names of steps")
    add_decision(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Let them start, and print how many; or what would change."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        run = Run(arguments.id)
        if arguments.dry_run:
            print_changes(await run.start_now(*arguments.steps, dry_run=True), as_json=arguments.json)
            return
        count = await run.start_now(*arguments.steps, actor=arguments.actor, reason=arguments.reason)
    steps = "1 step starts" if count == 1 else f"{count:,} steps start"
    print(f"{steps} now in workflow {arguments.id!r}")
