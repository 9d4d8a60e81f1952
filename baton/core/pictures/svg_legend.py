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
    """Return the legend, in lines of at most `room` pixels; nothing if all is as plain as can
    be."""
    families = [[*_states(diagram)], [*_kinds(diagram)], [*_edges(diagram)]]
    is_one_line = sum([_width(entry) + _GAP for family in families for entry in family]) - _GAP <= room
    placed = []
    x = y = widest = 0.0
    for family in families:
        if x and family and not is_one_line:
            x, y = 0.0, y + _LINE
        for entry in family:
            width = _width(entry)
            if x and x + width > room:
                x, y = 0.0, y + _LINE
            words = line_of_text(entry.name, SUBLABEL_SIZE, _MARK, _LINE / 2, "baton-muted")
            placed.append(element("g", entry.mark, words, transform=moved(x, y)))
            x += width + _GAP
            widest = max(widest, x - _GAP)
    if not placed:
        return Legend("", 0.0, 0.0)
    return Legend(element("g", *placed, class_="baton-legend"), widest, y + _LINE)


def _width(entry: _Entry) -> float:
    return _MARK + text_width(entry.name, SUBLABEL_SIZE)


def _states(diagram: Diagram) -> Iterator[_Entry]:
    boxes = (*diagram.nodes, *diagram.groups)
    present = {box.state for box in boxes}.union(*[[state for state, n in box.counts.items() if n] for box in boxes])
    for state in STATES:
        if state in present:
            yield _Entry(badge(state, _MARK / 2, _LINE / 2), state)


def _kinds(diagram: Diagram) -> Iterator[_Entry]:
    present = {box.kind for box in (*diagram.nodes, *diagram.groups)}
    for kind in KINDS:
        if kind in present and kind != "step":
            yield _Entry(icon(kind, _MARK / 2, _LINE / 2), kind)


def _edges(diagram: Diagram) -> Iterator[_Entry]:
    """The kinds of edges, unless all are as usual."""
    present = {edge.kind for edge in diagram.edges}
    for kind in EDGE_KINDS:
        if kind in present and present != {"required"}:
            dash = {"stroke_dasharray": DASHES[kind]} if DASHES[kind] else {}
            path = f"M0 {_LINE / 2:g}h22"
            line = element("path", d=path, stroke=LIGHT.edge, stroke_width=1.6, stroke_linecap="round", **dash)
            yield _Entry(element("g", line, class_="baton-edges"), kind)
