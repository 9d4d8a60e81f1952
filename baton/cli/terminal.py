"""How lines are printed: in colour and cut to its width on a terminal where `rich` is installed, else as plain text."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from baton.cli.text import ELLIPSIS, cells, cut, visible
from baton.core.states import StepState

STEP_STYLES: dict[StepState, str] = {
    "suspended": "dim",
    "scheduled": "cyan",
    "available": "cyan",
    "executing": "bold blue",
    "retryable": "yellow",
    "waiting": "cyan",
    "completed": "green",
    "cancelled": "magenta",
    "discarded": "bold red",
    "skipped": "dim",
}
"""A colour for each state of a step, in the order in which it goes through them."""
_STYLES: dict[str, str] = dict([*STEP_STYLES.items(), ("failed", "bold red")])
Overlong = Literal["cut", "wrap"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a line; the style is one of rich's, empty for none. Characters that steer a terminal are escaped."""

    text: str
    style: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


Line = Sequence[Piece]
Cell = str | Piece
GAP = "  "


def state(name: str, width: int = 0) -> Piece:
    """Return a state, of a step or a workflow, in its colour."""
    return Piece(name.ljust(width), _STYLES.get(name, ""))


def summed(counts: Mapping[StepState, int]) -> str:
    """Return steps by state in one phrase, in the order in which a step goes through the states."""
    return ", ".join(f"{counts[name]:,} {name}" for name in STEP_STYLES if counts.get(name))


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def is_coloured() -> bool:
    """Whether stdout is a terminal, and `rich` is installed, which draws on it."""
    return is_terminal() and importlib.util.find_spec("rich") is not None


def width() -> int | None:
    """Return how many columns a line may take; None where stdout is not a terminal, and lines are not cut."""
    return max(20, shutil.get_terminal_size().columns) if is_terminal() else None


def print_lines(lines: Iterable[Line], *, overlong: Overlong = "cut") -> None:
    """Print lines. On a terminal, one that is longer than its width is cut, or left to wrap."""
    limit = width() if overlong == "cut" else None
    fitted = lines if limit is None else (cut_line(line, limit) for line in lines)
    if not is_coloured():
        for line in fitted:
            print(plain(line))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in fitted:
        console.print(Text.assemble(*[(piece.text, piece.style) for piece in line]), soft_wrap=True)


def print_json(value: object) -> None:
    """Print a value as indented JSON, in ASCII: no name or error in it can steer a terminal."""
    print(json.dumps(value, indent=2, default=_as_json))


def cut_line(line: Line, limit: int) -> Line:
    """Return a line that takes at most `limit` columns."""
    kept: list[Piece] = []
    left = limit
    for piece in line:
        size = cells(piece.text)
        if size > left:
            # With nothing left for the ellipsis, the end of what came before makes room for it.
            if left == 0 and kept:
                last = kept.pop()
                return [*kept, Piece(cut(last.text + ELLIPSIS, cells(last.text)), last.style)]
            return [*kept, Piece(cut(piece.text, left), piece.style)]
        kept.append(piece)
        left -= size
    return kept


def plain(line: Line) -> str:
    """Return a line without its colours."""
    return "".join(piece.text for piece in line).rstrip()


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, text: Collection[int] = (0,)) -> list[Line]:
    """Return the lines of a table without rules. Columns whose numbers are in `text` are set left, figures right."""
    lines = [[Piece(heading, "bold") for heading in headings], *([_piece(cell) for cell in row] for row in rows)]
    widths = [max(cells(piece.text) for piece in column) for column in zip(*lines, strict=True)]
    is_text = [place in text for place in range(len(headings))]
    return [[*_columns(line, widths, is_text)] for line in lines]


def _columns(line: Line, widths: Sequence[int], is_text: Sequence[bool]) -> Iterator[Piece]:
    for place, (piece, size, left) in enumerate(zip(line, widths, is_text, strict=True)):
        filling = " " * (size - cells(piece.text))
        if place:
            yield Piece(GAP)
        if not left:
            yield Piece(filling)
        yield piece
        if left and place < len(line) - 1:
            yield Piece(filling)


def _piece(cell: Cell) -> Piece:
    return cell if isinstance(cell, Piece) else Piece(cell)


def _as_json(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return str(value)
