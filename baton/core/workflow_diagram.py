"""What a picture of a workflow shows that is not inserted yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from baton.core.compile import CompiledGraph
from baton.core.draft import IGNORES_ALL, Added, Draft, DraftMap, Own
from baton.core.item_worker import ItemWorker
from baton.core.job import Job
from baton.core.pictures.diagram import Diagram, Edge, EdgeKind, Kind, Node
from baton.core.waits import Wait

KINDS_OF_WAITS: Mapping[str, Kind] = {
    "baton.signal": "signal",
    "baton.message": "signal",
    "baton.timer": "timer",
    "baton.run": "run",
}
"""How steps without a worker are drawn, by what stands in the place of its name."""


def diagram_of(graph: CompiledGraph, title: str) -> Diagram:
    """Return the diagram of a checked workflow: its groups open, its maps one box each."""
    nodes: list[Node] = []
    groups: list[Node] = []
    for position, step in enumerate(graph.steps):
        if isinstance(step.what, Own):
            continue
        (groups if isinstance(step.what, Draft) else nodes).append(_box(graph, position, step))
    edges = tuple(edge for position in range(len(graph.steps)) for edge in _edges(graph, position))
    return Diagram(tuple(nodes), edges, tuple(groups), title)


def edge_kind(bits: int) -> EdgeKind:
    """Return how an edge is drawn, from its bits (see `Extras.edges`)."""
    if bits > IGNORES_ALL:
        return "observed"
    return "optional" if bits else "required"


def last_of(names: Sequence[str], waited_for: set[str]) -> list[str]:
    """Return those of the ordinary steps of a scope that none of them waits for: a closing step is drawn after these.

    It observes all of them, which would be as many lines.
    """
    return [name for name in names if name not in waited_for]


def _box(graph: CompiledGraph, position: int, step: Added) -> Node:
    parent = graph.parents.get(position)
    return Node(
        graph.names[position],
        step.name,
        _sublabel(step),
        kind=_kind(step),
        parent=None if parent is None else graph.names[parent],
    )


def _kind(step: Added) -> Kind:
    if step.is_closing:
        return "closing"
    if isinstance(step.what, Draft):
        return "workflow"
    if isinstance(step.what, Wait):
        return KINDS_OF_WAITS[step.what.worker]
    assert isinstance(step.what, Job)
    return "map" if step.what.arguments.each else "step"


def _sublabel(step: Added) -> str:
    """Return its worker, unless the step is named as that, and what takes it back."""
    if isinstance(step.what, Draft | DraftMap | Own):
        return ""
    worker = step.what.in_words if isinstance(step.what, Wait) else _name_of_worker(step.what)
    parts = [] if worker == step.name else [worker]
    if step.control is not None and step.control.undo is not None:
        parts.append(f"undo: {step.control.undo.worker.name}")
    return ", ".join(parts)


def _name_of_worker(job: Job) -> str:
    if isinstance(job.worker, ItemWorker):
        return f"workflow of {len(job.worker.draft.steps)} steps"
    return job.worker.name


def _edges(graph: CompiledGraph, position: int) -> Iterator[Edge]:
    step, name = graph.steps[position], graph.names[position]
    if isinstance(step.what, Own):
        return
    if step.closes_all:
        yield from [Edge(last, name, "observed") for last in _last_before(graph, position)]
    for dependency, bits in step.edges().items():
        yield Edge(graph.names[graph.scopes[position][dependency]], name, edge_kind(bits))


def _last_before(graph: CompiledGraph, closing: int) -> list[str]:
    parent = graph.parents.get(closing)
    siblings = range(graph.children) if parent is None else graph.groups[parent]
    ordinary = [p for p in siblings if not graph.steps[p].is_closing and not isinstance(graph.steps[p].what, Own)]
    waited_for = {graph.names[graph.scopes[p][name]] for p in ordinary for name in graph.steps[p].edges()}
    return last_of([graph.names[p] for p in ordinary], waited_for)
