"""What a picture shows: nodes, edges and groups, as frozen values that know nothing of workflows
or runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from msgspec import Struct

State = Literal[
    "suspended",
    "scheduled",
    "available",
    "executing",
    "retryable",
    "waiting",
    "completed",
    "cancelled",
    "discarded",
    "skipped",
]
Kind = Literal["step", "map", "workflow", "graph", "signal", "timer", "run", "closing", "undo"]
EdgeKind = Literal["required", "optional", "observed"]

STATES: tuple[State, ...] = get_args(State)
KINDS: tuple[Kind, ...] = get_args(Kind)
EDGE_KINDS: tuple[EdgeKind, ...] = get_args(EdgeKind)


# Structs and no dataclasses: made in a fifth of the time, and there may be many of them.
class Node(Struct, frozen=True):
    """A box of the picture: a step, a group that is shown closed, or, in `Diagram.groups`, one
    that is shown open."""

    key: str
    """What edges and parents refer to it by; unique among nodes and groups."""
    label: str
    """Its name. Any text: what cannot be shown is replaced, what is too long is shortened."""
    sublabel: str = ""
    """A second, smaller line, such as the worker. Empty for none."""
    state: State | None = None
    """None for a workflow that is not inserted."""
    kind: Kind = "step"
    parent: str | None = None
    """The key of the open group it lies in; None for the outermost level."""
    counts: Mapping[State, int] = {}
    """Of a closed group or a map: how many steps below it are in which state. Empty for none."""


class Edge(Struct, frozen=True):
    """A dependency, drawn from the step that is waited for to the one that waits."""

    source: str
    """The key of a node or an open group."""
    target: str
    kind: EdgeKind = "required"


class Diagram(Struct, frozen=True):
    """A graph to be drawn.

    Nodes and groups are drawn in the order given where the edges leave a choice. Edges may join
    nodes and groups of any levels. A cycle is drawn with one of its edges against the direction of
    the others.

    Raises `ValueError` for a key that is given twice or unknown, a negative count, groups that lie
    in one another in a circle, and an edge between a group and itself or what lies in it.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()
    groups: tuple[Node, ...] = ()
    """The groups that are shown open, as boxes around the nodes and groups whose parent they
    are."""
    title: str = ""
    """The name of the whole; empty for none."""

    def __post_init__(self) -> None:
        if (fault := next(_faults(self), None)) is not None:
            raise ValueError(fault)


def ancestors(parents: Mapping[str, str | None], key: str) -> Iterator[str]:
    """Yield the groups around a box, innermost first. `parents` has the parent of each box by
    its key."""
    group = parents[key]
    while group is not None:
        yield group
        group = parents[group]


def _faults(diagram: Diagram) -> Iterator[str]:
    boxes = (*diagram.nodes, *diagram.groups)
    parents = {box.key: box.parent for box in boxes}
    if len(parents) < len(boxes):
        twice = [key for key, times in Counter(box.key for box in boxes).items() if times > 1]
        yield f"the key {twice[0]!r} is given to {len(boxes) - len(parents) + 1} nodes or groups; make keys unique"
    yield from _faults_of_nesting(diagram, parents)
    for box in boxes:
        if any(count < 0 for count in box.counts.values()):
            yield f"{box.key!r} has a negative count: {dict(box.counts)}"
    yield from _faults_of_edges(diagram, parents)


def _faults_of_nesting(diagram: Diagram, parents: Mapping[str, str | None]) -> Iterator[str]:
    groups = {group.key for group in diagram.groups}
    for key, parent in parents.items():
        if parent is not None and parent not in groups:
            yield f"the parent of {key!r} is {parent!r}, which is no group of the diagram; add it to `groups`"
    open_ended = set(groups)
    for group in groups:
        path = []
        inner: str | None = group
        while inner in open_ended:
            open_ended.discard(inner)
            path.append(inner)
            inner = parents[inner]
        if inner in path:
            yield f"the group {inner!r} lies in itself, by way of its parents"


def _faults_of_edges(diagram: Diagram, parents: Mapping[str, str | None]) -> Iterator[str]:
    groups = {group.key for group in diagram.groups}
    for edge in diagram.edges:
        source, target = edge.source, edge.target
        if source not in parents or target not in parents:
            unknown = target if source in parents else source
            yield f"an edge from {source!r} to {target!r} names {unknown!r}, which is no node or group of the diagram"
        elif source == target:
            yield f"an edge joins {source!r} to itself"
        elif (source in groups and source in ancestors(parents, target)) or (
            target in groups and target in ancestors(parents, source)
        ):
            yield f"an edge joins a group to what lies in it: from {source!r} to {target!r}"
