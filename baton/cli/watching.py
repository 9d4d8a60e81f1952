"""A run on the screen until it is final: drawn over itself in a terminal, a line for each end anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from baton.cli.terminal import Line, Piece, is_terminal, print_lines, state
from baton.cli.text import one_line
from baton.cli.times import moment
from baton.client.run import Run
from baton.client.run_events import EventsReset, RunFinished, RunLevel, StepFinished

CLEAR = "\x1b[H\x1b[2J\x1b[3J"


async def watch(run: Run, draw: Callable[[], Awaitable[None]]) -> None:
    """Show the run until it is final. `draw` prints how it is now."""
    draws = is_terminal()
    async for event in run.events():
        match event:
            case StepFinished() if not draws:
                print_lines([_ended(event)], overlong="wrap")
            case EventsReset() if not draws:
                print_lines([[Piece("steps were opened again; what is final follows anew")]], overlong="wrap")
            case RunFinished() if not draws:
                print_lines([[Piece(f"workflow {one_line(run.id)} is "), state(event.state)]], overlong="wrap")
            case RunLevel() | RunFinished() if draws:
                print(CLEAR, end="", flush=True)
                await draw()
            case _:
                pass
        # Somebody may read it through a pipe.
        sys.stdout.flush()


def _ended(event: StepFinished) -> Line:
    why = f": {one_line(event.reason)}" if event.reason else ""
    counted = ", ".join(f"{count:,} {name}" for name, count in event.children.items())
    children = f" ({counted})" if counted else ""
    return [
        Piece(f"{moment(event.finished_at)}  "),
        Piece(f"{one_line(event.step)} is "),
        state(event.state),
        Piece(f"{children}{why}"),
    ]
