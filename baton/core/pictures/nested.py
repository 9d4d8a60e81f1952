"""A diagram read from the outside in, as languages with nested blocks write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from baton.core.pictures.diagram import STATES, Diagram, Node
from baton.core.pictures.sizing import group_header, node_size


class NodeLine(NamedTuple):
    """A node, and how deep it lies."""

    node: Node
    depth: int


class GroupBegin(NamedTuple):
    """What follows lies in this group, up to its end."""

    group: Node
    depth: int
    is_empty: bool


class GroupEnd(NamedTuple):
    """The innermost group that has begun ends."""

    depth: int


def nested(diagram: Diagram) -> Iterator[NodeLine | GroupBegin | GroupEnd]:
    """Yield nodes and groups in the diagram's order, each group around what lies in it."""
    inside: dict[str | None, list[Node]] = {None: []}
    for group in diagram.groups:
        inside[group.key] = []
    for box in (*diagram.nodes, *diagram.groups):
        inside[box.parent].append(box)
    groups = {group.key for group in diagram.groups}
    open_levels: list[Iterator[Node]] = [iter(inside[None])]
    while open_levels:
        depth = len(open_levels) - 1
        if (inner := next(open_levels[-1], None)) is None:
            open_levels.pop()
            if depth:
                yield GroupEnd(depth - 1)
        elif inner.key in groups:
            yield GroupBegin(inner, depth, not inside[inner.key])
            open_levels.append(iter(inside[inner.key]))
        else:
            yield NodeLine(inner, depth)


def group_line(group: Node) -> str:
    """Return what is written at the head of an open group."""
    shown = group_header(group)
    return f"{shown.label} ({shown.sublabel})" if shown.sublabel else shown.label


def node_lines(node: Node) -> list[str]:
    """Return the lines that are written in a node: its name, what stands under it, and its
    counts."""
    shown = node_size(node)
    counts = ", ".join([f"{node.counts[state]:,} {state}" for state in reversed(STATES) if node.counts.get(state)])
    return [shown.label, *[line for line in (shown.sublabel, counts) if line]]


def short_names(diagram: Diagram) -> dict[str, str]:
    """Return a name for each box by its key, for languages in which a key would need quoting:
    n1, n2, …, g1, g2, …."""
    names = {node.key: f"n{index}" for index, node in enumerate(diagram.nodes, 1)}
    return names | {group.key: f"g{index}" for index, group in enumerate(diagram.groups, 1)}
