"""`baton doctor`: look at an installation, and say what is wrong with it and what to do."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

from baton.cli.diagnosis import Finding, Level, diagnosed, worst
from baton.cli.terminal import Piece, print_lines
from baton.database.address import resolve_address
from baton.database.connections import Connector, close
from baton.database.diagnostics import Diagnostics, examine
from baton.database.migrate import wanted_version

STYLES: dict[Level, str] = {"ok": "green", "warning": "yellow", "problem": "bold red"}
LONG_SECONDS = 3600.0
PROBLEM = 1


async def doctor(arguments: argparse.Namespace) -> int:
    """Print what was found, a line each; return 1 if there is a problem, else 0."""
    findings = list(diagnosed(await _examined(arguments)))
    if arguments.json:
        print(json.dumps({"worst": worst(findings), "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print_lines([_line(finding) for finding in findings])
    return PROBLEM if worst(findings) == "problem" else 0


async def _examined(arguments: argparse.Namespace) -> Diagnostics:
    address = await asyncio.to_thread(resolve_address, arguments.address)
    try:
        # As a transaction pooler is dialled: a session that asks for no setting shows those that others get.
        connection = await Connector(address.dsn, is_pooled=True).connect("doctor")
        try:
            long_seconds = LONG_SECONDS if arguments.long is None else arguments.long
            return await examine(connection, arguments.schema, wanted_version(), long_seconds)
        finally:
            await close(connection)
    finally:
        await asyncio.to_thread(address.release)


def _line(finding: Finding) -> Sequence[Piece]:
    head = [Piece(finding.level.ljust(9), STYLES[finding.level]), Piece(finding.check.ljust(14)), Piece(finding.fact)]
    return [*head, Piece(f" -> {finding.remedy}", "bold")] if finding.remedy else head
