"""Where each vertex lies across its layer: near its neighbours, in the order of the layer, with long lines straight.

Layer by layer, each vertex wants to be at the mean of its neighbours. The places that are nearest to all wishes at once,
and keep order and distances, are found exactly by merging vertices that push each other (isotonic regression, "pool
adjacent violators"). So a layer is no wider than it needs to be, and what is symmetric stays so. Then lines are made
straight where there is room (see `straightening`). The method of Brandes and Köpf makes straight lines first, and made
pictures of random graphs up to five times as wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baton.core.pictures.layered.layering import Layered
from baton.core.pictures.layered.straightening import straighten

_WORK = 30_000
"""Vertices visited by all sweeps together in a small graph."""
_MOST_ROUNDS = 10
_FEWEST_ROUNDS = 1
_WEIGHTS = (1.0, 2.0, 8.0)
"""Of a link by how many of its two ends are bends or pieces: long lines are pulled straight."""
_INERTIA = 0.01
"""The weight of a vertex without neighbours on the side that is looked at: it makes way for the others."""


def places_of(layered: Layered) -> list[float]:
    """Return the place across of each end, by its id: of a vertex its middle. Neighbours in a layer keep their distance."""
    placing = _Placing(layered)
    size = sum(map(len, layered.layers))
    for _ in range(min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, _WORK // (2 * size)))):
        placing.sweep()
    if layered.piece_above:
        placing.fix_columns()
        placing.sweep()
        placing.sweep()
    straighten(layered, placing.place, placing.room, placing.columns)
    return placing.place


class _Placing:
    def __init__(self, layered: Layered) -> None:
        self._layered = layered
        self.room = [half + margin for half, margin in zip(layered.half, layered.margin, strict=True)]
        self.place = [0.0] * len(layered.vertex_of)
        self.columns: dict[int, float] = {}
        """By piece: the place of its column, once that is fixed."""
        self._stiff = layered.is_bend.copy()
        for piece, above in layered.piece_above.items():
            self._stiff[piece] = self._stiff[above] = 1
        self._ports: dict[int, list[int]] = {}
        for end, vertex in enumerate(layered.vertex_of):
            if end != vertex:
                self._ports.setdefault(vertex, []).append(end)
        for layer in layered.layers:
            self._settle(layer, [0.0] * len(layer), [1.0] * len(layer))

    def sweep(self) -> None:
        """Move each vertex towards those above it, layer by layer, then towards those below."""
        layered = self._layered
        for layer in layered.layers[1:]:
            self._pull(layer, layered.above, layered.own_above)
        for layer in layered.layers[-2::-1]:
            self._pull(layer, layered.below, layered.own_below)

    def fix_columns(self) -> None:
        """Put the pieces of each vertex that takes several layers over one another, and leave them there."""
        columns = _columns(self._layered)
        wanted = {foot: sum([self.place[piece] for piece in pieces]) / len(pieces) for foot, pieces in columns.items()}
        foot_of = {piece: foot for foot, pieces in columns.items() for piece in pieces}
        distances: dict[int, dict[int, float]] = {foot: {} for foot in columns}
        pending = dict.fromkeys(columns, 0)
        for layer in self._layered.layers:
            previous, way = -1, 0.0
            for vertex in layer:
                way += self.room[vertex]
                if (foot := foot_of.get(vertex, -1)) >= 0:
                    if previous >= 0:
                        pending[foot] += foot not in distances[previous]
                        distances[previous][foot] = max(way, distances[previous].get(foot, 0.0))
                    previous, way = foot, 0.0
                way += self.room[vertex]
        order = [foot for foot in columns if not pending[foot]]
        for foot in order:  # it grows
            for other, distance in distances[foot].items():
                wanted[other] = max(wanted[other], wanted[foot] + distance)
                pending[other] -= 1
                if not pending[other]:
                    order.append(other)
        self.columns = {piece: wanted[foot] for piece, foot in foot_of.items()}

    def _pull(self, layer: Sequence[int], neighbours: Sequence[list[int]], own: Mapping[int, list[int]]) -> None:
        place, stiff, vertex_of, offset = self.place, self._stiff, self._layered.vertex_of, self._layered.offset
        wishes, weights = [], []
        for vertex in layer:
            near = neighbours[vertex]
            is_stiff = stiff[vertex]
            if not near:
                wish, weight = place[vertex], _INERTIA
            elif vertex in own:
                pulls = [_WEIGHTS[is_stiff + stiff[vertex_of[end]]] for end in near]
                weight = sum(pulls)
                aims = [place[end] - offset[mine] for end, mine in zip(near, own[vertex], strict=True)]
                wish = sum(map(float.__mul__, pulls, aims)) / weight
            elif len(near) == 1:
                wish, weight = place[near[0]], _WEIGHTS[is_stiff + stiff[vertex_of[near[0]]]]
            else:
                pulls = [_WEIGHTS[is_stiff + stiff[vertex_of[end]]] for end in near]
                weight = sum(pulls)
                wish = sum([pull * place[end] for pull, end in zip(pulls, near, strict=True)]) / weight
            wishes.append(wish)
            weights.append(weight)
        self._settle(layer, wishes, weights)

    def _settle(self, layer: Sequence[int], wishes: Sequence[float], weights: Sequence[float]) -> None:
        """Put the vertices of a layer as near to where they wish to be as order, distances and columns allow."""
        begin, left = 0, float("-inf")
        if self.columns:
            for position, vertex in enumerate(layer):
                if vertex in self.columns:
                    right = self.columns[vertex] - self.room[vertex]
                    self._settle_between(layer[begin:position], wishes[begin:position], weights[begin:position], left, right)
                    self._put(vertex, self.columns[vertex])
                    begin, left = position + 1, self.columns[vertex] + self.room[vertex]
        self._settle_between(layer[begin:], wishes[begin:], weights[begin:], left, float("inf"))

    def _settle_between(
        self, vertices: Sequence[int], wishes: Sequence[float], weights: Sequence[float], left: float, right: float
    ) -> None:
        room = self.room
        means: list[float] = []
        sums: list[float] = []
        counts: list[int] = []
        reach = 0.0
        starts = []
        for vertex, wish, weight in zip(vertices, wishes, weights, strict=True):
            reach += room[vertex]
            starts.append(reach)
            mean, count = wish - reach, 1
            reach += room[vertex]
            while means and means[-1] >= mean:
                other = sums.pop()
                mean = (means.pop() * other + mean * weight) / (other + weight)
                weight += other
                count += counts.pop()
            means.append(mean)
            sums.append(weight)
            counts.append(count)
        least, most = left, right - reach
        position = 0
        for mean, count in zip(means, counts, strict=True):
            mean = min(max(mean, least), most)
            for _ in range(count):
                self._put(vertices[position], mean + starts[position])
                position += 1

    def _put(self, vertex: int, place: float) -> None:
        self.place[vertex] = place
        if vertex in self._ports:
            for end in self._ports[vertex]:
                self.place[end] = place + self._layered.offset[end]


def _columns(layered: Layered) -> dict[int, list[int]]:
    """The pieces of each vertex that takes several layers, by the last of them."""
    columns: dict[int, list[int]] = {}
    for vertex, foot in enumerate(layered.foot):
        if foot == vertex:
            continue
        pieces = columns[foot] = [foot]
        while pieces[-1] != vertex:
            pieces.append(layered.piece_above[pieces[-1]])
    return columns
