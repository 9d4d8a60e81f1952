"""What commands print of a change that somebody decided on: what it did, or with --dry-run what it would do."""

from __future__ import annotations

from dataclasses import asdict

from baton.cli.terminal import Piece, print_json, print_lines
from baton.client.run import Run
from baton.database.interventions import Changes


def print_changes(changes: Changes, *, as_json: bool) -> None:
    """Print what a call would change."""
    if as_json:
        print_json(asdict(changes))
    else:
        print_lines([[Piece(line)] for line in str(changes).splitlines()], overlong="wrap")


async def done(verb: str, step: str, changed: int, run: Run) -> str:
    """Return what became of a workflow in which a step was ended by somebody's decision."""
    others = (
        "" if changed < 2 else ", and opened 1 other step" if changed == 2 else f", and opened {changed - 1:,} others"
    )
    state = (await run.status()).state
    return f"{verb} step {step!r}{others}; workflow {run.id!r} is now {state}"
