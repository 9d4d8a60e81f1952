"""Empty strips along the whole flow closed, as parts that nothing joins would leave between
them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import MutableSequence
from itertools import accumulate

from baton.core.pictures.layered.layering import Layered
from baton.core.pictures.layered.network import BOX_MARGIN

_WIDEST = 2 * BOX_MARGIN
"""What is left of a strip: the distance of two boxes in a layer."""


def close_strips(layered: Layered, place: MutableSequence[float]) -> None:
    """Move what lies behind an empty strip nearer. `place` has the places of all ends."""
    borders = []
    for layer in layered.layers:
        for vertex in layer:
            here, half = place[vertex], layered.half[vertex]
            ends = [place[end] for end in layered.above[vertex]]
            borders.append((min([here - half, *ends]), max([here + half, *ends])))
    borders.sort()
    starts: list[float] = []
    excess: list[float] = []
    reached = borders[0][1]
    for begin, end in borders:
        if begin - reached > _WIDEST:
            starts.append(begin)
            excess.append(begin - reached - _WIDEST)
        reached = max(reached, end)
    if starts:
        moves = [0.0, *accumulate(excess)]
        for end, at in enumerate(place):
            place[end] = at - moves[bisect_right(starts, at)]
