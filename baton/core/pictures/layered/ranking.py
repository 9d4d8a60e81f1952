"""Which layer each vertex goes into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from baton.core.pictures.layered.network import Network


def against_the_flow(count: int, edges: Sequence[tuple[int, int]]) -> set[int]:
    """Return the positions of edges which, turned around, leave no cycle. `count` is the number of
    vertices.

    Depth first, from those vertices on that come first: an edge that leads back to a vertex on the
    current path is turned.
    """
    leaving: list[list[int]] = [[] for _ in range(count)]
    has_entering = bytearray(count)
    for position, (tail, head) in enumerate(edges):
        leaving[tail].append(position)
        has_entering[head] = 1
    turned: set[int] = set()
    unseen, on_path, left = 0, 1, 2
    status = bytearray(count)
    for start in sorted(range(count), key=has_entering.__getitem__):
        if status[start] != unseen:
            continue
        status[start] = on_path
        path = [(start, iter(leaving[start]))]
        while path:
            vertex, remaining = path[-1]
            for position in remaining:
                head = edges[position][1]
                if status[head] == on_path:
                    turned.add(position)
                elif status[head] == unseen:
                    status[head] = on_path
                    path.append((head, iter(leaving[head])))
                    break
            else:
                status[vertex] = left
                path.pop()
    return turned


def ranks_of(network: Network, spans: Sequence[int]) -> list[int]:
    """Return the first layer of each vertex, counted from 0; `spans` says how many layers each
    takes.

    Longest path from the sources. Then what has more dependents than dependencies goes as far down
    as it can, which shortens edges.
    """
    count = len(network.across)
    vertex_of = [*range(count), *[port.vertex for port in network.ports]]
    after: list[list[int]] = [[] for _ in range(count)]
    pending = [0] * count
    for tail, head, _ in network.links:
        after[vertex_of[tail]].append(vertex_of[head])
        pending[vertex_of[head]] += 1
    entering = pending.copy()
    ranks = [1 if network.entries else 0] * count
    _all_at(ranks, network.entries, 0)
    order = [vertex for vertex in range(count) if not pending[vertex]]
    for vertex in order:  # it grows
        rank = ranks[vertex] + spans[vertex]
        for head in after[vertex]:
            ranks[head] = max(ranks[head], rank)
            pending[head] -= 1
            if not pending[head]:
                order.append(head)
    if network.exits:
        _all_at(ranks, network.exits, max(map(int.__add__, ranks, spans)))
    fixed = {*network.entries, *network.exits}
    for vertex in reversed(order):
        if len(after[vertex]) > entering[vertex] and vertex not in fixed:
            ranks[vertex] = min([ranks[head] for head in after[vertex]]) - spans[vertex]
    return ranks


def _all_at(ranks: list[int], vertices: Iterable[int], rank: int) -> None:
    for vertex in vertices:
        ranks[vertex] = rank
