"""The pictures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from baton.core.draft import END
from baton.core.drawable import Drawable
from baton.core.item_graphs import ITEM_WORKER
from baton.core.pictures.diagram import Diagram, Edge, EdgeKind, Kind, Node, State
from baton.core.workflow_diagram import KINDS_OF_WAITS, last_of
from baton.database.step_records import StepRecord

LARGEST_OPEN_MAP = 12
"""A map of more children is one box with their states counted."""


class DrawnRun(Drawable):
    """A run as it was when it was read."""

    def __init__(self, steps: Sequence[StepRecord], title: str) -> None:
        self._steps = steps
        self._title = title

    def _diagram(self) -> Diagram:
        return diagram_of(self._steps, self._title)


def diagram_of(steps: Sequence[StepRecord], title: str) -> Diagram:
    """Return the diagram of a run from its steps, as `Queries.steps` returns them."""
    nodes: list[Node] = []
    groups: list[Node] = []
    edges: list[Edge] = []
    scopes: list[tuple[str | None, Sequence[StepRecord]]] = [(None, steps)]
    names = {step.name for step in steps}
    while scopes:
        parent, siblings = scopes.pop()
        for step in siblings:
            is_open = _is_open(step)
            (groups if is_open else nodes).append(_box(step, parent, is_open=is_open))
            if is_open:
                scopes.append((step.name, step.children))
                names.update(child.name for child in step.children)
        edges += edges_among(siblings)
    # A step may depend on one that lies in a closed group: the graph that a step returned knows the
    # names outside it.
    shown = tuple(edge for edge in edges if edge.source in names)
    return Diagram(tuple(nodes), shown, tuple(groups), title)


def _is_open(step: StepRecord) -> bool:
    return bool(step.children) and (step.grouping != "map" or len(step.children) <= LARGEST_OPEN_MAP)


def _box(step: StepRecord, parent: str | None, *, is_open: bool) -> Node:
    label = step.name if parent is None else step.name.removeprefix(parent).removeprefix("/")
    counts: Counter[State] = Counter() if is_open else Counter(_states(step.children))
    is_unnamed = step.worker in (label, ITEM_WORKER) or step.grouping == "workflow"
    worker = "" if is_unnamed else step.worker
    return Node(step.name, label, worker, step.state, kind_of(step), parent, counts)


class DrawnStep(Protocol):
    """What is drawn of a step."""

    @property
    def name(self) -> str: ...
    @property
    def worker(self) -> str: ...
    @property
    def grouping(self) -> str | None: ...
    @property
    def role(self) -> str | None: ...
    @property
    def dependencies(self) -> Sequence[str]: ...
    @property
    def edges(self) -> Sequence[EdgeKind]: ...


def kind_of(step: DrawnStep) -> Kind:
    """Return what a step is drawn as."""
    if step.role is not None:
        return "undo" if step.role == "undo" else "closing"
    match step.grouping:
        case "map" | "workflow" | "graph" as group:
            return group
        case _:
            return KINDS_OF_WAITS.get(step.worker, "step")


def _states(steps: Sequence[StepRecord]) -> Iterator[State]:
    """The states of the steps in a group, of those that stand for no others."""
    open_steps = list(steps)
    while open_steps:
        step = open_steps.pop()
        if step.children:
            open_steps += step.children
        else:
            yield step.state


def edges_among(siblings: Sequence[DrawnStep]) -> Iterator[Edge]:
    """Yield the edges to the steps of one scope. They may come from steps that are not drawn."""
    ordinary = [step for step in siblings if step.role is None]
    waited_for = {name for step in ordinary for name in step.dependencies}
    last = last_of([step.name for step in ordinary], waited_for)
    for step in siblings:
        if step.role == "undo":
            yield Edge(step.name.removesuffix("[undo]"), step.name, "observed")
        for dependency, kind in zip(step.dependencies, step.edges, strict=True):
            if dependency.rpartition("/")[2] == END:
                yield from [Edge(name, step.name, "observed") for name in last]
            else:
                yield Edge(dependency, step.name, kind)
