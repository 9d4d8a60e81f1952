"""The picture of a run, and the rows of the table that says the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from markupsafe import Markup

from baton.client.drawn_run import edges_among, kind_of
from baton.core.draft import END, GATE
from baton.core.pictures.diagram import Diagram, Edge, Kind, Node
from baton.core.pictures.layout import Picture, laid_out
from baton.core.pictures.svg import svg_of
from baton.core.states import StepState
from baton.database.run_outline import Groups, OutlinedStep
from baton.web.opened import Opened
from baton.web.rendering import url

MOST_DRAWN = 1_500
"""A larger picture can be neither drawn in good time nor read."""
MOST_LAYOUTS = 32


@dataclass(frozen=True, slots=True)
class Row:
    """A step as it is shown: in the picture a box, in the table a row."""

    step: OutlinedStep
    label: str
    """Its name within its group."""
    parent: str | None
    """The name of the group."""
    depth: int
    kind: Kind
    counts: Mapping[StepState, int]
    """Of a group: the steps below it."""
    is_open: bool
    address: str
    """Of the page of the step."""
    toggle: str | None
    """Of a group: the address of this page with it open, or closed."""

    @property
    def waits_for(self) -> list[str]:
        """The names of its dependencies; what the engine added is shown as what it stands for."""
        local = [(name, name.rpartition("/")[2]) for name in self.step.dependencies]
        return ["the other steps" if last == END else name for name, last in local if last != GATE]


def rows_of(steps: Sequence[OutlinedStep], groups: Groups, opened: Opened, run: str) -> list[Row]:
    """Return the steps of an outline in the order of the table: below each open group what is in it."""
    below: dict[int | None, list[OutlinedStep]] = {}
    for step in steps:
        below.setdefault(step.parent, []).append(step)
    rows: list[Row] = []
    to_come = [(step, 0) for step in reversed(below.get(None, []))]
    while to_come:
        step, depth = to_come.pop()
        rows.append(_row(step, depth, groups, opened, run))
        to_come.extend((child, depth + 1) for child in reversed(below.get(step.ordinal, [])))
    return rows


def _row(step: OutlinedStep, depth: int, groups: Groups, opened: Opened, run: str) -> Row:
    parent = None if step.parent is None else groups.by_ordinal[step.parent].name
    label = step.name if parent is None else step.name.removeprefix(parent).removeprefix("/")
    group = groups.by_ordinal.get(step.ordinal)
    is_open = step.ordinal in opened.ordinals
    toggle = None
    if group is not None:
        toggle = opened.with_shut(run, step.name) if is_open else opened.with_open(run, step.name)
    return Row(
        step,
        label,
        parent,
        depth,
        kind_of(step),
        {} if group is None else group.counts,
        is_open,
        url("step", id=run, step=step.name),
        toggle,
    )


_layouts: OrderedDict[Hashable, Picture] = OrderedDict()
_lock = Lock()


def forget_layouts() -> None:
    """Lay the next pictures out anew."""
    with _lock:
        _layouts.clear()


def _laid_out(diagram: Diagram) -> Picture:
    """Lay a diagram out, unless that was done lately: while a run goes on only its states change."""
    shape = (
        tuple((box.key, box.label, box.sublabel, box.kind, box.parent, bool(box.counts)) for box in diagram.nodes),
        tuple((box.key, box.label, box.sublabel, box.kind, box.parent) for box in diagram.groups),
        diagram.edges,
    )
    with _lock:
        if (known := _layouts.get(shape)) is not None:
            _layouts.move_to_end(shape)
            return known
    picture = laid_out(diagram)
    with _lock:
        _layouts[shape] = picture
        while len(_layouts) > MOST_LAYOUTS:
            _layouts.popitem(last=False)
    return picture


def drawn(rows: Sequence[Row]) -> Markup:
    """Return the picture as SVG: a box leads to its step, that of a group opens or closes it.

    A large one takes a tenth of a second, so it is called in a thread.
    """
    nodes = tuple(_box(row) for row in rows if not row.is_open)
    groups = tuple(_box(row) for row in rows if row.is_open)
    names = {row.step.name for row in rows}
    edges = tuple(edge for edge in _edges(rows) if edge.source in names)
    links = {row.step.name: row.toggle or row.address for row in rows}
    diagram = Diagram(nodes, edges, groups)
    svg = svg_of(diagram, _laid_out(diagram), has_style=False, links=links)
    # Names in it were escaped where it was written.
    return Markup(svg)


def _box(row: Row) -> Node:
    step = row.step
    sublabel = "" if step.worker == row.label or step.grouping == "workflow" else step.worker
    counts = {} if row.is_open else row.counts
    return Node(step.name, row.label, sublabel, step.state, row.kind, row.parent, counts)


def _edges(rows: Sequence[Row]) -> Iterator[Edge]:
    scopes: dict[int | None, list[OutlinedStep]] = {}
    for row in rows:
        scopes.setdefault(row.step.parent, []).append(row.step)
    for siblings in scopes.values():
        yield from edges_among(siblings)
