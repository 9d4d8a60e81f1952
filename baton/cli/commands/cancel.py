"""`baton cancel`: cancel a workflow, or some of its steps, or all workflows that match."""

from __future__ import annotations

import argparse
from functools import partial

from baton.cli.arguments import add_address, add_decision
from baton.cli.decisions import print_changes
from baton.cli.many_runs import add_choice, add_yes, change_many, require_one_way
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Cancel a workflow, or some of its steps, or every executing workflow that is chosen by tag, key, name, worker "
        "or time. What is cancelled never runs again by itself; baton retry opens it."
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the workflow's id")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="names of steps; left out: the whole workflow")
    parser.add_argument(
        "--as-skipped",
        action="store_true",
        help="the named steps are no longer wanted: they end as skipped, which fails nothing",
    )
    parser.add_argument("--force", action="store_true", help="cancel closing steps and undos as well")
    add_choice(parser, failed_step=False)
    add_yes(parser)
    add_decision(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Cancel, and print how many steps and what state the workflow is in now; or what would change."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if require_one_way(arguments):
            await change_many(arguments, partial(engine.cancel_many, force=arguments.force), "cancel", "cancelled")
            return
        run = Run(arguments.id)
        options = {"force": arguments.force, "as_skipped": arguments.as_skipped}
        if arguments.dry_run:
            print_changes(await run.cancel(*arguments.steps, **options, dry_run=True), as_json=arguments.json)
            return
        count = await run.cancel(*arguments.steps, **options, actor=arguments.actor, reason=arguments.reason)
        status = await run.status()
    steps = "1 step" if count == 1 else f"{count:,} steps"
    done = "skipped" if arguments.as_skipped else "cancelled"
    print(f"{done} {steps} of workflow {arguments.id!r}, which is now {status.state}")
