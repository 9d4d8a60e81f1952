"""Where everything of a diagram goes: the one layout of all pictures, in time linear in nodes
and edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from msgspec import Struct

from baton.core.drawable import Direction
from baton.core.pictures.diagram import Diagram, EdgeKind
from baton.core.pictures.layered.network import Point
from baton.core.pictures.level_layout import Frame, LevelLayout, level_layout
from baton.core.pictures.parts import Extent, Known
from baton.core.pictures.proportion import is_wide
from baton.core.pictures.scopes import ROOT, Course, nesting
from baton.core.pictures.sizing import GROUP_HEADER, GROUP_PADDING, Sized, group_header, in_column, node_size

MARGIN = 20.0
_RATIO = 1.6


class Box(Struct, frozen=True, gc=False):
    """Where a node or an open group lies, in pixels from the picture's left upper corner, and
    what is written in it."""

    key: str
    x: float
    y: float
    width: float
    height: float
    label: str
    """As it is shown: on one line, shortened if it is long."""
    sublabel: str


class Route(Struct, frozen=True, gc=False):
    """The path of an edge from the border of its source to the border of its target."""

    source: str
    target: str
    kind: EdgeKind
    points: tuple[tuple[float, float], ...]
    """x and y. Two points that share a coordinate are joined by a straight line. Two that share
    none are joined by an S-shaped curve, which begins and ends in the picture's direction: a
    cubic Bézier curve with both control points halfway between the two in that direction, each
    level with its end in the other."""


class Picture(Struct, frozen=True):
    """A diagram laid out. It can be written as JSON by msgspec."""

    width: float
    height: float
    direction: Direction
    """Of the edges: from top to bottom, or from left to right."""
    nodes: tuple[Box, ...]
    """In the diagram's order."""
    groups: tuple[Box, ...]
    """In the diagram's order."""
    routes: tuple[Route, ...]
    """In the diagram's order."""


def laid_out(diagram: Diagram, direction: Direction | None = None) -> Picture:
    """Return where everything of a diagram goes.

    No two boxes overlap, but for a group and what lies in it; a group's box holds exactly its
    members; and no route touches the box of a node that it does not join, nor that of a group
    unless it joins something in it. The same diagram always gets the same picture.

    `direction` is chosen by the shape of the graph if it is None: down, unless the picture would be
    far wider than high.
    """
    sizes = [node_size(node) for node in diagram.nodes]
    chosen: Direction = direction or ("right" if is_wide(diagram, sizes) else "down")
    if chosen == "right":
        sizes = [in_column(sized) for sized in sizes]
    return _Builder(diagram, sizes, chosen).picture()


def flow_of(diagram: Diagram) -> Direction:
    """Return the direction in which a diagram is drawn unless another is asked for."""
    return "right" if is_wide(diagram, [node_size(node) for node in diagram.nodes]) else "down"


class _Builder:
    """Lays out level by level, the innermost first, and puts the levels into one another."""

    def __init__(self, diagram: Diagram, sizes: Sequence[Sized], direction: Direction) -> None:
        self._diagram = diagram
        self._is_down = direction == "down"
        self._sized = [*sizes, *map(group_header, diagram.groups)]
        self._nesting = nesting(diagram)
        ports = dict(enumerate(self._nesting.ports, len(self._sized)))
        self._extents = {box: self._turned(size.width, size.height) for box, size in enumerate(sizes)}
        self._offsets: dict[int, float] = {}
        known = Known(ports, self._extents, self._offsets)
        self._levels: dict[int, LevelLayout] = {}
        for group in reversed(self._nesting.scopes):
            scope = self._nesting.scopes[group]
            level = self._levels[group] = level_layout(scope, known, self._frame(group))
            self._extents[group] = level.extent
            for port in scope.ports:
                self._offsets[port] = level.places[port][0] - level.extent.across / 2

    def picture(self) -> Picture:
        corners = self._corners()
        boxes = [self._box(box, key, corners[box]) for box, key in enumerate(self._keys())]
        count = len(self._diagram.nodes)
        width, height = self._turned(*self._levels[ROOT].extent)
        edges = zip(self._diagram.edges, self._nesting.courses, strict=True)
        return Picture(
            width=width,
            height=height,
            direction="down" if self._is_down else "right",
            nodes=tuple(boxes[:count]),
            groups=tuple(boxes[count:]),
            routes=tuple(
                [Route(edge.source, edge.target, edge.kind, self._route(course, corners)) for edge, course in edges]
            ),
        )

    def _keys(self) -> Iterator[str]:
        return (box.key for box in chain(self._diagram.nodes, self._diagram.groups))

    def _turned(self, one: float, other: float) -> Extent:
        """Width and height from sizes across and along, and the other way around."""
        return Extent(one, other) if self._is_down else Extent(other, one)

    def _frame(self, group: int) -> Frame:
        ratio = _RATIO if self._is_down else 1 / _RATIO
        if group == ROOT:
            margin = Extent(MARGIN, MARGIN)
            return Frame(margin, margin, Extent(0.0, 0.0), ratio)
        return Frame(
            before=self._turned(GROUP_PADDING, GROUP_HEADER),
            after=self._turned(GROUP_PADDING, GROUP_PADDING),
            least=self._turned(self._sized[group].width, 0.0),
            ratio=ratio,
        )

    def _corners(self) -> dict[int, Point]:
        """Where each box begins, measured from the corner of the picture; that of the picture
        itself too."""
        corners: dict[int, Point] = {ROOT: (0.0, 0.0)}
        for group, scope in self._nesting.scopes.items():
            (across, along), places = corners[group], self._levels[group].places
            for box in scope.members:
                corners[box] = (across + places[box][0], along + places[box][1])
        return corners

    def _box(self, box: int, key: str, corner: Point) -> Box:
        sized = self._sized[box]
        return Box(key, *self._turned(*corner), *self._turned(*self._extents[box]), sized.label, sized.sublabel)

    def _route(self, course: Course, corners: dict[int, Point]) -> tuple[Point, ...]:
        points: list[Point] = []
        for scope, link in course.stretches:
            (across, along), path = corners[scope], self._levels[scope].paths[link]
            across, along = across + path.moved.across, along + path.moved.along
            if self._is_down:
                points += [(x + across, y + along) for x, y in path.points]
            else:
                points += [(y + along, x + across) for x, y in path.points]
        if len(course.stretches) > 1:
            points = _without_needless(points)
        return tuple(reversed(points)) if course.is_turned else tuple(points)


def _without_needless(points: Sequence[Point]) -> list[Point]:
    """Leave out the points that lie on a straight line between two others."""
    kept = [points[0]]
    for here, after in pairwise(points[1:]):
        before = kept[-1]
        if not (before[0] == here[0] == after[0] or before[1] == here[1] == after[1]):
            kept.append(here)
    kept.append(points[-1])
    return kept
