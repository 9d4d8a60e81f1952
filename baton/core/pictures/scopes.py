"""The levels of a nested graph, and what each edge is on the levels it passes.

Each group is laid out by itself, the innermost first, and is one vertex of the level around it. An
edge that crosses the border of a group is a link inside, which ends at a port on the border, and
goes on outside from that port.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from baton.core.pictures.diagram import Diagram
from baton.core.pictures.layered.ranking import against_the_flow

ROOT = -1
"""The outermost level."""


class BorderPort(NamedTuple):
    """A place on the border of a group through which edges go that share a line."""

    group: int
    is_exit: bool


class ScopeLink(NamedTuple):
    """A part of an edge on one level. Its ends are positions of boxes, or ports, counted on from
    the last box."""

    tail: int
    head: int
    is_fan_out: bool


class Stretch(NamedTuple):
    """The part of an edge that is a link of a scope."""

    scope: int
    link: int


class Course(NamedTuple):
    """The parts of an edge, in the direction of flow."""

    stretches: Sequence[Stretch]
    is_turned: bool
    """The edge goes against the flow, as one edge of each cycle must."""


@dataclass(slots=True)
class Scope:
    """One level: what lies directly in a group, or in the diagram."""

    members: list[int] = field(default_factory=list)
    """Positions of boxes: first all nodes of the diagram, then all groups."""
    ports: list[int] = field(default_factory=list)
    """On the border of the group itself."""
    links: dict[ScopeLink, int] = field(default_factory=dict)
    """In order; edges that share all of a link share it."""


@dataclass(slots=True)
class Nesting:
    """A diagram, level by level."""

    parents: list[int]
    """By box."""
    scopes: dict[int, Scope]
    """By group; a group comes before the groups in it."""
    ports: list[BorderPort]
    courses: list[Course]
    """By edge."""


def nesting(diagram: Diagram) -> Nesting:
    """Return the levels of a diagram, in time linear in its boxes and in its edges times the
    borders they cross."""
    boxes = (*diagram.nodes, *diagram.groups)
    position = {box.key: index for index, box in enumerate(boxes)}
    parents = [ROOT if box.parent is None else position[box.parent] for box in boxes]
    scopes = _scopes(parents, len(diagram.nodes))
    depths = {ROOT: 0}
    for group in scopes:
        if group != ROOT:
            depths[group] = depths[parents[group]] + 1
    result = Nesting(parents, scopes, [], [])
    ends = [(position[edge.source], position[edge.target]) for edge in diagram.edges]
    chains = [_chain(parents, depths, source, target) for source, target in ends]
    turned = _turned(chains, scopes)
    _Courses(result, ends, turned).add_all(chains)
    return result


def _scopes(parents: Sequence[int], nodes: int) -> dict[int, Scope]:
    inside: dict[int, Scope] = {ROOT: Scope()} | {group: Scope() for group in range(nodes, len(parents))}
    for box, parent in enumerate(parents):
        inside[parent].members.append(box)
    found = {ROOT: inside[ROOT]}
    open_groups = [ROOT]
    for group in open_groups:  # it grows
        for member in inside[group].members:
            if member >= nodes:
                found[member] = inside[member]
                open_groups.append(member)
    return found


class _Chain(NamedTuple):
    """The boxes around each end of an edge, from the end itself to the member of the level where
    both are."""

    scope: int
    source: list[int]
    target: list[int]


def _chain(parents: Sequence[int], depths: dict[int, int], source: int, target: int) -> _Chain:
    up, down = [source], [target]
    outer, other = parents[source], parents[target]
    while outer != other:
        if depths[outer] >= depths[other]:
            up.append(outer)
            outer = parents[outer]
        else:
            down.append(other)
            other = parents[other]
    return _Chain(outer, up, down)


def _turned(chains: Sequence[_Chain], scopes: dict[int, Scope]) -> set[int]:
    """The edges that go against the flow of the level where their ends meet."""
    by_scope: dict[int, list[int]] = {}
    for edge, chain in enumerate(chains):
        by_scope.setdefault(chain.scope, []).append(edge)
    turned: set[int] = set()
    for group, edges in by_scope.items():
        local = {member: index for index, member in enumerate(scopes[group].members)}
        pairs = [(local[chains[edge].source[-1]], local[chains[edge].target[-1]]) for edge in edges]
        turned.update([edges[index] for index in against_the_flow(len(local), pairs)])
    return turned


class _Courses:
    """Cuts edges into links."""

    def __init__(self, result: Nesting, ends: Sequence[tuple[int, int]], turned: set[int]) -> None:
        self._result = result
        self._turned = turned
        self._boxes = len(result.parents)
        self._ports: dict[tuple[int, int, bool, bool], int] = {}
        self._flow = [(b, a) if edge in turned else (a, b) for edge, (a, b) in enumerate(ends)]
        self._leaving = Counter(tail for tail, _ in self._flow)
        self._arriving = Counter(head for _, head in self._flow)

    def add_all(self, chains: Sequence[_Chain]) -> None:
        for edge, ((tail, head), chain) in enumerate(zip(self._flow, chains, strict=True)):
            is_turned = edge in self._turned
            up, down = (chain.target, chain.source) if is_turned else (chain.source, chain.target)
            # An edge shares its line with the others of that end which has more of them.
            is_fan_out = self._leaving[tail] >= self._arriving[head]
            if len(up) == len(down) == 1:
                self._result.courses.append(Course([self._link(chain.scope, tail, head, is_fan_out)], is_turned))
                continue
            hub = tail if is_fan_out else head
            exits = [tail, *[self._port(group, hub, is_fan_out, is_exit=True) for group in up[1:]]]
            entries = [head, *[self._port(group, hub, is_fan_out, is_exit=False) for group in down[1:]]]
            stretches = [
                *[self._link(group, *ends, is_fan_out) for group, ends in zip(up[1:], pairwise(exits), strict=True)],
                self._link(chain.scope, exits[-1], entries[-1], is_fan_out),
            ]
            for group, (inner, outer) in zip(down[:0:-1], pairwise(entries[::-1]), strict=True):
                stretches.append(self._link(group, inner, outer, is_fan_out))
            self._result.courses.append(Course(stretches, is_turned))

    def _port(self, group: int, hub: int, is_fan_out: bool, *, is_exit: bool) -> int:
        key = (group, hub, is_fan_out, is_exit)
        if (port := self._ports.get(key)) is None:
            port = self._ports[key] = self._boxes + len(self._result.ports)
            self._result.ports.append(BorderPort(group, is_exit))
            self._result.scopes[group].ports.append(port)
        return port

    def _link(self, scope: int, tail: int, head: int, is_fan_out: bool) -> Stretch:
        links = self._result.scopes[scope].links
        return Stretch(scope, links.setdefault(ScopeLink(tail, head, is_fan_out), len(links)))
