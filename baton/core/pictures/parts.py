"""The connected parts of one level of a nested graph, each laid out by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from baton.core.pictures.layered.arranging import arranged
from baton.core.pictures.layered.network import Arrangement, Link, Network, Port
from baton.core.pictures.scopes import BorderPort, Scope, ScopeLink


class Extent(NamedTuple):
    """A size, or the distance from a corner."""

    across: float
    along: float


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a level is laid out: all that lies further inside."""

    ports: Mapping[int, BorderPort]
    """All of the diagram, by number."""
    extents: Mapping[int, Extent]
    """By box."""
    offsets: Mapping[int, float]
    """By port: how far it is across from the middle of its group."""


class Part(NamedTuple):
    """A connected part of a level."""

    vertices: Sequence[int]
    """Members of the level, and ports on its border."""
    links: Sequence[int]
    """Positions in the level's links."""
    has_entries: bool
    has_exits: bool
    arrangement: Arrangement


def parts_of(scope: Scope, known: Known, first_gap: float, last_gap: float) -> list[Part]:
    """Return the parts of a level. What has ports on the level's border is one part, and the first.

    The gaps are the least distances between the border and the layers next to it, where there are
    ports.
    """
    links = list(scope.links)
    local = {*scope.members, *scope.ports}
    ends = [(_vertex(link.tail, local, known), _vertex(link.head, local, known)) for link in links]
    border = zip(scope.ports, scope.ports[1:], strict=False)
    part_of = _connected([*scope.ports, *scope.members], [*ends, *border])
    vertices: dict[int, list[int]] = {}
    for vertex, part in part_of.items():
        vertices.setdefault(part, []).append(vertex)
    inner: dict[int, list[int]] = {part: [] for part in vertices}
    for position, (tail, _) in enumerate(ends):
        inner[part_of[tail]].append(position)
    return [
        _part(members, inner[part], [links[position] for position in inner[part]], known, first_gap, last_gap)
        for part, members in vertices.items()
    ]


def _vertex(end: int, local: set[int], known: Known) -> int:
    """The vertex of a level that an end is at: itself, or the group that has it on its border."""
    return end if end in local else known.ports[end].group


def _connected(vertices: Sequence[int], pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """By vertex: one vertex that stands for all that are connected with it. In the order of the
    vertices."""
    leader = {vertex: vertex for vertex in vertices}

    def found(vertex: int) -> int:
        while leader[vertex] != vertex:
            leader[vertex] = vertex = leader[leader[vertex]]
        return vertex

    for one, other in pairs:
        leader[found(other)] = found(one)
    return {vertex: found(vertex) for vertex in vertices}


def _part(
    vertices: list[int], positions: list[int], links: list[ScopeLink], known: Known, first_gap: float, last_gap: float
) -> Part:
    ports = known.ports
    entries = [index for index, vertex in enumerate(vertices) if vertex in ports and not ports[vertex].is_exit]
    exits = [index for index, vertex in enumerate(vertices) if vertex in ports and ports[vertex].is_exit]
    if not links:
        extent = known.extents[vertices[0]]
        lonely = Arrangement(extent.across, extent.along, [(extent.across / 2, 0.0)], [])
        return Part(vertices, positions, False, False, lonely)
    extents = [Extent(0.0, 0.0) if vertex in ports else known.extents[vertex] for vertex in vertices]
    number = {vertex: index for index, vertex in enumerate(vertices)}
    inner_ports: list[Port] = []
    for link in links:
        for end in (link.tail, link.head):
            if end not in number:
                number[end] = len(vertices) + len(inner_ports)
                inner_ports.append(Port(number[ports[end].group], known.offsets[end]))
    network = Network(
        across=[extent.across for extent in extents],
        along=[extent.along for extent in extents],
        ports=inner_ports,
        links=[Link(number[tail], number[head], is_fan_out) for tail, head, is_fan_out in links],
        entries=entries,
        exits=exits,
        first_gap=first_gap,
        last_gap=last_gap,
    )
    return Part(vertices, positions, bool(entries), bool(exits), arranged(network))
