"""What must hold of every picture, checked with nothing but the picture's own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

from baton.core.pictures.diagram import Diagram, ancestors
from baton.core.pictures.layout import Box, Picture, Route

CLEARANCE = 4.0
"""How far a line stays away from a box that it does not join, in pixels."""


class Area(NamedTuple):
    """A rectangle by its borders."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Area, clearance: float = 0.0) -> bool:
        return (
            self.left < other.right + clearance
            and other.left < self.right + clearance
            and self.top < other.bottom + clearance
            and other.top < self.bottom + clearance
        )

    def holds(self, other: Area) -> bool:
        return (
            self.left < other.left and self.top < other.top and other.right < self.right and other.bottom < self.bottom
        )


def area_of(box: Box) -> Area:
    return Area(box.x, box.y, box.x + box.width, box.y + box.height)


def faults(diagram: Diagram, picture: Picture) -> list[str]:
    """What is wrong with a picture, in words."""
    checker = _Checker(diagram, picture)
    return [*checker.faults_of_boxes(), *checker.faults_of_routes()]


class _Checker:
    def __init__(self, diagram: Diagram, picture: Picture) -> None:
        self.diagram = diagram
        self.picture = picture
        boxes = (*picture.nodes, *picture.groups)
        self.areas = {box.key: area_of(box) for box in boxes}
        parents = {box.key: box.parent for box in (*diagram.nodes, *diagram.groups)}
        self.around = {key: {*ancestors(parents, key)} for key in parents}
        self.parents = parents

    def faults_of_boxes(self) -> Iterator[str]:
        whole = Area(0, 0, self.picture.width, self.picture.height)
        for key, area in self.areas.items():
            if not whole.holds(area):
                yield f"{key} sticks out of the picture"
            parent = self.parents[key]
            if parent is not None and not self.areas[parent].holds(area):
                yield f"{key} sticks out of its group {parent}"
        for one, other in combinations(self.areas, 2):
            is_nested = one in self.around[other] or other in self.around[one]
            if not is_nested and self.areas[one].meets(self.areas[other], CLEARANCE):
                yield f"{one} and {other} overlap"

    def faults_of_routes(self) -> Iterator[str]:
        pairs = zip(self.diagram.edges, self.picture.routes, strict=True)
        for edge, route in pairs:
            if (edge.source, edge.target, edge.kind) != (route.source, route.target, route.kind):
                yield f"the route {route.source} to {route.target} stands where {edge} does"
            yield from self._faults_of_ends(route)
            yield from self._faults_of_way(route)

    def _faults_of_ends(self, route: Route) -> Iterator[str]:
        for key, (x, y) in ((route.source, route.points[0]), (route.target, route.points[-1])):
            area = self.areas[key]
            if self.picture.direction == "down":
                is_joined = area.left < x < area.right and y in (area.top, area.bottom)
            else:
                is_joined = area.top < y < area.bottom and x in (area.left, area.right)
            if not is_joined:
                yield f"the route {route.source} to {route.target} does not end at the border of {key}"

    def _faults_of_way(self, route: Route) -> Iterator[str]:
        """A straight line, and an S-shaped curve too, lies within the rectangle between its
        ends."""
        ends = {route.source, route.target}
        entered = self.around[route.source] | self.around[route.target]
        if any(a == b for a, b in pairwise(route.points)):
            yield f"the route {route.source} to {route.target} stands still"
        for (x, y), (u, v) in pairwise(route.points):
            leg = Area(min(x, u), min(y, v), max(x, u), max(y, v))
            for key, area in self.areas.items():
                if key not in entered and leg.meets(area, 0.0 if key in ends else CLEARANCE):
                    yield f"the route {route.source} to {route.target} touches {key}"
