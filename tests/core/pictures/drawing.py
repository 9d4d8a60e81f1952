"""Random diagrams: nested, with edges between all levels, cycles if they are asked for, and
islands."""

from __future__ import annotations

import random

from baton.core.pictures.diagram import EDGE_KINDS, KINDS, STATES, Diagram, Edge, Node, ancestors


def drawn_dag(source: random.Random, nodes: int, edges: int, reach: int | None = None) -> Diagram:
    """A graph without groups, whose edges lead at most `reach` nodes on."""
    ends: dict[tuple[int, int], None] = {}
    while len(ends) < edges:
        tail = source.randrange(nodes - 1)
        head = source.randrange(tail + 1, nodes if reach is None else min(nodes, tail + 1 + reach))
        ends[tail, head] = None
    return Diagram(
        tuple([Node(f"s{index}", f"step {index}", "worker") for index in range(nodes)]),
        tuple([Edge(f"s{tail}", f"s{head}") for tail, head in ends]),
    )


def drawn_diagram(source: random.Random, *, has_cycles: bool = False) -> Diagram:
    """A graph of up to 40 nodes in up to 8 groups, in one another at random; edges join boxes of
    all levels."""
    groups: list[Node] = []
    for index in range(source.choice([0, 1, 2, 4, 8])):
        parent = source.choice([None, *[group.key for group in groups]])
        groups.append(drawn_node(source, f"g{index}", parent))
    parents = [None, *[group.key for group in groups]]
    nodes = [drawn_node(source, f"s{index}", source.choice(parents)) for index in range(source.randint(0, 40))]
    boxes = [*nodes, *groups]
    source.shuffle(boxes)
    by_key = {box.key: box.parent for box in boxes}
    edges = []
    for _ in range(source.randint(0, 2 * len(boxes)) if len(boxes) > 1 else 0):
        one, other = source.sample(range(len(boxes)), 2)
        if one > other and not has_cycles:
            one, other = other, one
        tail, head = boxes[one].key, boxes[other].key
        if tail not in ancestors(by_key, head) and head not in ancestors(by_key, tail):
            edges.append(Edge(tail, head, source.choice(EDGE_KINDS)))
    return Diagram(tuple(nodes), tuple(edges), tuple(groups), source.choice(["", "a title"]))


def drawn_node(source: random.Random, key: str, parent: str | None) -> Node:
    counts = {state: source.randint(0, 9) for state in source.sample(STATES, 3)} if source.random() < 0.2 else {}
    return Node(
        key,
        "step " + "x" * source.choice([0, 3, 10, 60]),
        source.choice(["", "worker", "a_worker_with_a_long_name"]),
        source.choice([None, *STATES]),
        source.choice(KINDS),
        parent,
        counts,
    )
