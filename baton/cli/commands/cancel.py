"""`baton cancel`: cancel a workflow, or some of its steps."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_address
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Cancel a workflow, or some of its steps. What is cancelled never runs again by itself; baton retry opens it."
    )
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="names of steps; left out: the whole workflow")
    parser.add_argument(
        "--as-skipped",
        action="store_true",
        help="the named steps are no longer wanted: they end as skipped, which fails nothing",
    )
    parser.add_argument("--reason", help="why; kept with the cancelled steps")
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Cancel, and print how many steps and what state the workflow is in now."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        run = Run(arguments.id)
        count = await run.cancel(*arguments.steps, reason=arguments.reason, as_skipped=arguments.as_skipped)
        status = await run.status()
    steps = "1 step" if count == 1 else f"{count:,} steps"
    done = "skipped" if arguments.as_skipped else "cancelled"
    print(f"{done} {steps} of workflow {arguments.id!r}, which is now {status.state}")
