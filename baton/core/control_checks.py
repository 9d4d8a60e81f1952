"""Check the conditions, closing steps, `needs` and undos of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from baton.core.argument_checks import result_type
from baton.core.compatibility import can_fit, type_name
from baton.core.conditions import Compare, In, ResultOf, comparisons_in
from baton.core.conditions import written as written_condition
from baton.core.draft import END, Added, Own
from baton.core.job import Job, faults_of
from baton.errors.control_faults import (
    ConditionNeverHolds,
    ControlFault,
    DependsOnClosing,
    NeededWithoutDefault,
    NeedsTooMany,
    NothingToClose,
    PlainAndDefault,
    ReferenceWithoutDefault,
    UnknownUndoReference,
)
from baton.errors.faults import Fault

if TYPE_CHECKING:
    from baton.core.compile import CompiledGraph


def faults_of_control(graph: CompiledGraph) -> Iterator[Fault]:
    """Yield what is wrong. A graph whose steps have only dependencies and flags is not checked."""
    for position, step in enumerate(graph.steps):
        if step.has_own_edges and not isinstance(step.what, Own):
            yield from _of_step(graph, position, step)
        elif isinstance(step.what, Own) and step.name == END and not step.deps:
            yield from (NothingToClose(one) for one in graph.closing_siblings(position))
    if graph.has_closing:
        yield from _of_edges_to_closing(graph)


def _of_step(graph: CompiledGraph, position: int, step: Added) -> Iterator[Fault]:
    name, control = graph.names[position], step.control
    defaults = {reference.step for reference in step.placed() if reference.default is not None}
    plain = {reference.step for reference in step.placed() if reference.default is None and not reference.is_state}
    yield from (PlainAndDefault(name, dependency) for dependency in sorted(defaults & plain))
    if control is None:
        return
    if control.runs is not None:
        yield from (ReferenceWithoutDefault(name, dependency, is_undo=False) for dependency in sorted(plain))
    if control.needs is not None:
        counted = sum(bits & 8 == 0 for bits in step.edges().values())
        if counted < control.needs:
            yield NeedsTooMany(name, control.needs, counted)
        elif counted > control.needs and isinstance(step.what, Job):
            yield from _of_missing_results(name, control.needs, step.what)
    if control.undo is not None:
        yield from _of_undo(graph, position, step, control.undo)
    if control.when is not None:
        for comparison in comparisons_in(control.when):
            if isinstance(comparison.left, ResultOf) and not comparison.left.path:
                yield from _of_comparison(graph, position, comparison, comparison.left)


def _of_missing_results(name: str, needs: int, job: Job) -> Iterator[ControlFault]:
    lacking = [placed for placed in job.arguments.placed if placed.default is None and not placed.is_state]
    places = [placed for placed in lacking if not job.worker.may_lack(placed.path)]
    yield from dict.fromkeys([NeededWithoutDefault(name, needs, str(placed.path[0]), placed.step) for placed in places])


def _of_undo(graph: CompiledGraph, position: int, step: Added, undo: Job) -> Iterator[Fault]:
    name, upstream = graph.names[position], graph.upstream_of(position)
    yield from faults_of(f"{name}[undo]", undo)
    for reference in undo.arguments.placed:
        if reference.step == step.name:
            if reference.default is None and not reference.is_state:
                yield ReferenceWithoutDefault(name, reference.step, is_undo=True)
        elif graph.position_of(position, reference.step) not in upstream:
            yield UnknownUndoReference(name, reference.step)


def _of_comparison(
    graph: CompiledGraph, position: int, comparison: Compare | In, left: ResultOf
) -> Iterator[ControlFault]:
    dependency = graph.position_of(position, left.step)
    if dependency is None:
        return
    given: Any = result_type(graph, dependency)
    values = comparison.values if isinstance(comparison, In) else [comparison.right]
    if values and not any(can_fit(given, type(value)) for value in values):
        yield ConditionNeverHolds(graph.names[position], written_condition(comparison), type_name(given))


def _of_edges_to_closing(graph: CompiledGraph) -> Iterator[ControlFault]:
    for position, step in enumerate(graph.steps):
        if step.is_closing or isinstance(step.what, Own):
            continue
        for name in graph.awaited[position]:
            dependency = graph.position_of(position, name)
            if dependency is not None and graph.steps[dependency].is_closing:
                yield DependsOnClosing(graph.names[position], graph.names[dependency])
