"""The paths of links through the gaps between the layers.

A path changes its place across only in a gap, where there are no boxes; through a layer it goes
straight, between the boxes. So no path can touch a box that is not at one of its ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from baton.core.pictures.layered.detours import Detours
from baton.core.pictures.layered.layering import Layered, Trunk
from baton.core.pictures.layered.levels import Levels
from baton.core.pictures.layered.network import Network, Point


class Router:
    """Lays the paths, when the place of everything else is known. `middle` has the place of each
    end across."""

    def __init__(
        self, network: Network, layered: Layered, middle: Sequence[float], levels: Levels, detours: Detours
    ) -> None:
        self._network = network
        self._layered = layered
        self._middle = middle
        self._levels = levels
        self._detours = detours

    def paths(self) -> list[list[Point]]:
        """Return the path of each link."""
        paths: list[list[Point]] = [[] for _ in self._layered.links]
        for trunk in self._layered.trunks:
            self._follow(trunk, paths)
        for trunk in self._layered.detours:
            for link in trunk.links:
                paths[link] = self._around(link) if link in self._detours.lanes else self._direct(link)
        return paths

    def _ends(self, link: int) -> tuple[Point, Point]:
        given, network = self._network.links[link], self._network
        count = len(network.across)
        tail = given.tail if given.tail < count else network.ports[given.tail - count].vertex
        head = given.head if given.head < count else network.ports[given.head - count].vertex
        begins = self._levels.begins
        return (
            (self._middle[given.tail], begins[tail] + network.along[tail]),
            (self._middle[given.head], begins[head]),
        )

    def _crossing(self, gap: int, before: float, after: float) -> list[Point]:
        """The two ends of a curve through a gap; none if the path goes straight on."""
        if before == after:
            return []
        return [(before, self._levels.curve_begins[gap]), (after, self._levels.curve_ends[gap])]

    def _direct(self, link: int) -> list[Point]:
        start, end = self._ends(link)
        return [start, *self._crossing(self._layered.links[link].leaves, start[0], end[0]), end]

    def _follow(self, trunk: Trunk, paths: list[list[Point]]) -> None:
        """Lay the paths of links that share a line; what they share is computed once."""
        middle, first = self._middle, trunk.first_rank
        line = [middle[bend] for bend in trunk.bends]
        shared, passed = self._line(line, first)
        for link in trunk.links:
            _, _, leaves, arrives = self._layered.links[link]
            if arrives - leaves == 1:
                paths[link] = self._direct(link)
                continue
            start, end = self._ends(link)
            begin, stop = leaves + 1 - first, arrives - 1 - first
            paths[link] = [
                start,
                *self._crossing(leaves, start[0], line[begin]),
                *shared[passed[begin] : passed[stop]],
                *self._crossing(arrives - 1, line[stop], end[0]),
                end,
            ]

    def _line(self, line: Sequence[float], first: int) -> tuple[list[Point], list[int]]:
        """The points of a line through the layers from `first` on, and how many of them lie
        before each bend."""
        points: list[Point] = []
        passed = []
        for gap, here in enumerate(line, first - 1):
            if gap >= first and here != line[gap - first]:
                points += self._crossing(gap, line[gap - first], here)
            passed.append(len(points))
        return points, passed

    def _around(self, link: int) -> list[Point]:
        start, end = self._ends(link)
        ends, lane = self._layered.links[link], self._detours.lanes[link]
        out = self._levels.curve_begins[ends.leaves] - self._detours.leaving_band(ends.leaves)
        out += self._detours.track_out(ends)
        back = self._levels.curve_ends[ends.arrives - 1] + self._detours.track_in(ends)
        return [start, (start[0], out), (lane, out), (lane, back), (end[0], back), end]
