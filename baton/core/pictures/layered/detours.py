"""Links that go around at the side: out into a gap behind their layer, along a lane, and in through
another gap.

Only in a graph with very many long links are there any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from baton.core.pictures.layered.layering import Ends, Layered

_LANE = 9.0
_TRACK = 7.0
_MOST_LANES = 24
_MOST_TRACKS = 6
"""Lines beyond these numbers share the place of others, so that no picture grows sideways without
bound."""


@dataclass(slots=True)
class Detours:
    """The lanes, which lie along the flow at both sides, and the tracks, which lie across it in
    the gaps."""

    lanes: dict[int, float] = field(default_factory=dict)
    """By link: where its lane is across."""
    leaving: dict[int, dict[int, int]] = field(default_factory=dict)
    """By gap: the tracks behind its first layer, by the end that links leave from."""
    arriving: dict[int, dict[int, int]] = field(default_factory=dict)
    """By gap: the tracks before its last layer, by the end that links come to."""
    begin: float = 0.0
    """Where the outermost lane on the left is, or the leftmost box."""
    end: float = 0.0

    def leaving_band(self, gap: int) -> float:
        """Return how much room the tracks at the beginning of a gap take."""
        return _band(self.leaving.get(gap, {}))

    def arriving_band(self, gap: int) -> float:
        """Return how much room the tracks at the end of a gap take."""
        return _band(self.arriving.get(gap, {}))

    def track_out(self, link: Ends) -> float:
        """Return how far behind the layer of its tail a link turns to the side."""
        return (self.leaving[link.leaves][link.tail] + 1) * _TRACK

    def track_in(self, link: Ends) -> float:
        """Return how far before the band's end a link turns in from the side."""
        return self.arriving[link.arrives - 1][link.head] * _TRACK


def detours_of(layered: Layered, middle: Sequence[float], begin: float, end: float) -> Detours:
    """Return lanes and tracks. `middle` has the place of each end, `begin` and `end` those of
    the outermost boxes."""
    detours = Detours(begin=begin, end=end)
    left: list[tuple[int, int, list[int]]] = []
    right: list[tuple[int, int, list[int]]] = []
    for trunk in layered.detours:
        links = [link for link in trunk.links if layered.links[link].arrives - layered.links[link].leaves > 1]
        ends = [layered.links[link] for link in links]
        for one in ends:
            _take_track(detours.leaving.setdefault(one.leaves, {}), one.tail)
            _take_track(detours.arriving.setdefault(one.arrives - 1, {}), one.head)
        reach = min([one.leaves for one in ends]), max([one.arrives for one in ends])
        lean = sum([middle[one.tail] + middle[one.head] - begin - end for one in ends])
        (left if lean < 0 else right).append((*reach, links))
    for side, edge, sign in ((left, begin, -1), (right, end, 1)):
        for link, lane in _lanes(side).items():
            detours.lanes[link] = edge + sign * (lane + 2) * _LANE
    detours.begin = min([begin, *[lane - _LANE for lane in detours.lanes.values()]])
    detours.end = max([end, *[lane + _LANE for lane in detours.lanes.values()]])
    return detours


def _lanes(reaches: list[tuple[int, int, list[int]]]) -> dict[int, int]:
    """Return the lane of each link: the innermost one that is free from its first layer to its
    last."""
    lanes: dict[int, int] = {}
    free_from: list[int] = []
    for first, last, links in sorted(reaches):
        free = next((lane for lane, rank in enumerate(free_from) if rank <= first), -1)
        if free < 0 and len(free_from) < _MOST_LANES:
            free = len(free_from)
            free_from.append(0)
        elif free < 0:
            free = free_from.index(min(free_from))
        free_from[free] = max(last, free_from[free])
        lanes.update(dict.fromkeys(links, free))
    return lanes


def _band(tracks: dict[int, int]) -> float:
    return (min(len(tracks), _MOST_TRACKS) + 1) * _TRACK if tracks else 0.0


def _take_track(tracks: dict[int, int], end: int) -> None:
    tracks.setdefault(end, len(tracks) % _MOST_TRACKS)
