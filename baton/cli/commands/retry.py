"""`baton retry`: open discarded and cancelled steps again, of one workflow or of all that match."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from baton.cli.arguments import add_address, add_decision
from baton.cli.decisions import print_changes
from baton.cli.many_runs import add_choice, add_yes, change_many, require_one_way
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Open discarded and cancelled steps again. A step that is named is opened however it ended, and so is what was "
        "cancelled or skipped because of it; of a group, what failed in it. Without an id: of every workflow that "
        "failed and is chosen by tag, key, name, worker, failed step or time."
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the workflow's id")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="names of steps; left out: all that failed")
    parser.add_argument(
        "--downstream", action="store_true", help="run all that is downstream of these steps again as well"
    )
    parser.add_argument("--forward", action="store_true", help="leave undone what was undone")
    parser.add_argument(
        "--state", choices=("failed", "cancelled"), default="failed", help="with a choice: only workflows in this state"
    )
    add_choice(parser)
    add_yes(parser)
    add_decision(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Open failed steps, and print how many; if there is none, why. Or print what would change."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if require_one_way(arguments):
            await change_many(arguments, partial(engine.retry_many, state=arguments.state), "retry", "opened")
            return
        run = Run(arguments.id)
        options = {"downstream": arguments.downstream, "forward": arguments.forward}
        if arguments.dry_run:
            print_changes(await run.retry(*arguments.steps, **options, dry_run=True), as_json=arguments.json)
            return
        count = await run.retry(*arguments.steps, **options, actor=arguments.actor, reason=arguments.reason)
        status = await run.status()
    print(_described(count, arguments.id, arguments.steps, status.state))


def _described(count: int, workflow_id: str, steps: Sequence[str], state: str) -> str:
    workflow = f"workflow {workflow_id!r}, which is {'now ' if count else ''}{state}"
    if count:
        return f"opened {'1 step' if count == 1 else f'{count:,} steps'} of {workflow}"
    if not steps:
        return f"opened nothing: no step is discarded or cancelled in {workflow}"
    # An ordinary step is opened however it ended, or refused.
    names = ", ".join(map(repr, steps))
    are = "is a group in which nothing failed" if len(steps) == 1 else "are groups in which nothing failed"
    return f"opened nothing of {workflow}: {names} {are}; name the steps in it that are to run again"
