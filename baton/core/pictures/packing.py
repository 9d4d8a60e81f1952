"""Rectangles set on shelves."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

_ALIKE = 1.35
"""How much room may be given away so that columns stand under one another."""


class Packed(NamedTuple):
    """Where each rectangle begins, across and along, and the size of the whole."""

    places: Sequence[tuple[float, float]]
    across: float
    along: float


def packed(sizes: Sequence[tuple[float, float]], gap: float, ratio: float) -> Packed:
    """Return a place for each rectangle: on shelves from left to right, those that are longest
    along first.

    Beside long rectangles there are several rows on a shelf. Short ones stand in columns if they
    are about equally wide. `ratio` is the wanted ratio of the size across to the size along. Linear
    but for the sort.
    """
    area = sum([(across + gap) * (along + gap) for across, along in sizes])
    room = max([sqrt(area * ratio), *[across + gap for across, _ in sizes]])
    places = [(0.0, 0.0)] * len(sizes)
    cells = _cells(sizes)
    shelf = height = row = row_along = begin = left = widest = 0.0
    for position in sorted(range(len(sizes)), key=lambda position: -sizes[position][1]):
        across, along = sizes[position]
        cell = max(across, cells.get(along, 0.0))
        if left > begin and left + cell + gap > room:
            left, row = begin, row + row_along + gap
        if row + along > height or (begin and begin + cell + gap > room):
            # The shelf is full, or there is none yet.
            shelf = shelf + height + gap if height else 0.0
            height, row, begin, left = along, 0.0, 0.0, 0.0
        if left == begin:
            row_along = along
        places[position] = (left, shelf + row)
        widest = max(widest, left + across)
        left += cell + gap
        if 2 * along + gap > height:
            # No second row fits below it: the rows of the shelf begin behind it.
            begin = left
    return Packed(places, widest, shelf + height)


def _cells(sizes: Sequence[tuple[float, float]]) -> dict[float, float]:
    """The width of a column of rectangles by their size along, where they are alike enough to
    stand in columns."""
    widths: dict[float, list[float]] = {}
    for across, along in sizes:
        widths.setdefault(along, []).append(across)
    return {along: max(alike) for along, alike in widths.items() if max(alike) * len(alike) < _ALIKE * sum(alike)}
