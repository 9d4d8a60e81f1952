"""The tables: on the screen, and in benchmarks/RESULTS.md, where each benchmark has a section of its own."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.comparison import Figures
from benchmarks.environment import BARE, OURS, Library
from benchmarks.plan import ROWS, Row

RESULTS = Path(__file__).with_name("RESULTS.md")
SECTIONS = {
    "comparison": "Beside other libraries",
    "growth": "When the tables grow",
    "many-pools": "Many pools, many queues",
    "slow-network": "Two milliseconds away",
}
HEAD = """# Results

What the benchmarks in this folder printed last; `make bench` and its like write it. What the figures mean, and what
they do not, is in [docs/performance.md](../docs/performance.md).
"""
NONE = "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown that is a table on the screen as well."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def number(value: float) -> str:
    """Three significant digits, more than a benchmark can tell."""
    if value == 0:
        return "0"
    if value >= 1000:
        return f"{round(value, 2 - len(str(int(value))) + 1):,.0f}"
    return f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """The median, and the range if there is one."""
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(values[0])} to {number(values[-1])})"


def targets(figures: Figures, libraries: Sequence[Library]) -> str:
    """Baton beside the best of the others, the bare loop, and the figure to reach."""
    rows = []
    for row in ROWS:
        if not (ours := figures.of(OURS, row.run, row.value)):
            continue
        best = _best_peer(figures, libraries, row)
        bare = figures.of(BARE, row.run, row.value)
        value = statistics.median(ours)
        by_peer = _times_better(row, value, best[1]) if best else None
        by_bare = _times_better(row, value, statistics.median(bare)) if bare else None
        rows.append(
            [
                f"{row.title}, {row.unit}",
                spread(ours),
                f"{best[0]} {number(best[1])}" if best else NONE,
                f"{by_peer:.2g}" if by_peer else NONE,
                f"{by_bare:.2g}" if by_bare else NONE,
                *_reached(row, value, by_peer, by_bare),
            ]
        )
    return table(["work", "Baton", "best peer", "times that peer", "times bare", "to reach", "reached"], rows)


def everybody(figures: Figures, libraries: Sequence[Library]) -> str:
    """All medians with their ranges."""
    shown = [library for library in libraries if any((library.name, row.run) in figures.values for row in ROWS)]
    rows = [
        [f"{row.title}, {row.unit}", *[_cell(figures, library, row) for library in shown]]
        for row in ROWS
        if any((library.name, row.run) in figures.values for library in shown)
    ]
    return table(["work", *[library.name for library in shown]], rows)


def configurations(libraries: Sequence[Library]) -> str:
    """What was measured, and how it was set up; or why it was not."""
    rows = [
        [
            library.name,
            f"{library.package} {library.version or ''}".strip(),
            f"not measured: {library.fault}" if library.fault else library.configuration,
            library.keeps or NONE,
        ]
        for library in libraries
    ]
    return table(["", "version", "configuration", "what stays of a finished job"], rows)


def not_measured(figures: Figures) -> str:
    """Why there is a dash in the table."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for (name, (measure, _)), fault in figures.faults.items():
        measures = reasons.setdefault((name, fault), [])
        if measure not in measures:
            measures.append(measure)
    return "\n".join(f"- {name}, {', '.join(measures)}: {fault}" for (name, fault), measures in reasons.items())


def write_section(section: str, text: str) -> None:
    """Replace one section of the results, and keep the others."""
    found = dict(_sections(RESULTS.read_text())) if RESULTS.exists() else {}
    found[section] = text.strip()
    parts = [f"\n## {title}\n\n{found[key]}\n" for key, title in SECTIONS.items() if key in found]
    RESULTS.write_text(HEAD + "".join(parts))


def _sections(text: str) -> list[tuple[str, str]]:
    keys = {title: key for key, title in SECTIONS.items()}
    pieces = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return [(keys[title], body.strip()) for title, body in zip(pieces[::2], pieces[1::2], strict=True)]


def _cell(figures: Figures, library: Library, row: Row) -> str:
    values = figures.of(library.name, row.run, row.value)
    return spread(values) if values else NONE


def _best_peer(figures: Figures, libraries: Sequence[Library], row: Row) -> tuple[str, float] | None:
    medians = [
        (library.name, statistics.median(values))
        for library in libraries
        if library.name not in (OURS, BARE) and (values := figures.of(library.name, row.run, row.value))
    ]
    choose = max if row.more_is_better else min
    return choose(medians, key=lambda each: each[1]) if medians else None


def _times_better(row: Row, ours: float, theirs: float) -> float | None:
    above, below = (ours, theirs) if row.more_is_better else (theirs, ours)
    return above / below if below else None


def _reached(row: Row, value: float, by_peer: float | None, by_bare: float | None) -> tuple[str, str]:
    wanted, kept = [], []
    if row.limit is not None:
        wanted.append(f"{'at least' if row.more_is_better else 'at most'} {number(row.limit)}")
        kept.append(value >= row.limit if row.more_is_better else value <= row.limit)
    for times, found, what in ((row.times_best_peer, by_peer, "that peer"), (row.of_bare, by_bare, "bare")):
        if times is not None:
            wanted.append(f"{times} of {what}")
            kept.append(found is not None and found >= times)
    if not wanted:
        return NONE, NONE
    return ", ".join(wanted), "yes" if all(kept) else "no"
