"""`baton skip`: end a step without running it, so that it fails nothing."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_address, add_decision
from baton.cli.decisions import done, print_changes
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Skip a step: it ends without running and fails nothing, and its dependents are skipped unless they ignore "
        "that. If it is discarded or cancelled, what ended because of it is opened for that."
    )
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("step", metavar="STEP", help="the name of the step")
    parser.add_argument("--forward", action="store_true", help="leave undone what was undone")
    add_decision(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Skip the step, and print what state the workflow is in now; or what would change."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        run = Run(arguments.id)
        step, forward = arguments.step, arguments.forward
        if arguments.dry_run:
            print_changes(await run.skip(step, forward=forward, dry_run=True), as_json=arguments.json)
            return
        changed = await run.skip(step, forward=forward, actor=arguments.actor, reason=arguments.reason)
        print(await done("skipped", step, changed, run))
