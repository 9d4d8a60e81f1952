"""The steps of a workflow as the model of endings sees them: what each waits for, and what its edges mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.model.ending_plan import EndScope, EndStep, named_by, results_read, states_read

UNFAVOURABLE = frozenset({"cancelled", "discarded", "skipped"})
FINAL = UNFAVOURABLE | {"completed"}


@dataclass(frozen=True, slots=True)
class Edge:
    """What the end of a dependency means to its dependent."""

    ignored: frozenset[str]
    observes: bool = False

    def counts_as_done(self, state: str) -> bool:
        return state == "completed" or state in self.ignored

    def met(self, other: Edge) -> Edge:
        """The edge of a step that waits in two roles: done for both."""
        return Edge(self.ignored & other.ignored, self.observes and other.observes)


REQUIRED = Edge(frozenset())
OPTIONAL = Edge(UNFAVOURABLE)
OBSERVED = Edge(UNFAVOURABLE, observes=True)

Role = Literal["step", "gate", "end", "undo"]
State = Literal["waiting", "ready", "running", "completed", "cancelled", "discarded", "skipped"]


@dataclass(slots=True, eq=False)
class Vertex:
    """A step, of the workflow's own or the engine's."""

    name: str
    local: str
    plan: EndStep
    group: Vertex | None = None
    role: Role = "step"
    number: int | None = None
    """Of a child of a map."""
    edges: dict[Vertex, Edge] = field(default_factory=dict)
    dependents: list[Vertex] = field(default_factory=list)
    is_closing: bool = False
    """A closing step, an undo, the `end` of a scope, or below one of these."""
    children: list[Vertex] | None = None
    scope: Mapping[str, Vertex] = field(default_factory=dict)
    gate_around: Vertex | None = None
    """The nearest gate in front of it: all that is in a gated group waits for that, however deep it is."""
    undoes: Vertex | None = None
    state: State = "waiting"
    began: bool = False
    not_needed: bool = False
    awaits_attempts: bool = False
    generation: int = 1
    ended: int = 0
    """The number of the transaction in which it became final."""
    ending: str | None = None
    """Of a group that is being ended: the state that it will have."""
    verdict: str | None = None
    """Of the `end` of a scope: how that had ended."""
    frozen: frozenset[str] | None = None
    """Of a step that needs some: the local names of those that had completed when it was released."""

    def __repr__(self) -> str:
        return f"<{self.name} {self.state}>"

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def runs(self) -> str | None:
        """Whether it is a closing step itself, "always" or "on failure"; the gate of a closing group is."""
        if self.role == "gate" and self.group is not None:
            return self.group.plan.runs
        if self.role == "step" and self.number is None and self.plan.kind != "workflow":
            return self.plan.runs
        return None

    @property
    def is_closing_step(self) -> bool:
        """Whether it is one of the closing steps of its scope."""
        return self.number is None and self.plan.runs is not None

    @property
    def is_undecided(self) -> bool:
        """Whether it waits for what it depends on."""
        return self.state == "waiting" and self.children is None and not self.awaits_attempts

    @property
    def is_ordinary(self) -> bool:
        return self.role == "step" and not self.is_closing

    @property
    def needs(self) -> int | None:
        if self.role == "gate" and self.group is not None:
            return self.group.plan.needs
        return self.plan.needs if self.role == "step" and self.number is None and self.plan.kind != "workflow" else None

    @property
    def decider(self) -> EndStep | None:
        """The plan whose condition it evaluates."""
        if self.role == "gate" and self.group is not None:
            return self.group.plan
        return self.plan if self.role == "step" and self.number is None and self.plan.kind != "workflow" else None

    @property
    def is_expandable(self) -> bool:
        return self.role == "step" and self.number is None and self.plan.kind in ("map", "graph")

    def below(self) -> Iterator[Vertex]:
        """It and all that is below it."""
        yield self
        for child in self.children or ():
            yield from child.below()

    def around(self) -> Iterator[Vertex]:
        """The groups around it, from the inside."""
        group = self.group
        while group is not None:
            yield group
            group = group.group

    def has_begun(self) -> bool:
        if self.role == "gate" and self.group is not None:  # it stands for its group
            return any(vertex.began and not vertex.is_closing for vertex in self.group.below())
        return any(vertex.began for vertex in self.below())

    @property
    def has_code_begun(self) -> bool:
        return self.began or (self.state == "running" and self.children is None)

    def edge_to(self, dependency: Vertex) -> Edge:
        return self.edges[dependency]


def own_edges(step: EndStep) -> dict[str, Edge]:
    """What each dependency that a step names means to it; of several kinds of edge to one step the strongest."""
    if step.runs is not None:
        return dict.fromkeys(named_by(step), OBSERVED)
    plain = Edge(frozenset(state for state in UNFAVOURABLE if step.flags.ignores(state)))
    edges = dict.fromkeys((*step.observes, *states_read(step.when)), OBSERVED)
    edges |= dict.fromkeys(step.deps, plain)
    edges |= dict.fromkeys(step.defaults, OPTIONAL)
    return edges | dict.fromkeys((*step.takes, *results_read(step.when)), plain)


def grown(whole: EndScope) -> list[Vertex]:
    """All steps of a workflow before it runs: its own, then the children of its first group, and so on."""
    return _with_all_below(children_of(whole, None, {}))


def _with_all_below(vertices: list[Vertex]) -> list[Vertex]:
    for vertex in vertices:  # the list grows during this loop
        if vertex.role == "step" and vertex.plan.kind == "workflow" and vertex.plan.inside is not None:
            vertex.children = children_of(vertex.plan.inside, vertex, vertex.scope)
            vertices += vertex.children
    return vertices


def returned_by(vertex: Vertex) -> list[Vertex]:
    """All steps of the graph that the worker of this step returns; they know what it names."""
    assert vertex.plan.inside is not None
    outer = {name: vertex.scope[name] for name in named_by(vertex.plan)}
    vertex.children = children_of(vertex.plan.inside, vertex, outer)
    return _with_all_below(list(vertex.children))


def items_of(vertex: Vertex) -> list[Vertex]:
    """The children of a map."""
    vertex.children = [
        Vertex(f"{vertex.name}[{n}]", f"{vertex.local}[{n}]", vertex.plan, vertex, number=n, scope=vertex.scope)
        for n in range(len(vertex.plan.items))
    ]
    for child in vertex.children:
        child.is_closing = vertex.is_closing
    return vertex.children


def children_of(scope: EndScope, group: Vertex | None, outer: Mapping[str, Vertex]) -> list[Vertex]:
    """The steps of a scope, with the engine's own, and their edges."""
    prefix = "" if group is None else f"{group.name}/"
    is_below_closing = group is not None and group.is_closing
    inside: dict[str, Vertex] = {}
    names = outer | inside
    for step in scope.steps:
        vertex = Vertex(f"{prefix}{step.name}", step.name, step, group)
        vertex.is_closing = is_below_closing or step.runs is not None
        inside[step.name] = vertex
    names = {**outer, **inside}
    gate = _gate_of(group, prefix)
    end = _end_of(scope, group, prefix, inside)
    for vertex in inside.values():
        vertex.scope = names
        _connect(vertex, group, inside, gate, end)
    own = [vertex for vertex in (gate, end) if vertex is not None]
    for vertex in (*inside.values(), *own):
        if vertex.plan.kind != "workflow" or vertex.role != "step":
            for dependency in vertex.edges:
                dependency.dependents.append(vertex)
    return [*inside.values(), *own]


def _gate_of(group: Vertex | None, prefix: str) -> Vertex | None:
    if group is None or not group.plan.is_gated:
        return None
    gate = Vertex(f"{prefix}[gate]", "[gate]", EndStep("[gate]"), group, "gate", scope=group.scope)
    gate.is_closing = group.is_closing
    gate.edges = dict(group.edges)
    return gate


def _end_of(scope: EndScope, group: Vertex | None, prefix: str, inside: Mapping[str, Vertex]) -> Vertex | None:
    if not any(step.runs is not None and not named_by(step) for step in scope.steps):
        return None
    end = Vertex(f"{prefix}[end]", "[end]", EndStep("[end]"), group, "end", is_closing=True)
    end.edges = {inside[step.name]: OBSERVED for step in scope.steps if step.runs is None}
    return end


def _connect(
    vertex: Vertex, group: Vertex | None, inside: Mapping[str, Vertex], gate: Vertex | None, end: Vertex | None
) -> None:
    own = own_edges(vertex.plan)
    vertex.edges = {vertex.scope[name]: edge for name, edge in own.items()}
    if vertex.plan.runs is not None and not own:
        assert end is not None
        vertex.edges[end] = OBSERVED
        return
    if group is None:
        return
    around = gate if gate is not None else group.gate_around
    if around is not None and not vertex.is_closing_step:
        vertex.edges[around] = REQUIRED
    vertex.gate_around = around
    if any(name in inside for name in own) or group.plan.kind != "workflow":
        return
    # An entry step waits for the dependencies of its group, or for the gate that took these.
    inherited = {gate: REQUIRED} if gate is not None else group.edges
    for dependency, edge in inherited.items():
        vertex.edges[dependency] = vertex.edges[dependency].met(edge) if dependency in vertex.edges else edge


def ordered(vertices: Iterable[Vertex], place: Mapping[Vertex, int]) -> list[Vertex]:
    return sorted(vertices, key=place.__getitem__)


def has_undo(one: Vertex) -> bool:
    return one.role == "step" and one.plan.has_undo and one.plan.kind != "workflow"


def undo_of(one: Vertex) -> Vertex:
    undo = Vertex(f"{one.name}[undo]", f"{one.name}[undo]", EndStep(one.name), role="undo", undoes=one)
    undo.is_closing = True
    undo.generation = one.generation
    return undo


def does_without(one: Vertex, cause: Vertex, consumer: Vertex, unneeded: Collection[Vertex]) -> bool:
    """Whether a dependent of `cause` no longer needs it, if `consumer` does not."""
    if one is consumer or one in unneeded or one.is_final or one.edge_to(cause).observes:
        return True
    return one.has_begun() or one.state == "running"
