"""The layers, with a bend in each one that a long link passes.

Links that share a line share its bends. A vertex that is taller than a layer takes several of them,
as a column of pieces. Links that would need too many bends get none: they go around at the side
(see `detours`), which keeps the number of vertices linear in the size of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from baton.core.pictures.layered.network import BOX_MARGIN, LINE_MARGIN, Network

BENDS_PER_PART = 1
FREE_BENDS = 400


class Ends(NamedTuple):
    """Where a link begins and ends."""

    tail: int
    head: int
    leaves: int
    """The layer of its tail."""
    arrives: int
    """The layer of its head."""


class Trunk(NamedTuple):
    """A line that links share."""

    links: list[int]
    is_fan_out: bool
    """They leave it one after the other; else they join it."""
    first_rank: int
    """The layer of the first bend."""
    bends: list[int]
    """One a layer; none if the links are short, or go around at the side."""


@dataclass(slots=True)
class Layered:
    """Vertices, ports, pieces and bends, all numbered together, in layers.

    What is said of a vertex holds for pieces and bends too. The end of a link is the id of a vertex
    or of a port.
    """

    vertex_of: list[int]
    """By the id of an end: the vertex, piece or bend it is at."""
    offset: list[float]
    """By the id of an end: how far it is from the middle of its vertex."""
    half: list[float]
    """Half the size of a vertex across."""
    margin: list[float]
    """Half the distance that a vertex keeps from others of its kind."""
    rank: list[int]
    is_bend: bytearray
    above: list[list[int]]
    """By vertex: the ends of its links in the layer above."""
    below: list[list[int]]
    own_above: dict[int, list[int]]
    """By vertex, for those with ports: its own ends of the same links."""
    own_below: dict[int, list[int]]
    foot: list[int]
    """The last piece of each vertex of the network, mostly itself."""
    layers: list[list[int]]
    links: list[Ends] = field(default_factory=list)
    piece_above: dict[int, int] = field(default_factory=dict)
    """By piece, but for the first of each column: the piece above it."""
    trunks: list[Trunk] = field(default_factory=list)
    detours: list[Trunk] = field(default_factory=list)
    """Those whose long links go around at the side."""

    def add(self, ranks: range, half: float, margin: float, *, is_bend: bool) -> list[int]:
        """Return the ids of new pieces or bends, one in each of the layers."""
        count, first = len(ranks), len(self.vertex_of)
        vertices = range(first, first + count)
        self.vertex_of.extend(vertices)
        self.offset.extend([0.0] * count)
        self.half.extend([half] * count)
        self.margin.extend([margin] * count)
        self.rank.extend(ranks)
        self.is_bend.extend([is_bend] * count)
        self.above.extend([[] for _ in vertices])
        self.below.extend([[] for _ in vertices])
        for vertex, rank in zip(vertices, ranks, strict=True):
            self.layers[rank].append(vertex)
        return [*vertices]

    def join(self, upper: int, lower: int) -> None:
        """Join two ends in neighbouring layers."""
        tail, head = self.vertex_of[upper], self.vertex_of[lower]
        self.below[tail].append(lower)
        self.above[head].append(upper)
        if tail in self.own_below:
            self.own_below[tail].append(upper)
        if head in self.own_above:
            self.own_above[head].append(lower)


def layered(network: Network, ranks: Sequence[int], spans: Sequence[int]) -> Layered:
    """Return the layers, in no particular order within each. `spans` says how many layers each
    vertex takes."""
    result = _vertices(network, ranks, max(map(int.__add__, ranks, spans)))
    for vertex, span in enumerate(spans):
        if span > 1:
            _add_pieces(result, vertex, span)
    _move_ports_to_feet(result, network)
    for tail, head, _ in network.links:
        start = result.foot[tail] if tail < len(network.across) else tail
        leaves, arrives = result.rank[result.vertex_of[start]], result.rank[result.vertex_of[head]]
        result.links.append(Ends(start, head, leaves, arrives))
    _add_trunks(result, network)
    for trunk in result.trunks:
        _join_links(result, trunk)
    for trunk in result.detours:
        for tail, head, leaves, arrives in [result.links[link] for link in trunk.links]:
            if arrives - leaves == 1:
                result.join(tail, head)
    return result


def _vertices(network: Network, ranks: Sequence[int], depth: int) -> Layered:
    count, ports = len(network.across), network.ports
    ends = count + len(ports)
    layers: list[list[int]] = [[] for _ in range(depth)]
    for vertex, rank in enumerate(ranks):
        layers[rank].append(vertex)
    return Layered(
        vertex_of=[*range(count), *[port.vertex for port in ports]],
        offset=[0.0] * count + [port.offset for port in ports],
        half=[size / 2 for size in network.across] + [0.0] * len(ports),
        margin=[BOX_MARGIN if size else LINE_MARGIN for size in network.across] + [0.0] * len(ports),
        rank=[*ranks, *[0] * len(ports)],
        is_bend=bytearray(ends),
        above=[[] for _ in range(ends)],
        below=[[] for _ in range(ends)],
        own_above={port.vertex: [] for port in ports},
        own_below={port.vertex: [] for port in ports},
        foot=list(range(count)),
        layers=layers,
    )


def _add_pieces(result: Layered, vertex: int, span: int) -> None:
    ranks = range(result.rank[vertex] + 1, result.rank[vertex] + span)
    for piece in result.add(ranks, result.half[vertex], result.margin[vertex], is_bend=False):
        above = result.foot[vertex]
        result.join(above, piece)
        result.piece_above[piece] = above
        result.foot[vertex] = piece


def _move_ports_to_feet(result: Layered, network: Network) -> None:
    """Links leave a vertex that takes several layers at its last piece."""
    for tail in {link.tail for link in network.links if link.tail >= len(network.across)}:
        foot = result.foot[result.vertex_of[tail]]
        result.vertex_of[tail] = foot
        result.own_below.setdefault(foot, [])


def _add_trunks(result: Layered, network: Network) -> None:
    sharing: dict[tuple[int, bool], list[int]] = {}
    for position, (tail, head, is_fan_out) in enumerate(network.links):
        sharing.setdefault((tail if is_fan_out else head, is_fan_out), []).append(position)
    planned = []
    for (_, is_fan_out), links in sharing.items():
        first = min([result.links[link].leaves for link in links]) + 1
        length = max([result.links[link].arrives for link in links]) - first
        planned.append((length, Trunk(links, is_fan_out, first, [])))
    budget = FREE_BENDS + BENDS_PER_PART * (len(network.across) + len(network.links))
    # The shortest first: so most links go straight, and those that go around are few and long.
    for length, trunk in sorted(planned, key=lambda plan: plan[0]):
        budget -= length
        if budget < 0:
            result.detours.append(trunk)
            continue
        ranks = range(trunk.first_rank, trunk.first_rank + length)
        trunk.bends.extend(result.add(ranks, 0.0, LINE_MARGIN, is_bend=True))
        result.trunks.append(trunk)


def _join_links(result: Layered, trunk: Trunk) -> None:
    bends = trunk.bends
    for upper, lower in pairwise(bends):
        result.below[upper].append(lower)
        result.above[lower].append(upper)
    if bends and trunk.is_fan_out:
        result.join(result.links[trunk.links[0]].tail, bends[0])
    elif bends:
        result.join(bends[-1], result.links[trunk.links[0]].head)
    for tail, head, leaves, arrives in [result.links[link] for link in trunk.links]:
        if arrives - leaves == 1:
            result.join(tail, head)
        elif trunk.is_fan_out:
            result.join(bends[arrives - 1 - trunk.first_rank], head)
        else:
            result.join(tail, bends[leaves + 1 - trunk.first_rank])
