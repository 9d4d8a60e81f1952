"""`baton signal`: answer a step that waits for a signal."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_actor, add_address, json_value
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Send a signal to a step that waits for one, or will: it completes with this value. The first signal counts."
    )
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("step", metavar="STEP", help="the step that waits")
    parser.add_argument("value", metavar="JSON", nargs="?", type=json_value, help="the value; left out, null")
    parser.add_argument("--key", help="names the signal: the same one again is accepted again, and changes nothing")
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Send the signal, and print whether it was accepted."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        accepted = await Run(arguments.id).signal(
            arguments.step, arguments.value, key=arguments.key, actor=arguments.actor
        )
    what = f"step {arguments.step!r} of workflow {arguments.id!r}"
    print(f"{what} completes with this" if accepted else f"{what} was answered by another signal before")
