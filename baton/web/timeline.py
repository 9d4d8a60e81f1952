"""When the steps of a run ran, as bars on a common axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from baton.core.pictures.markup import element, text
from baton.database.run_outline import RunFacts
from baton.web.rendering import duration
from baton.web.run_picture import Row

WIDTH = 240.0
_HEIGHT = 12.0
_LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """A bar for each row, in the same order, and how long the axis is."""

    bars: Sequence[Markup]
    seconds: float


def timeline(rows: Sequence[Row], run: RunFacts) -> Timeline:
    """Return the bars: of each step its last attempt, and a mark for each attempt that failed."""
    begin = run.inserted_at
    end = run.finished_at or run.now
    seconds = max((end - begin).total_seconds(), 1e-6)

    def place(moment: datetime) -> float:
        return WIDTH * min(max((moment - begin).total_seconds() / seconds, 0.0), 1.0)

    return Timeline([_bar(row, run, place) for row in rows], seconds)


def _bar(row: Row, run: RunFacts, place: object) -> Markup:
    assert callable(place)
    step = row.step
    parts: list[str] = []
    if step.attempted_at is not None:
        end = step.finished_at or (run.now if step.state == "executing" else None)
        if end is not None:
            x = min(place(step.attempted_at), WIDTH - _LEAST)
            width = max(place(end) - x, _LEAST)
            said = element("title", text(f"ran for {duration((end - step.attempted_at).total_seconds())}"))
            parts.append(element("rect", said, class_=f"run-{step.state}", x=x, y=2.0, width=width, height=_HEIGHT - 4))
    for number, at in enumerate(step.failed_at, 1):
        x = place(datetime.fromisoformat(at))
        said = element("title", text(f"failed attempt {number} of those kept"))
        parts.append(element("rect", said, class_="run-failed", x=min(x, WIDTH - 3), y=0.0, width=3.0, height=_HEIGHT))
    if not parts:
        return Markup("")
    svg = element(
        "svg",
        *parts,
        class_="timeline",
        viewBox=f"0 0 {WIDTH:g} {_HEIGHT:g}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
    # Nothing in it but numbers and our own words.
    return Markup(svg)
