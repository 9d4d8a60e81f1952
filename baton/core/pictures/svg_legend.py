"""The legend of a picture: the states, kinds and kinds of edges that are in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from baton.core.pictures.diagram import EDGE_KINDS, KINDS, STATES, Diagram
from baton.core.pictures.markup import element
from baton.core.pictures.palette import DASHES, LIGHT
from baton.core.pictures.sizing import SUBLABEL_SIZE
from baton.core.pictures.svg_boxes import badge, icon, line_of_text, moved
from baton.core.pictures.text_width import text_width

_LINE = 24.0
_MARK = 28.0
"""The room of a mark, before its name."""
_GAP = 18.0


class Legend(NamedTuple):
    """A legend laid out, from 0 0 on."""

    markup: str
    width: float
    height: float


class _Entry(NamedTuple):
    mark: str
    name: str


def legend_of(diagram: Diagram, room: float) -> Legend:
    """Return the legend, in lines of at most `room` pixels; nothing if all is as plain as can be."""
    placed = []
    x = y = widest = 0.0
    for mark, name in _entries(diagram):
        width = _MARK + text_width(name, SUBLABEL_SIZE)
        if x and x + width > room:
            x, y = 0.0, y + _LINE
        words = line_of_text(name, SUBLABEL_SIZE, _MARK, _LINE / 2, "baton-muted")
        placed.append(element("g", mark, words, transform=moved(x, y)))
        x += width + _GAP
        widest = max(widest, x - _GAP)
    if not placed:
        return Legend("", 0.0, 0.0)
    return Legend(element("g", *placed, class_="baton-legend"), widest, y + _LINE)


def _entries(diagram: Diagram) -> Iterator[_Entry]:
    boxes = (*diagram.nodes, *diagram.groups)
    states = {box.state for box in boxes}.union(*[[state for state, n in box.counts.items() if n] for box in boxes])
    kinds = {box.kind for box in boxes}
    edges = {edge.kind for edge in diagram.edges}
    for state in STATES:
        if state in states:
            yield _Entry(badge(state, _MARK - 14, _LINE / 2), state)
    for kind in KINDS:
        if kind in kinds and kind != "step":
            yield _Entry(icon(kind, _MARK - 14, _LINE / 2), kind)
    for edge in EDGE_KINDS:
        if edge in edges and edges != {"required"}:
            dash = {"stroke_dasharray": DASHES[edge]} if DASHES[edge] else {}
            path = f"M0 {_LINE / 2:g}h22"
            line = element("path", d=path, stroke=LIGHT.edge, stroke_width=1.6, stroke_linecap="round", **dash)
            yield _Entry(element("g", line, class_="baton-edges"), edge)
