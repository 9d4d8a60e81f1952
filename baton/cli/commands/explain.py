"""`baton explain`: why a workflow, or a step of it, is where it is."""

from __future__ import annotations

import argparse

from baton.cli.arguments import add_address, add_json
from baton.cli.terminal import Piece, print_json, print_lines
from baton.cli.text import one_line
from baton.client.engine import Engine
from baton.client.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Say why a workflow is not final, or ended as it did. With STEP, why that step is not running, or ended as it "
        "did: what it waits for, and what that waits for, down to the root."
    )
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("step", metavar="STEP", nargs="?", help="the name of one step")
    add_json(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Print the explanation."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        explanation = await Run(arguments.id, engine).explain(arguments.step)
    if arguments.json:
        print_json(explanation.as_json())
    else:
        print_lines([[Piece(one_line(sentence))] for sentence in explanation.sentences()], overlong="wrap")
