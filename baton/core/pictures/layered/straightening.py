"""Lines made straight where there is room, without changing the order of any layer. All places are whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from math import inf

from baton.core.pictures.layered.layering import Layered, Trunk

_LARGEST = 4_000
"""In a larger graph lines are made straight once, and boxes stay where they are."""


def straighten(
    layered: Layered, place: MutableSequence[float], room: Sequence[float], ports: Mapping[int, Sequence[int]]
) -> None:
    """Change the places of bends, so that lines have few of them, and of boxes, so that they lie over one another.

    `place` has the places of all ends, `room` half of what a vertex takes across, `ports` the ports of those that have
    any.
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
            for left, right in zip(layer, layer[1:], strict=False):
                self._left[right], self._right[left] = left, right

    def straighten_lines(self) -> None:
        for trunk in self._layered.trunks:
            if trunk.bends:
                self._straighten_line(trunk)

    def align_boxes(self) -> None:
        layers = self._layered.layers
        for layer in [*layers, *reversed(layers)]:
            for vertex in layer:
                if not self._layered.is_bend[vertex] and vertex not in self._fixed:
                    self._align(vertex)

    def _straighten_line(self, trunk: Trunk) -> None:
        """Give as many bends in a row as possible one place: that of the end which they share, if it can be."""
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
            chosen = min(max(sum([place[bend] for bend in run]) // len(run), least), most)
        for bend in run:
            place[bend] = chosen

    def _align(self, vertex: int) -> None:
        """Move a box to the median of its neighbours: over one of them, or to the middle of two."""
        layered, place = self._layered, self._place
        wishes: list[float] = []
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
        wish = wishes[middle] if len(wishes) % 2 else (wishes[middle - 1] + wishes[middle]) // 2
        low, high = self._bounds(vertex)
        place[vertex] = min(max(wish, low), high)
        for end in self._ports.get(vertex, ()):
            place[end] = place[vertex] + layered.offset[end]

    def _bounds(self, vertex: int) -> tuple[float, float]:
        """Between which places a vertex can move without touching its neighbours."""
        left, right, room, place = self._left[vertex], self._right[vertex], self._room, self._place
        low = place[left] + room[left] + room[vertex] if left >= 0 else -inf
        high = place[right] - room[right] - room[vertex] if right >= 0 else inf
        return low, high
