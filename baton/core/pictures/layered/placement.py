"""Where each vertex lies across its layer: near its neighbours, in the order of the layer, with
long lines straight.

Layer by layer, each vertex wants to be at the mean of its neighbours. The places that are nearest
to all wishes at once, and keep order and distances, are found exactly by merging vertices that push
each other (isotonic regression, "pool adjacent violators"). So a layer is no wider than it needs to
be, and what is symmetric stays so. Then lines are made straight where there is room (see
`straightening`). The method of Brandes and Köpf makes straight lines first, and made pictures of
random graphs up to five times as wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from baton.core.pictures.layered.compaction import close_strips
from baton.core.pictures.layered.layering import Layered
from baton.core.pictures.layered.straightening import straighten

_WORK = 12_000
"""Vertices visited by all sweeps together in a small graph."""
_MOST_ROUNDS = 8
_FEWEST_ROUNDS = 1
_WEIGHTS = (1.0, 0.5, 8.0)
"""How strongly two boxes pull at each other, a box and a bend, or two bends."""
_MOST_BALANCED = 10_000
"""A larger graph is neither balanced nor rid of empty strips: it would take as long as the rest."""
_INERTIA = 0.01
"""The weight of a vertex without neighbours on the side that is looked at: it makes way for the
others."""


def places_of(layered: Layered) -> list[float]:
    """Return the place across of each end, by its id, as a whole number: of a vertex its middle.

    Neighbours in a layer keep their distance.
    """
    placing = _Placing(layered)
    size = sum(map(len, layered.layers))
    for _ in range(min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, _WORK // (2 * size)))):
        placing.sweep()
    if layered.piece_above:
        placing.fix_columns()
        placing.sweep()
    if size <= _MOST_BALANCED:
        placing.balance()
    # All distances are whole numbers, so rounding all places alike keeps them.
    place = [(place + 0.5) // 1 for place in placing.place]
    for ports in placing.ports.values():
        for end in ports:
            place[end] = place[layered.vertex_of[end]] + layered.offset[end]
    straighten(layered, place, placing.room, placing.ports)
    if size <= _MOST_BALANCED:
        close_strips(layered, place)
    return place


class _Pulls(NamedTuple):
    """What pulls at each vertex from one side, or from both."""

    ends: list[Sequence[int]]
    offset: list[float]
    """How far its own ends of those links are from its middle, on average."""
    weight: list[float]


class _Placing:
    def __init__(self, layered: Layered) -> None:
        self._layered = layered
        self.room = [half + margin for half, margin in zip(layered.half, layered.margin, strict=True)]
        self.place = [0.0] * len(layered.vertex_of)
        self.ports: dict[int, list[int]] = {}
        """By vertex, for those that have any."""
        self._columns: dict[int, float] = {}
        """By piece: the place of its column, once that is fixed."""
        self._stiff = layered.is_bend.copy()
        for piece, above in layered.piece_above.items():
            self._stiff[piece] = self._stiff[above] = 1
        for end, vertex in enumerate(layered.vertex_of):
            if end != vertex:
                self.ports.setdefault(vertex, []).append(end)
        self._upwards = _pulls(layered, self._stiff, layered.above, layered.own_above)
        self._downwards = _pulls(layered, self._stiff, layered.below, layered.own_below)
        for layer in layered.layers:
            self._pack(layer)

    def _pack(self, layer: Sequence[int]) -> None:
        """Put the vertices of a layer side by side, around the middle."""
        reach = -sum([self.room[vertex] for vertex in layer])
        for vertex in layer:
            self.place[vertex] = reach + self.room[vertex]
            reach += 2 * self.room[vertex]
            for end in self.ports.get(vertex, ()):
                self.place[end] = self.place[vertex] + self._layered.offset[end]

    def sweep(self) -> None:
        """Move each vertex towards those above it, layer by layer, then towards those below."""
        for layer in self._layered.layers[1:]:
            self._pull(layer, self._upwards)
        for layer in self._layered.layers[-2::-1]:
            self._pull(layer, self._downwards)

    def balance(self) -> None:
        """Move each vertex between those above and those below it."""
        layered = self._layered
        around = [above + below for above, below in zip(layered.above, layered.below, strict=True)]
        ported = {*layered.own_above, *layered.own_below}
        own = {
            vertex: layered.own_above.get(vertex, [vertex] * len(layered.above[vertex]))
            + layered.own_below.get(vertex, [vertex] * len(layered.below[vertex]))
            for vertex in ported
        }
        pulls = _pulls(layered, self._stiff, around, own, is_mixed=True)
        for layer in [*layered.layers, *reversed(layered.layers)]:
            self._pull(layer, pulls)

    def fix_columns(self) -> None:
        """Put the pieces of each vertex that takes several layers over one another, and leave
        them there."""
        columns = _columns(self._layered)
        wanted = {foot: sum([self.place[piece] for piece in pieces]) / len(pieces) for foot, pieces in columns.items()}
        foot_of = {piece: foot for foot, pieces in columns.items() for piece in pieces}
        distances = self._distances(foot_of)
        pending = dict.fromkeys(columns, 0)
        for others in distances.values():
            for other in others:
                pending[other] += 1
        order = [foot for foot in columns if not pending[foot]]
        for foot in order:  # it grows
            for other, distance in distances[foot].items():
                wanted[other] = max(wanted[other], wanted[foot] + distance)
                pending[other] -= 1
                if not pending[other]:
                    order.append(other)
        self._columns = {piece: wanted[foot] for piece, foot in foot_of.items()}

    def _distances(self, foot_of: Mapping[int, int]) -> dict[int, dict[int, float]]:
        """How far apart columns must be that are neighbours in a layer, for what lies between
        them."""
        distances: dict[int, dict[int, float]] = {foot: {} for foot in foot_of.values()}
        for layer in self._layered.layers:
            previous, way = -1, 0.0
            for vertex in layer:
                way += self.room[vertex]
                if (foot := foot_of.get(vertex, -1)) >= 0:
                    if previous >= 0:
                        distances[previous][foot] = max(way, distances[previous].get(foot, 0.0))
                    previous, way = foot, 0.0
                way += self.room[vertex]
        return distances

    def _pull(self, layer: Sequence[int], pulls: _Pulls) -> None:
        place = self.place
        ends, offset, weight = pulls
        wishes: list[float] = []
        for vertex in layer:
            near = ends[vertex]
            if len(near) == 1:
                wishes.append(place[near[0]] - offset[vertex])
            elif near:
                wishes.append(sum([place[end] for end in near]) / len(near) - offset[vertex])
            else:
                wishes.append(place[vertex])
        self._settle(layer, wishes, [weight[vertex] for vertex in layer])

    def _settle(self, layer: Sequence[int], wishes: Sequence[float], weights: Sequence[float]) -> None:
        """Put the vertices of a layer as near to where they wish to be as order, distances and
        columns allow."""
        begin, left = 0, -inf
        if self._columns:
            for position, vertex in enumerate(layer):
                if vertex in self._columns:
                    here, room = self._columns[vertex], self.room[vertex]
                    part = slice(begin, position)
                    self._settle_between(layer[part], wishes[part], weights[part], left, here - room)
                    self.place[vertex] = here
                    begin, left = position + 1, here + room
        self._settle_between(layer[begin:], wishes[begin:], weights[begin:], left, inf)
        if self.ports:
            place, offset = self.place, self._layered.offset
            for vertex in layer:
                for end in self.ports.get(vertex, ()):
                    place[end] = place[vertex] + offset[end]

    def _settle_between(
        self, vertices: Sequence[int], wishes: Sequence[float], weights: Sequence[float], left: float, right: float
    ) -> None:
        room, place = self.room, self.place
        means: list[float] = []
        sums: list[float] = []
        starts: list[float] = []
        ends: list[int] = []
        reach = 0.0
        for vertex, wish, weight in zip(vertices, wishes, weights, strict=True):
            reach += room[vertex]
            starts.append(reach)
            mean, total = wish - reach, weight
            reach += room[vertex]
            while means and means[-1] >= mean:
                other = sums.pop()
                mean = (means.pop() * other + mean * total) / (other + total)
                total += other
                ends.pop()
            means.append(mean)
            sums.append(total)
            ends.append(len(starts))
        most = right - reach
        begin = 0
        for mean, end in zip(means, ends, strict=True):
            origin = min(max(mean, left), most)
            for position in range(begin, end):
                place[vertices[position]] = origin + starts[position]
            begin = end


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


def _pulls(
    layered: Layered,
    stiff: Sequence[int],
    neighbours: Sequence[Sequence[int]],
    own: Mapping[int, Sequence[int]],
    *,
    is_mixed: bool = False,
) -> _Pulls:
    """What pulls at each vertex.

    At a bend only bends do, if it has such neighbours, and at a box only boxes unless `is_mixed`:
    lines make way for boxes. Where vertices are pulled from one side, boxes that lines join would
    else drift aside from layer to layer.
    """
    ends: list[Sequence[int]] = [()] * len(neighbours)
    offset = [0.0] * len(neighbours)
    weight = [_INERTIA] * len(neighbours)
    for vertex, near in enumerate(neighbours):
        if not near:
            continue
        is_stiff = stiff[vertex]
        if len(near) == 1 and vertex not in own:
            ends[vertex] = near
            weight[vertex] = _WEIGHTS[is_stiff + stiff[near[0]]]
            continue
        alike = [position for position, end in enumerate(near) if stiff[end] == is_stiff]
        chosen = range(len(near)) if not alike or (is_mixed and not is_stiff) else alike
        ends[vertex] = [near[position] for position in chosen]
        weight[vertex] = _WEIGHTS[2 * is_stiff if alike else 1] * len(chosen)
        if vertex in own:
            offset[vertex] = sum([layered.offset[own[vertex][position]] for position in chosen]) / len(chosen)
    return _Pulls(ends, offset, weight)
