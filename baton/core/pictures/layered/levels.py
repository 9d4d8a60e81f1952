"""Where layers and vertices lie along the flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baton.core.pictures.layered.detours import Detours
from baton.core.pictures.layered.layering import Layered
from baton.core.pictures.layered.network import Network

GAP = 40.0
ARROW_LEAD = 12.0
"""How far a path goes straight before its end, so that an arrow stands on a straight line."""
TAIL_LEAD = 4.0
_MOST_SLOPE_GAP = 72.0
_SLOPE = 0.09
"""A gap grows with the way across that paths go in it, else they would be nearly level."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Places along the flow."""

    begins: Sequence[float]
    """By vertex of the network."""
    curve_begins: Sequence[float]
    """By gap between two layers: from where on paths may go across."""
    curve_ends: Sequence[float]
    end: float
    """Of the last layer."""


def levels_of(network: Network, layered: Layered, middle: Sequence[float], detours: Detours) -> Levels:
    """Return the places along the flow. `middle` has the place of each end across."""
    thickness = [0.0] * len(layered.layers)
    for vertex, size in enumerate(network.along):
        if layered.foot[vertex] == vertex:
            thickness[layered.rank[vertex]] = max(thickness[layered.rank[vertex]], size)
    gaps = _gaps(network, layered, middle, detours)
    _stretch(network, layered, thickness, gaps)
    layer_begins = [0.0]
    for size, gap in zip(thickness, gaps, strict=False):
        layer_begins.append(layer_begins[-1] + size + gap)
    begins = []
    for vertex, size in enumerate(network.along):
        first, last = layered.rank[vertex], layered.rank[layered.foot[vertex]]
        begins.append((layer_begins[first] + layer_begins[last] + thickness[last] - size) // 2)
    count = range(len(gaps))
    return Levels(
        begins,
        [layer_begins[gap] + thickness[gap] + TAIL_LEAD + detours.leaving_band(gap) for gap in count],
        [layer_begins[gap + 1] - ARROW_LEAD - detours.arriving_band(gap) for gap in count],
        layer_begins[-1] + thickness[-1],
    )


def _gaps(network: Network, layered: Layered, middle: Sequence[float], detours: Detours) -> list[float]:
    gaps = []
    for gap, layer in enumerate(layered.layers[1:]):
        widest = 0.0
        for vertex in layer:
            own = layered.own_above.get(vertex)
            for position, end in enumerate(layered.above[vertex]):
                widest = max(widest, abs(middle[end] - middle[own[position] if own else vertex]))
        bands = detours.leaving_band(gap) + detours.arriving_band(gap)
        gaps.append(GAP + min(_MOST_SLOPE_GAP, _SLOPE * widest) // 1 + bands)
    if network.entries:
        gaps[0] = max(gaps[0], network.first_gap)
    if network.exits:
        gaps[-1] = max(gaps[-1], network.last_gap)
    return gaps


def _stretch(network: Network, layered: Layered, thickness: list[float], gaps: list[float]) -> None:
    """Make room for the vertices that take several layers."""
    tall = [vertex for vertex, foot in enumerate(layered.foot) if foot != vertex]
    for vertex in sorted(tall, key=lambda vertex: layered.rank[layered.foot[vertex]]):
        first, last = layered.rank[vertex], layered.rank[layered.foot[vertex]]
        lacking = network.along[vertex] - sum(thickness[first : last + 1]) - sum(gaps[first:last])
        if lacking > 0:
            gaps[first:last] = [gap + -(-lacking // (last - first)) for gap in gaps[first:last]]
