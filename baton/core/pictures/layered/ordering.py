"""The order of the vertices in each layer, with few crossings: barycenter sweeps, the best order
kept."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from baton.core.pictures.layered.layering import Layered

_WORK = 32_000
"""Vertices and links visited by all sweeps together in a small graph."""
_MOST_ROUNDS = 12
_FEWEST_ROUNDS = 1
_PATIENCE = 3
"""Rounds without an improvement after which the sweeps stop."""
_MOST_SWITCHES = 4
_SWITCH_WORK = 6_000
"""Vertices and links visited when neighbours are switched."""
_MOST_PAIRS = 100
"""Neighbours with more pairs of links are not switched: counting their crossings takes too long."""
_MOST_COUNTED = 14_000
"""In a larger graph crossings are not counted, and the last order is taken."""


def arrange(layered: Layered) -> None:
    """Put the vertices of each layer in order. The same graph always gets the same order."""
    _depth_first(layered)
    size = len(layered.vertex_of) + sum(map(len, layered.above))
    rounds = min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, _WORK // (2 * size)))
    places = _Places(layered)
    is_counted = size <= _MOST_COUNTED
    fewest = places.crossings() if is_counted else 0
    best = [layer.copy() for layer in layered.layers]
    impatience = 0
    for _ in range(rounds):
        if is_counted and (fewest == 0 or impatience == _PATIENCE):
            break
        places.sweep_up()
        places.sweep_down()
        crossings = places.crossings() if is_counted else 0
        if crossings < fewest or not is_counted:
            best, fewest, impatience = [layer.copy() for layer in layered.layers], crossings, 0
        else:
            impatience += 1
    layered.layers[:] = best
    places.settle_all()
    for _ in range(min(_MOST_SWITCHES, _SWITCH_WORK // size)):
        if not places.switch():
            break


def crossed_columns(layered: Layered) -> bool:
    """Return whether a link, or another column, crosses a vertex that takes several layers."""
    if not layered.piece_above:
        return False
    vertex_of = layered.vertex_of
    for upper, lower in zip(layered.layers, layered.layers[1:], strict=False):
        columns = {layered.piece_above[piece]: piece for piece in lower if piece in layered.piece_above}
        if [columns[vertex] for vertex in upper if vertex in columns] != [*columns.values()]:
            return True
        left_above, left_below = _left_of(upper, columns.keys()), _left_of(lower, {*columns.values()})
        for vertex in lower:
            if any(left_above[vertex_of[end]] != left_below[vertex] for end in layered.above[vertex]):
                return True
    return False


def _left_of(layer: Sequence[int], columns: AbstractSet[int]) -> dict[int, int]:
    """By vertex: how many of the columns lie left of it."""
    counts: dict[int, int] = {}
    passed = 0
    for vertex in layer:
        counts[vertex] = passed
        passed += vertex in columns
    return counts


def _depth_first(layered: Layered) -> None:
    """Put vertices into their layers as they are met from the sources, in the order in which
    they were given."""
    seen = bytearray(len(layered.vertex_of))
    vertex_of, below, rank = layered.vertex_of, layered.below, layered.rank
    starts = [vertex for layer in layered.layers for vertex in layer if not layered.above[vertex]]
    layers: list[list[int]] = [[] for _ in layered.layers]
    for start in sorted(starts):
        stack = [start]
        while stack:
            vertex = stack.pop()
            if not seen[vertex]:
                seen[vertex] = 1
                layers[rank[vertex]].append(vertex)
                stack.extend([vertex_of[end] for end in reversed(below[vertex])])
    layered.layers[:] = layers


class _Places:
    """Where each end lies in its layer, as a part of its length; kept up to date by the sweeps."""

    def __init__(self, layered: Layered) -> None:
        self._layered = layered
        self._place = [0.0] * len(layered.vertex_of)
        self._wanted = [0.0] * len(layered.vertex_of)
        self._ports: dict[int, list[tuple[int, float]]] = {}
        for end, vertex in enumerate(layered.vertex_of):
            if end != vertex:
                part = layered.offset[end] / (2 * layered.half[vertex] + 1)
                self._ports.setdefault(vertex, []).append((end, part))
        self.settle_all()

    def settle_all(self) -> None:
        for layer in self._layered.layers:
            self._settle(layer)

    def switch(self) -> bool:
        """Switch neighbours in a layer wherever that leaves fewer crossings, and return whether
        any were."""
        place, above, below = self._place, self._layered.above, self._layered.below
        has_changed = False
        for layer in self._layered.layers:
            for left in range(len(layer) - 1):
                one, other = layer[left], layer[left + 1]
                gain = 0
                for neighbours in (above, below):
                    here, there = neighbours[one], neighbours[other]
                    if len(here) * len(there) > _MOST_PAIRS:
                        gain = 0
                        break
                    if here and there:
                        gain += sum([(place[a] > place[b]) - (place[a] < place[b]) for a in here for b in there])
                if gain > 0:
                    layer[left], layer[left + 1] = other, one
                    has_changed = True
            self._settle(layer)
        return has_changed

    def sweep_down(self) -> None:
        for layer in self._layered.layers[1:]:
            self._sort(layer, self._layered.above)

    def sweep_up(self) -> None:
        for layer in self._layered.layers[-2::-1]:
            self._sort(layer, self._layered.below)

    def crossings(self) -> int:
        """Return how many links cross."""
        return sum(self._crossings_above(layer) for layer in self._layered.layers[1:])

    def _sort(self, layer: list[int], neighbours: Sequence[list[int]]) -> None:
        place = self._place
        wanted = self._wanted
        for vertex in layer:
            near = neighbours[vertex]
            if len(near) == 1:
                wanted[vertex] = place[near[0]]
            elif near:
                wanted[vertex] = sum(map(place.__getitem__, near)) / len(near)
            else:
                wanted[vertex] = place[vertex]
        layer.sort(key=wanted.__getitem__)
        self._settle(layer)

    def _settle(self, layer: Sequence[int]) -> None:
        place, ports = self._place, self._ports
        step = 1 / max(1, len(layer))
        for index, vertex in enumerate(layer):
            place[vertex] = (index + 0.5) * step
        if ports:
            for vertex in layer:
                for end, part in ports.get(vertex, ()):
                    place[end] = place[vertex] + part * step

    def _crossings_above(self, layer: Sequence[int]) -> int:
        place, above, own = self._place, self._layered.above, self._layered.own_above
        passed: list[float] = []
        crossings = 0
        for vertex in layer:
            if vertex in own:
                for _, upper in sorted(
                    (place[mine], place[end]) for mine, end in zip(own[vertex], above[vertex], strict=True)
                ):
                    crossings += len(passed) - bisect_right(passed, upper)
                    insort(passed, upper)
            else:
                uppers = [place[end] for end in above[vertex]]
                for upper in uppers:
                    crossings += len(passed) - bisect_right(passed, upper)
                for upper in uppers:
                    insort(passed, upper)
        return crossings
