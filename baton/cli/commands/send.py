"""`baton send`: send a message to the steps of a workflow that receive those of a topic."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_actor, add_address, json_value
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Send a message to the steps of a workflow that receive those of a topic: one step takes it."
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("topic", metavar="TOPIC", help="which steps may take it")
    parser.add_argument("value", metavar="JSON", nargs="?", type=json_value, help="the value; left out, null")
    parser.add_argument("--key", help="names the message: of one key, a topic keeps the first")
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Send the message."""
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        await Run(arguments.id).send(arguments.topic, arguments.value, key=arguments.key, actor=arguments.actor)
    print(f"topic {arguments.topic!r} of workflow {arguments.id!r} has this message")
