"""Whether a picture that flows down would be too wide, estimated before anything is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from baton.core.pictures.diagram import Diagram
from baton.core.pictures.layered.levels import GAP
from baton.core.pictures.layered.network import BOX_MARGIN
from baton.core.pictures.sizing import Sized

_BEST = 1.0
_TOO_WIDE = 2.4
"""The ratio of width to height from which on another direction is considered."""


def is_wide(diagram: Diagram, sizes: Sequence[Sized]) -> bool:
    """Return whether the graph is better drawn from left to right. `sizes` are those of the
    diagram's nodes."""
    layers: dict[int, list[Sized]] = {}
    joined = {end for edge in diagram.edges for end in (edge.source, edge.target)}
    ranks = _ranks(diagram)
    for index, node in enumerate(diagram.nodes):
        if node.key in joined:
            layers.setdefault(ranks[index], []).append(sizes[index])
    if not layers:
        return False
    down = _ratio(layers, is_down=True)
    return down > _TOO_WIDE and abs(log(_ratio(layers, is_down=False) / _BEST)) < abs(log(down / _BEST))


def _ratio(layers: dict[int, list[Sized]], *, is_down: bool) -> float:
    widths = [[sized.width for sized in layer] for layer in layers.values()]
    heights = [[sized.height for sized in layer] for layer in layers.values()]
    across, along = (widths, heights) if is_down else (heights, widths)
    room = max([sum(layer) + 2 * BOX_MARGIN * len(layer) for layer in across])
    way = sum([max(layer) + GAP for layer in along])
    return room / way if is_down else way / room


def _ranks(diagram: Diagram) -> list[int]:
    """The longest path to each node, through the groups; members of a cycle stay at 0."""
    begins = {box.key: index for index, box in enumerate((*diagram.nodes, *diagram.groups))}
    ends = begins | {group.key: len(begins) + index for index, group in enumerate(diagram.groups)}
    after: list[list[int]] = [[] for _ in range(len(begins) + len(diagram.groups))]
    for edge in diagram.edges:
        after[ends[edge.source]].append(begins[edge.target])
    for box in (*diagram.nodes, *diagram.groups):
        if box.parent is not None:
            after[begins[box.parent]].append(begins[box.key])
            after[ends[box.key]].append(ends[box.parent])
    return _longest_paths(after, len(diagram.nodes))


def _longest_paths(after: Sequence[Sequence[int]], nodes: int) -> list[int]:
    pending = [0] * len(after)
    for heads in after:
        for head in heads:
            pending[head] += 1
    ranks = [0] * len(after)
    order = [vertex for vertex in range(len(after)) if not pending[vertex]]
    for vertex in order:  # it grows
        rank = ranks[vertex] + (vertex < nodes)
        for head in after[vertex]:
            ranks[head] = max(ranks[head], rank)
            pending[head] -= 1
            if not pending[head]:
                order.append(head)
    return ranks
