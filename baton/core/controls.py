"""The edges of a compiled graph one by one, and the conditions, closing steps and undos of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from baton.core.control_specs import undo_spec
from baton.core.draft import END, Own
from baton.core.job import Job
from baton.core.spec import Extras, OuterDependencies, StepSpec

if TYPE_CHECKING:
    from baton.core.compile import CompiledGraph

NOTHING_SPECIAL = Extras()


class Controls:
    """The edges of a compiled graph one by one, and what decides about each of its steps besides them."""

    def __init__(self, graph: CompiledGraph) -> None:
        self._graph = graph
        self._edges: dict[int, dict[int, int]] = {}
        self.are_needed = bool(graph.groups) or any(step.has_own_edges for step in graph.steps)
        """Whether any step has more than dependencies and flags, or waits for the dependencies of its group."""

    def edges_of(self, position: int) -> dict[int, int]:
        """Return what each dependency in this graph means to a step, as bits; of an entry step its group's as well."""
        if position in self._edges:
            return self._edges[position]
        step, scope = self._graph.steps[position], self._graph.scopes[position]
        edges: dict[int, int] = {}
        if position in self._graph.graph.entry_steps:
            edges |= self.edges_of(self._graph.parents[position])
        own = step.edges()
        for name in self._graph.awaited[position]:
            if name in scope:
                bits = own.get(name, 15 if name == END else 0)
                edges[scope[name]] = bits & edges.get(scope[name], bits)
        if position in self._graph.groups:
            self._edges[position] = edges
        return edges

    def _stored_edges(self, position: int) -> tuple[int, ...] | None:
        """What is stored of a step's edges: nothing if all are as its flags say."""
        if not self.are_needed:
            return None
        edges = self.edges_of(position)
        bits = tuple([edges[dependency] for dependency in self._graph.graph.dependencies[position]])
        plain = self._graph.flags_of(position).bits
        control = self._graph.steps[position].control
        is_counted = control is not None and control.needs is not None
        return None if all(bit == plain for bit in bits) and not is_counted else bits

    def _is_closing(self, position: int) -> bool:
        """Whether a step is a closing one, or below one."""
        return any(self._graph.steps[one].is_closing for one in (position, *self._graph.around(position)))

    def with_control(self, position: int, spec: StepSpec) -> StepSpec:
        """Return a step with what decides about it, where that is more than its dependencies and flags."""
        step, control = self._graph.steps[position], self._graph.steps[position].control
        is_group = position in self._graph.groups
        edges = None if is_group else self._stored_edges(position)
        is_last = self.is_last(position)
        role = step.what.role if isinstance(step.what, Own) else None if control is None else control.runs
        # What the step has already stays: its kind, what it awaits, its dependencies outside the
        # graph.
        said = replace(
            spec.extras or NOTHING_SPECIAL,
            edges=edges,
            when=None if control is None or is_group else control.when,
            role=role,
            is_closing=role == "end" or self._is_closing(position),
            is_last=None if is_last == (not self._graph.dependents[position]) else is_last,
            needs=None if control is None or is_group else control.needs,
            cancels_rest=control is not None and control.cancels_rest and not is_group,
        )
        if control is not None and control.undo is not None:
            said = replace(
                said, undo=undo_spec(step, control.undo), undo_inputs=self._undo_inputs(position, control.undo)
            )
        if spec.extras is not None and spec.extras.outer is not None:
            said = replace(said, outer=self._outer_with_edges(position, spec.extras.outer))
        terms = spec.terms
        if any(reference.is_state for reference in step.placed()):
            terms = replace(terms, takes_context=True)
        return replace(spec, terms=terms, extras=None if said == NOTHING_SPECIAL else said)

    def _undo_inputs(self, position: int, undo: Job) -> tuple[int, ...] | None:
        names = {reference.step for reference in undo.arguments.placed} - {self._graph.steps[position].name}
        return self._graph.positions(position, names) or None

    def _outer_with_edges(self, position: int, outer: OuterDependencies) -> OuterDependencies:
        edges: dict[str, int] = {}
        for one in (*self._entries_around(position), position):
            own, outside = self._graph.steps[one].edges(), self._graph.graph.outer.get(one, ())
            # What two of them name is done only if both count it as done. Elsewhere a name may be
            # another step's.
            edges |= {name: own[name] & edges.get(name, own[name]) for name in outside}
        bits = tuple([edges[name] for name in outer.deps])
        plain = self._graph.flags_of(position).bits
        return outer if all(bit == plain for bit in bits) else replace(outer, edges=bits)

    def _entries_around(self, position: int) -> Iterator[int]:
        """The groups in whose place a step waits, from the inside."""
        while position in self._graph.graph.entry_steps:
            position = self._graph.parents[position]
            yield position

    def is_last(self, position: int) -> bool:
        """Whether a step's result is that of its scope, if that names no step: nothing ordinary depends on it."""
        step = self._graph.steps[position]
        if isinstance(step.what, Own) or self._is_observer(position):
            return False
        return all(self._is_observer(dependent) for dependent in self._ordinary_dependents(position))

    def _ordinary_dependents(self, position: int) -> Iterator[int]:
        for dependent in self._graph.dependents_by_name[position]:
            if not isinstance(self._graph.steps[dependent].what, Own):
                yield dependent

    def _is_observer(self, position: int) -> bool:
        """Whether it is a closing step, or only observes what it waits for."""
        step = self._graph.steps[position]
        if step.is_closing or step.control is not None or isinstance(step.what, Own):
            edges = self.edges_of(position)
            return step.is_closing or (bool(edges) and all(bits & 8 for bits in edges.values()))
        placed = step.placed()
        return bool(placed) and not step.deps and all(reference.is_state for reference in placed)
