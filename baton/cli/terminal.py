"""How things are drawn: with `rich` on a terminal where it is installed, else as plain text."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from baton.core.states import StepState

if TYPE_CHECKING:
    from rich.live import Live

STEP_STYLES: dict[StepState, str] = {
    "suspended": "dim",
    "scheduled": "cyan",
    "available": "cyan",
    "executing": "bold blue",
    "retryable": "yellow",
    "completed": "green",
    "cancelled": "magenta",
    "discarded": "bold red",
    "skipped": "dim",
}
_STYLES: dict[str, str] = dict([*STEP_STYLES.items(), ("failed", "bold red")])


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a line; the style is one of rich's, empty for none."""

    text: str
    style: str = ""


class Meter(Protocol):
    """Shows how far a workflow is."""

    def show(self, counts: Mapping[StepState, int], seconds: float) -> None:
        """Show the steps by state, and for how long it has run."""


def state(name: str, width: int = 0) -> Piece:
    """Return a state, of a step or a workflow, in its colour."""
    return Piece(name.ljust(width), _STYLES.get(name, ""))


def is_drawn() -> bool:
    """Whether there is a terminal to draw on, and what draws."""
    return sys.stdout.isatty() and importlib.util.find_spec("rich") is not None


def print_lines(lines: Iterable[Sequence[Piece]]) -> None:
    """Print lines of pieces; on a terminal in colour, and never wrapped by us."""
    if not is_drawn():
        for line in lines:
            print(plain(line))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        console.print(Text.assemble(*[(piece.text, piece.style) for piece in line]), soft_wrap=True)


def plain(line: Sequence[Piece]) -> str:
    """Return a line without its colours."""
    return "".join(piece.text for piece in line).rstrip()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without rules: the first column is text, as is one without a heading; the others are figures."""
    first, *others = _aligned([headings, *rows])
    print_lines([[Piece(first, "bold")], *([Piece(line)] for line in others)])


@contextmanager
def meter(total: int) -> Iterator[Meter]:
    """Yield what shows the progress of a workflow of `total` steps."""
    if not is_drawn():
        yield _Printed(total)
        return
    from rich.live import Live

    with Live(refresh_per_second=12, transient=True) as live:
        yield _Drawn(live, total)


class _Printed:
    """A line every other second, and at the end."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._printed_at = 0.0

    def show(self, counts: Mapping[StepState, int], seconds: float) -> None:
        is_done = counts.get("completed", 0) == self._total
        if is_done or seconds - self._printed_at >= 2:
            self._printed_at = seconds
            print(f"{seconds:5.1f} s  {summed(counts)}", flush=True)


class _Drawn:
    """A bar for each state, redrawn in place."""

    def __init__(self, live: Live, total: int) -> None:
        self._live = live
        self._total = total

    def show(self, counts: Mapping[StepState, int], seconds: float) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        drawn = Table.grid(padding=(0, 2))
        for name, style in STEP_STYLES.items():
            if count := counts.get(name, 0):
                bar = ProgressBar(self._total, count, width=40, complete_style=style, finished_style=style)
                drawn.add_row(f"[{style}]{name}[/]", bar, str(count))
        drawn.add_row("", "", f"{seconds:.1f} s")
        self._live.update(drawn)


def summed(counts: Mapping[StepState, int]) -> str:
    """Return steps by state in one phrase, in the order in which a step goes through the states."""
    return ", ".join(f"{counts[name]} {name}" for name in STEP_STYLES if counts.get(name))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_text = [place == 0 or not heading for place, heading in enumerate(rows[0])]
    return [
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, is_text, strict=True)
        ).rstrip()
        for row in rows
    ]
