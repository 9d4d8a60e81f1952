"""`baton complete`: complete a step with a value, without running it."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_address, add_decision, json_value
from baton.cli.decisions import done, print_changes
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Complete a step with a value, without running it. If it is discarded, cancelled or skipped, what ended "
        "because of it is opened."
    )
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("step", metavar="STEP", help="the name of the step")
    parser.add_argument("value", metavar="JSON", nargs="?", type=json_value, help="its result; left out, null")
    parser.add_argument("--forward", action="store_true", help="leave undone what was undone")
    add_decision(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Complete the step, and print what state the workflow is in now; or what would change."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        run = Run(arguments.id)
        step, forward = arguments.step, arguments.forward
        if arguments.dry_run:
            print_changes(
                await run.complete(step, arguments.value, forward=forward, dry_run=True), as_json=arguments.json
            )
            return
        changed = await run.complete(
            step, arguments.value, forward=forward, actor=arguments.actor, reason=arguments.reason
        )
        print(await done("completed", step, changed, run))
