"""`baton insert`: insert a workflow from a template."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from baton.cli.application import import_application
from baton.cli.arguments import add_address
from baton.cli.failures import CommandError
from baton.cli.text import visible
from baton.client.engine import Engine
from baton.core.keys import IF_RUNNING
from baton.core.workflow import Baton


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Insert the workflow that a template describes, a file that Baton.to_template() wrote or a person, and print "
        "its id. With --app, the arguments of its workers are checked as in Python."
    )
    parser.add_argument("file", metavar="FILE", help="the template; - is standard input")
    parser.add_argument(
        "--param",
        metavar="NAME=TEXT",
        action="append",
        default=[],
        type=param,
        help="the value of a hole: NAME=TEXT, or NAME:=JSON for what is not text",
    )
    parser.add_argument("--id", help="the workflow's id; left out, a UUID")
    parser.add_argument("--key", help="at most one run holds it at a time; goes before that of the template")
    parser.add_argument(
        "--if-running", choices=IF_RUNNING, help='what to do if another run holds the key; left out, "return" that run'
    )
    parser.add_argument(
        "--reusing", metavar="ID", help="a workflow whose results are taken for the steps that are the same there"
    )
    parser.add_argument("--app", metavar="MODULE", help="a module that defines the workers")
    add_address(parser)


def param(text: str) -> tuple[str, object]:
    """Read `site=example.org` or `pages:=3`. Raises `ArgumentTypeError`."""
    name, equals, value = text.partition("=")
    if not equals or not name.removesuffix(":"):
        raise argparse.ArgumentTypeError(f"{text!r} should read like NAME=TEXT or NAME:=JSON")
    if not name.endswith(":"):
        return name, value
    try:
        return name.removesuffix(":"), json.loads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value!r} is not JSON ({error}); for text write NAME=TEXT") from None


async def run(arguments: argparse.Namespace) -> None:
    """Insert the workflow, and print its id."""
    if arguments.app is not None:
        import_application(arguments.app)
    flow = Baton.from_template(
        _text(arguments.file), _values(arguments.param), workflow_id=arguments.id, key=arguments.key
    )
    async with Engine(arguments.address, schema=arguments.schema, create=False):
        inserted = await flow.insert(if_running=arguments.if_running, reusing=arguments.reusing)
    if inserted.is_new:
        print(visible(inserted.id))
    elif inserted.id == flow.id:
        print(f"{visible(inserted.id)} exists already, with the same graph")
    else:
        print(f"{visible(inserted.id)} holds the key already")


def _text(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file!r} cannot be read: {error.strerror}") from None


def _values(given: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(given)
    if len(values) < len(given):
        twice = next(name for name in values if sum(name == other for other, _ in given) > 1)
        raise CommandError(f"--param {twice} is given twice")
    return values
