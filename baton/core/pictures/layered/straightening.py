"""Lines made straight where there is room, without changing the order of any layer. All places
are whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from itertools import pairwise
from math import inf

from baton.core.pictures.layered.layering import Layered, Trunk

_LARGEST = 4_000
"""In a larger graph lines are made straight once, and boxes stay where they are."""


def straighten(
    layered: Layered, place: MutableSequence[float], room: Sequence[float], ports: Mapping[int, Sequence[int]]
) -> None:
    """Change the places of bends, so that lines have few of them, and of boxes, so that they lie
    over one another.

    `place` has the places of all ends, `room` half of what a vertex takes across, `ports` the ports
    of those that have any.
    """
    straightener = _Straightener(layered, place, room, ports)
    straightener.straighten_lines()
    if len(layered.vertex_of) <= _LARGEST:
        for _ in range(2):
            straightener.align_boxes()
            straightener.straighten_lines()


class _Straightener:
    def __init__(
        self, layered: Layered, place: MutableSequence[float], room: Sequence[float], ports: Mapping[int, Sequence[int]]
    ) -> None:
        self._layered = layered
        self._place = place
        self._room = room
        self._ports = ports
        self._left = [-1] * len(place)
        self._right = [-1] * len(place)
        self._fixed = {*layered.piece_above, *layered.piece_above.values()}
        for layer in layered.layers:
            for left, right in pairwise(layer):
                self._left[right], self._right[left] = left, right

    def straighten_lines(self) -> None:
        for trunk in self._layered.trunks:
            if trunk.bends:
                self._straighten_line(trunk)

    def align_boxes(self) -> None:
        """Move each box over what is above it, then each over what is below it."""
        layered = self._layered
        for layers, is_down in ((layered.layers, True), (layered.layers[::-1], False)):
            for layer in layers:
                for vertex in layer:
                    if not layered.is_bend[vertex] and vertex not in self._fixed:
                        self._align(vertex, is_down=is_down)

    def _straighten_line(self, trunk: Trunk) -> None:
        """Give as many bends in a row as possible one place: that of the end which they share,
        if it can be."""
        links, place = self._layered.links, self._place
        hub = links[trunk.links[0]].tail if trunk.is_fan_out else links[trunk.links[0]].head
        far = [link for link in trunk.links if links[link].arrives - links[link].leaves > 1]
        others = [place[links[link].head if trunk.is_fan_out else links[link].tail] for link in far]
        wanted = (place[hub], others[0] if len(others) == 1 else sum(others) // len(others))
        run: list[int] = []
        least, most = -inf, inf
        for bend in trunk.bends:
            low, high = self._bounds(bend)
            if run and (low > most or high < least):
                self._put_run(run, least, most, wanted)
                run, least, most = [], -inf, inf
            run.append(bend)
            least, most = max(low, least), min(high, most)
        self._put_run(run, least, most, wanted)

    def _put_run(self, run: Sequence[int], least: float, most: float, wanted: Sequence[float]) -> None:
        place = self._place
        chosen = next((one for one in wanted if least <= one <= most), None)
        if chosen is None:
            mean = sum([place[bend] for bend in run]) // len(run)
            chosen = min(max(sorted((*wanted, mean))[1], least), most)
        for bend in run:
            place[bend] = chosen

    def _align(self, vertex: int, *, is_down: bool) -> None:
        """Move a box to the median of its neighbours. Boxes count before lines, which may turn
        at their ends."""
        layered, place = self._layered, self._place
        above = self._wishes(layered.above[vertex], layered.own_above.get(vertex))
        below = self._wishes(layered.below[vertex], layered.own_below.get(vertex))
        boxes = above[False] + below[False]
        if len(above[False]) == len(below[False]) == 1:
            # Between two the middle would be over neither.
            boxes = above[False] if is_down else below[False]
        wishes = sorted(boxes or above[True] + below[True])
        if not wishes:
            return
        middle = len(wishes) // 2
        wish = wishes[middle] if len(wishes) % 2 else (wishes[middle - 1] + wishes[middle]) // 2
        low, high = self._bounds(vertex)
        place[vertex] = min(max(wish, low), high)
        for end in self._ports.get(vertex, ()):
            place[end] = place[vertex] + layered.offset[end]

    def _wishes(self, near: Sequence[int], own: Sequence[int] | None) -> dict[bool, list[float]]:
        """Where a vertex would have to be for each of its links to go straight, by whether the
        other end is a bend."""
        layered, place = self._layered, self._place
        wishes: dict[bool, list[float]] = {True: [], False: []}
        for position, end in enumerate(near):
            offset = layered.offset[own[position]] if own else 0.0
            wishes[bool(layered.is_bend[layered.vertex_of[end]])].append(place[end] - offset)
        return wishes

    def _bounds(self, vertex: int) -> tuple[float, float]:
        """Between which places a vertex can move without touching its neighbours."""
        left, right, room, place = self._left[vertex], self._right[vertex], self._room, self._place
        low = place[left] + room[left] + room[vertex] if left >= 0 else -inf
        high = place[right] - room[right] - room[vertex] if right >= 0 else inf
        return low, high
