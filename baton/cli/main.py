"""The commands of `baton`, what they take, and how they end.

Exit codes: 0 done; 1 an error, in one sentence on stderr; 2 a command line that cannot be understood; 130 interrupted;
what `baton worker` ends with besides is in docs/operations.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import asyncpg

from baton.cli import doctor, logs, queues, show, steering, worker
from baton.cli.failures import CommandError, sentence
from baton.cli.health import Listening, parse_listening
from baton.cli.quiet_parser import QuietParser
from baton.cli.supervisor_link import parse_supervisor_link
from baton.core.options import seconds
from baton.errors import BatonError, InvalidOption

Command = Callable[[argparse.Namespace], int | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `argv` is the command line without the program's name."""
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = parser().parse_args(given)
    arguments.argv = given
    try:
        code: int | None = arguments.run(arguments)
        sys.stdout.flush()
    except (BatonError, CommandError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            return _reader_gone()
        print(f"baton: {sentence(error, arguments.address)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code or 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = QuietParser(prog="baton", description="Durable workflows of Python functions on PostgreSQL.")
    whole.add_argument("--version", action="version", version=f"baton {_version()}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_migrate(commands)
    _add_worker(commands)
    _add_show(commands)
    _add_cancel(commands)
    _add_retry(commands)
    _add_queues(commands)
    _add_doctor(commands)
    return whole


_Commands = Any  # argparse gives the type of add_subparsers() no public name


def _add_demo(commands: _Commands) -> None:
    command = _command(
        commands,
        "demo",
        "count the standard library in a workflow of two hundred steps",
        "Run a census of this interpreter's standard library, once with one worker process and once with several. "
        "It uses a PostgreSQL of its own that is gone afterwards, or the one --address names.",
    )
    command.add_argument("--slots", type=_count, metavar="N", help="worker processes of the second run")
    command.add_argument("--library", metavar="DIR", help="count the packages in this folder instead")
    _add_address(command, "postgresql://...; left out: a temporary server of its own", schema="baton_demo")
    command.set_defaults(run=_demo)


def _add_migrate(commands: _Commands) -> None:
    command = _command(commands, "migrate", "create the schema, or bring it up to date")
    command.add_argument(
        "--grant",
        action="append",
        default=[],
        type=steering.granted,
        metavar="PART=ROLE",
        help="let a database role be a worker, client, operator or viewer, as in --grant worker=app_worker; repeatable",
    )
    _add_address(command)
    command.set_defaults(run=_in_loop(steering.migrate))


def _add_worker(commands: _Commands) -> None:
    command = _command(
        commands,
        "worker",
        "run the steps of the workers a module defines",
        "Run steps until SIGTERM or SIGINT. The first lets the steps that run finish within the grace period and gives "
        "back the others; the second gives back all of them at once. Given back steps are run by another process.",
    )
    command.add_argument("module", metavar="MODULE[:ENGINE]", help="a module to import, and an Engine in it to use")
    command.add_argument(
        "--queues",
        type=_queues,
        metavar="NAME=N,...",
        help="the queues to serve, and how many steps of each at once (default: default=20)",
    )
    command.add_argument("--lease", type=_seconds, metavar="SECONDS", help=_LEASE_HELP)
    command.add_argument("--grace", type=_seconds, metavar="SECONDS", help=_GRACE_HELP)
    command.add_argument("--max-block", type=_seconds, metavar="SECONDS", help=_MAX_BLOCK_HELP)
    command.add_argument("--processes", type=_count, metavar="N", help=_PROCESSES_HELP)
    command.add_argument("--health", type=_listening, metavar="HOST:PORT", help=_HEALTH_HELP)
    command.add_argument("--log", choices=logs.FORMS, help="text, or one JSON object a line (default: text)")
    command.add_argument("--log-level", choices=logs.LEVELS, help="(default: info)")
    # How the supervisor ties the processes it starts to itself.
    command.add_argument("--tether", type=parse_supervisor_link, help=argparse.SUPPRESS)
    _add_address(command, schema=None)
    command.set_defaults(run=worker.run)


_MAX_BLOCK_HELP = "a step that blocks the event loop for longer ends the process, with code 70 (default: 600)"
_PROCESSES_HELP = "start N such processes, each with these queues, and start another for each that dies"
_HEALTH_HELP = "answer GET /healthz and /readyz there, with the facts as JSON; for all processes with --processes"
_LEASE_HELP = "after so long without a sign of life its steps go to others (default: 30)"
_GRACE_HELP = "how long running steps may go on after the first signal (default: 30)"


def _add_show(commands: _Commands) -> None:
    command = _command(commands, "show", "draw a workflow's steps with states, attempts, durations and errors")
    command.add_argument("id", metavar="ID", help="the workflow's id")
    command.add_argument(
        "--open", metavar="STEP", action="append", default=[], help="draw the children of this group; may be repeated"
    )
    command.add_argument("--all", action="store_true", help="draw every step, however many there are")
    _add_address(command)
    command.set_defaults(run=_in_loop(show.show))


def _add_cancel(commands: _Commands) -> None:
    command = _command(commands, "cancel", "cancel a workflow, or some of its steps")
    command.add_argument("id", metavar="ID", help="the workflow's id")
    command.add_argument("steps", nargs="*", metavar="STEP", help="names of steps; left out: the whole workflow")
    command.add_argument("--reason", help="kept with the cancelled steps")
    _add_address(command)
    command.set_defaults(run=_in_loop(steering.cancel))


def _add_retry(commands: _Commands) -> None:
    command = _command(commands, "retry", "open discarded and cancelled steps again")
    command.add_argument("id", metavar="ID", help="the workflow's id")
    command.add_argument("steps", nargs="*", metavar="STEP", help="names of steps; left out: all that failed")
    _add_address(command)
    command.set_defaults(run=_in_loop(steering.retry))


def _add_queues(commands: _Commands) -> None:
    listed = _command(commands, "queues", "list the queues: what waits and runs in each, and who serves it")
    _add_address(listed)
    listed.set_defaults(run=_in_loop(queues.show))
    paused = _command(
        commands,
        "pause",
        "let no worker start a step of a queue until it is resumed",
        "Let no worker process, on any machine, start a step of a queue until it is resumed. What runs goes on.",
    )
    resumed = _command(commands, "resume", "let a paused queue go on; its workers are woken at once")
    for command, run in ((paused, queues.pause), (resumed, queues.resume)):
        command.add_argument("queue", metavar="QUEUE", help="the name of the queue")
        _add_address(command)
        command.set_defaults(run=_in_loop(run))


def _add_doctor(commands: _Commands) -> None:
    command = _command(
        commands,
        "doctor",
        "say what is wrong with an installation, and what to do",
        "Look at the schema, the queues, the worker pools, the steps and the server, and print a line for each "
        "finding: ok, warning or problem, the fact, and what to do. Exit code 1 says that there is a problem.",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object instead")
    command.add_argument("--long", type=_seconds, metavar="SECONDS", help="a step runs for long after (default: 3600)")
    _add_address(command)
    command.set_defaults(run=_in_loop(doctor.doctor))


def _command(commands: _Commands, name: str, summary: str, description: str | None = None) -> argparse.ArgumentParser:
    full = description or f"{summary[0].upper()}{summary[1:]}."
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=full)
    return command


def _add_address(
    command: argparse.ArgumentParser,
    address_help: str = "postgresql://...; left out: BATON_DATABASE_URL, DATABASE_URL, or the embedded server",
    schema: str | None = "baton",
) -> None:
    command.add_argument("--address", help=address_help)
    command.add_argument("--schema", default=schema, help=f"the schema of the tables (default: {schema or 'baton'})")


def _in_loop(command: Callable[[argparse.Namespace], Coroutine[Any, Any, int | None]]) -> Command:
    return lambda arguments: asyncio.run(command(arguments))


def _demo(arguments: argparse.Namespace) -> None:
    # Imported for its own command alone: the demo's workers are registered by it.
    from baton.cli import demo

    demo.run(arguments)


def _reader_gone() -> int:
    """Whoever read our output, `head` for example, has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _queues(text: str) -> Mapping[str, int]:
    queues: dict[str, int] = {}
    for part in text.split(","):
        name, _, limit = part.strip().partition("=")
        if not name or name in queues or not limit.isdecimal() or int(limit) == 0:
            raise argparse.ArgumentTypeError(f"{text!r} should read like default=20,web=50, each queue once")
        queues[name] = int(limit)
    return queues


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 upwards")
    return int(text)


def _listening(text: str) -> Listening:
    try:
        return parse_listening(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        return seconds("seconds", float(text))
    except (InvalidOption, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None


def _version() -> str:
    try:
        return version("baton-workflows")
    except PackageNotFoundError:
        return "(not installed)"
