"""A chart of bars, drawn on the server: how many workflows ended in each minute, by state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from baton.core.pictures.markup import element, text
from baton.core.states import WorkflowState

_HEIGHT = 56.0
_BAR = 8.0
_GAP = 2.0
_STATES: tuple[WorkflowState, ...] = ("completed", "cancelled", "failed")
"""From the bottom up."""
_LEAST = 2.0
"""One failure among a thousand is seen."""


def bars(counts: Sequence[tuple[int, WorkflowState, int]], minutes: int) -> Markup:
    """Return the chart as SVG, the last minute at the right."""
    by_place = {(ago, state): number for ago, state, number in counts if ago < minutes}
    totals = [sum(by_place.get((ago, state), 0) for state in _STATES) for ago in range(minutes)]
    highest = max(totals, default=0)
    width = minutes * (_BAR + _GAP)
    drawn = [
        part for ago in range(minutes) for part in _column(ago, by_place, highest, width - (ago + 1) * (_BAR + _GAP))
    ]
    summary = f"Workflows that ended in each of the last {minutes} minutes, at most {highest:,} in one"
    svg = element(
        "svg",
        element("title", text(summary)),
        *drawn,
        class_="bars",
        viewBox=f"0 0 {width:g} {_HEIGHT:g}",
        role="img",
        preserveAspectRatio="none",
    )
    # What stands in it was escaped by `element`.
    return Markup(svg)


def _column(ago: int, by_place: dict[tuple[int, WorkflowState], int], highest: int, x: float) -> Iterator[str]:
    y = _HEIGHT
    for state in _STATES:
        number = by_place.get((ago, state), 0)
        if number:
            height = max(_LEAST, (_HEIGHT - 3 * _LEAST) * number / highest)
            y -= height
            when = f"{ago} min ago" if ago else "in the last minute"
            title = element("title", text(f"{number:,} {state}, {when}"))
            yield element("rect", title, class_=f"bar-{state}", x=x, y=y, width=_BAR, height=height)
