"""Rectangles set in rows, as words are."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple


class Packed(NamedTuple):
    """Where each rectangle begins, across and along, and the size of the whole."""

    places: Sequence[tuple[float, float]]
    across: float
    along: float


def packed(sizes: Sequence[tuple[float, float]], gap: float, ratio: float) -> Packed:
    """Return a place for each rectangle, in rows from left to right, those that are longest along first.

    `ratio` is the wanted ratio of the size across to the size along. Linear but for the sort.
    """
    area = sum([(across + gap) * (along + gap) for across, along in sizes])
    room = max([sqrt(area * ratio), *[across + gap for across, _ in sizes]])
    places = [(0.0, 0.0)] * len(sizes)
    left = top = bottom = widest = 0.0
    for position in sorted(range(len(sizes)), key=lambda position: -sizes[position][1]):
        across, along = sizes[position]
        if left and left + across + gap > room:
            left, top = 0.0, bottom + gap
        places[position] = (left, top)
        left += across + gap
        widest = max(widest, left - gap)
        bottom = max(bottom, top + along)
    return Packed(places, widest, bottom)
