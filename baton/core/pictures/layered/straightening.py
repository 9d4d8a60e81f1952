"""Lines made straight where there is room, without changing the order of any layer."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from statistics import fmean

from baton.core.pictures.layered.layering import Layered, Trunk

_LARGEST = 4_000
"""In a larger graph lines are made straight once, and boxes stay where they are."""


def straighten(
    layered: Layered, place: MutableSequence[float], room: Sequence[float], columns: Mapping[int, float]
) -> None:
    """Change the places of bends, so that lines have few of them, and of boxes, so that they lie over one another."""
    straightener = _Straightener(layered, place, room, columns)
    straightener.straighten_lines()
    if len(layered.vertex_of) <= _LARGEST:
        for _ in range(2):
            straightener.align_boxes()
            straightener.straighten_lines()


class _Straightener:
    def __init__(
        self, layered: Layered, place: MutableSequence[float], room: Sequence[float], columns: Mapping[int, float]
    ) -> None:
        self._layered = layered
        self._place = place
        self._room = room
        self._columns = columns
        self._left = [-1] * len(place)
        self._right = [-1] * len(place)
        self._ports: dict[int, list[int]] = {}
        for layer in layered.layers:
            for left, right in zip(layer, layer[1:], strict=False):
                self._left[right], self._right[left] = left, right
        for end, vertex in enumerate(layered.vertex_of):
            if end != vertex:
                self._ports.setdefault(vertex, []).append(end)

    def straighten_lines(self) -> None:
        for trunk in self._layered.trunks:
            if trunk.bends:
                self._straighten_line(trunk)

    def align_boxes(self) -> None:
        layers = self._layered.layers
        for layer in [*layers, *reversed(layers)]:
            for vertex in layer:
                if not self._layered.is_bend[vertex] and vertex not in self._columns:
                    self._align(vertex)

    def _straighten_line(self, trunk: Trunk) -> None:
        """Give as many bends in a row as possible one place."""
        ends = [self._layered.links[link] for link in trunk.links]
        hub = self._place[ends[0].tail if trunk.is_fan_out else ends[0].head]
        others = [self._place[end.head if trunk.is_fan_out else end.tail] for end in ends if end.arrives - end.leaves > 1]
        wanted = [hub, fmean(others)]
        run: list[int] = []
        least, most = float("-inf"), float("inf")
        for bend in trunk.bends:
            low, high = self._bounds(bend)
            if run and (max(low, least) > min(high, most)):
                self._put_run(run, least, most, wanted)
                run, least, most = [], float("-inf"), float("inf")
            run.append(bend)
            least, most = max(low, least), min(high, most)
        self._put_run(run, least, most, wanted)

    def _put_run(self, run: Sequence[int], least: float, most: float, wanted: Sequence[float]) -> None:
        fitting = [place for place in wanted if least <= place <= most]
        mean = fmean([self._place[bend] for bend in run])
        chosen = fitting[0] if fitting else min(max(mean, least), most)
        for bend in run:
            self._place[bend] = chosen

    def _align(self, vertex: int) -> None:
        """Move a box to the median of its neighbours: over one of them, or to the middle of two."""
        layered, place = self._layered, self._place
        wishes = []
        for neighbours, own in ((layered.above, layered.own_above), (layered.below, layered.own_below)):
            near = neighbours[vertex]
            if vertex in own:
                wishes += [place[end] - layered.offset[mine] for end, mine in zip(near, own[vertex], strict=True)]
            else:
                wishes += [place[end] for end in near]
        if not wishes:
            return
        wishes.sort()
        middle = len(wishes) // 2
        wish = wishes[middle] if len(wishes) % 2 else (wishes[middle - 1] + wishes[middle]) / 2
        low, high = self._bounds(vertex)
        place[vertex] = min(max(wish, low), high)
        for end in self._ports.get(vertex, ()):
            place[end] = place[vertex] + layered.offset[end]

    def _bounds(self, vertex: int) -> tuple[float, float]:
        """Between which places a vertex can move without touching its neighbours."""
        left, right, room = self._left[vertex], self._right[vertex], self._room
        low = self._place[left] + room[left] + room[vertex] if left >= 0 else float("-inf")
        high = self._place[right] - room[right] - room[vertex] if right >= 0 else float("inf")
        here = self._place[vertex]
        # Rounding must not turn the two around.
        return min(low, here), max(high, here)
