"""`baton`: find the command, run it, and turn how it ends into an exit code.

Exit codes: 0 done; 1 an error, as one sentence on stderr; 2 a command line that cannot be understood; 130 interrupted.
`baton worker` has some more, see docs/operations.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import iscoroutine
from types import ModuleType
from typing import Any

from baton.cli import standard_streams
from baton.cli.quiet_parser import QuietParser

COMMANDS: Mapping[str, str] = {
    "demo": "count the standard library in a workflow of two hundred steps",
    "migrate": "create the schema, or bring it up to date",
    "worker": "run the steps of the workers a module defines",
    "insert": "insert a workflow from a template, with values in its holes",
    "list": "list workflows, the newest first",
    "show": "draw a workflow's steps, or print everything about one",
    "explain": "say why a workflow, or a step of it, is where it is",
    "usage": "print what calls of language models used and cost",
    "cancel": "cancel a workflow, or some of its steps",
    "retry": "open discarded and cancelled steps again",
    "complete": "complete a step with a value, without running it",
    "skip": "skip a step: it ends without running, and fails nothing",
    "start-now": "let steps start that wait for a time",
    "signal": "answer a step that waits for a signal",
    "send": "send a message to the steps that receive those of a topic",
    "queues": "list the queues: what waits and runs in each, and which pools serve it",
    "limits": "list the limits of queues, and set or remove those of one",
    "schedules": "list the schedules, and pause, resume, run or delete one",
    "pause": "stop the start of steps of a queue, a worker or a run, on every machine",
    "resume": "let a paused queue, worker or run go on",
    "web": "serve the dashboard",
    "doctor": "say what is wrong with an installation, and what to do",
}
"""What `baton --help` says of each command; its name is that of its module in `baton.cli.commands`, with hyphens."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `argv` is the command line without the program's name."""
    standard_streams.prepare()
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = parser(only=_command_in(given)).parse_args(given)
    arguments.argv = given
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The program that read our output, `head` for example, has all it needs.
        standard_streams.discard_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from baton.cli.failures import report

        if not report(error, arguments):
            raise
        if isinstance(error, OSError):
            standard_streams.discard_output()
        return 1
    return code or 0


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line.

    With `only`, the other commands have neither arguments nor help: their modules are not imported.
    """
    whole = QuietParser(prog="baton", description="Durable workflows of Python functions on PostgreSQL.")
    whole.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print the version and exit"
    )
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if only is None or only == name:
            module = _module_of(name)
            command.set_defaults(run=module.run)
            module.configure(command)
    return whole


def _command_in(given: Sequence[str]) -> str:
    # No option before the command takes a value, so the first word is the command.
    return next((word for word in given if not word.startswith("-")), "")


def _module_of(command: str) -> ModuleType:
    return import_module(f"baton.cli.commands.{command.replace('-', '_')}")


def _run(arguments: argparse.Namespace) -> int | None:
    result = arguments.run(arguments)
    if iscoroutine(result):
        import asyncio

        result = asyncio.run(result)
    code: int | None = result
    return code


class _Version(argparse.Action):
    """Prints the version. The metadata of packages is read for this option alone: it takes longer than a help text."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"baton {version('baton-workflows')}")
        except PackageNotFoundError:
            print("baton (not installed)")
        parser.exit()
