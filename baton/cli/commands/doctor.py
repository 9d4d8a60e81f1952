"""`baton doctor`: look at an installation, and say what is wrong with it and what to do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from textwrap import wrap

from baton.cli.arguments import add_address, add_json, duration
from baton.cli.connection import connected
from baton.cli.diagnosis import diagnosed
from baton.cli.finding import Finding, Level, worst
from baton.cli.terminal import Line, Piece, print_json, print_lines, width
from baton.cli.text import one_line
from baton.database.diagnostics import examine
from baton.database.migrate import wanted_version

STYLES: dict[Level, str] = {"ok": "green", "warning": "yellow", "problem": "bold red"}
LEVEL_COLUMNS, CHECK_COLUMNS = 9, 14
LONG_SECONDS = 3600.0
PROBLEM = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Look at the schema, the queues, the worker pools, the steps and the server, and print a line for each "
        "finding: ok, warning or problem, the fact, and what to do. Exit code 1 says that there is a problem."
    )
    parser.add_argument(
        "--long",
        type=duration,
        default=LONG_SECONDS,
        metavar="TIME",
        help="name steps that run for longer (default: 1h)",
    )
    add_json(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> int:
    """Print what was found, a line each; return 1 if there is a problem, else 0."""
    # As a transaction pooler is used: a session that asks for no setting shows those that others
    # get.
    async with connected(arguments.address, "doctor", is_pooled=True) as connection:
        examined = await examine(connection, arguments.schema, wanted_version(), arguments.long)
    findings = list(diagnosed(examined))
    if arguments.json:
        print_json({"worst": worst(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        limit = width()
        print_lines((line for finding in findings for line in _lines(finding, limit)), overlong="wrap")
    return PROBLEM if worst(findings) == "problem" else 0


def _lines(finding: Finding, limit: int | None) -> Iterator[Line]:
    """Yield a finding as one line; within `limit` columns as several, the fact and the remedy below one another."""
    head = [Piece(finding.level.ljust(LEVEL_COLUMNS), STYLES[finding.level]), Piece(finding.check.ljust(CHECK_COLUMNS))]
    fact, remedy = one_line(finding.fact), f"-> {one_line(finding.remedy)}" if finding.remedy else ""
    if limit is None:
        yield [*head, Piece(fact), Piece(f" {remedy}" if remedy else "")]
        return
    indent = LEVEL_COLUMNS + CHECK_COLUMNS
    columns = max(20, limit - indent)
    for place, text in enumerate(wrap(fact, columns)):
        yield [*(head if place == 0 else [Piece(" " * indent)]), Piece(text)]
    for text in wrap(remedy, columns, subsequent_indent="   "):
        yield [Piece(" " * indent), Piece(text, "bold")]
