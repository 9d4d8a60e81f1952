"""The faults of the arguments in a compiled graph: holes without a value, and results that do not fit their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from baton.core.compatibility import can_fit, type_name
from baton.core.draft import Draft
from baton.core.job import Job, faults_of, faults_without_results, open_holes
from baton.core.references import Placed
from baton.core.usage.model_map import holes_of
from baton.core.waits import Wait
from baton.errors.faults import EachOfNoList, Fault, FaultInMap, HoleWithoutValue, ModelWithoutValue, TypesDoNotFit

if TYPE_CHECKING:
    from baton.core.compile import CompiledGraph


def faults_of_steps(graph: CompiledGraph) -> Iterator[Fault]:
    """Yield the faults of the arguments of jobs."""
    for position, step in enumerate(graph.steps):
        if isinstance(step.what, Job) and (step.what.arguments.faults or step.what.arguments.placed):
            name, arguments = graph.names[position], step.what.arguments
            yield from faults_of(name, step.what)
            if any(graph.flags_of(position).as_tuple()):
                yield from faults_without_results(name, step.what)
            for placed in arguments.placed:
                yield from _misfits(graph, position, step.what, placed)
        if position in graph.item_graphs:
            yield from _faults_of_map(graph, position)


def faults_of_holes(graph: CompiledGraph) -> Iterator[Fault]:
    """Yield the holes that have no value."""
    yield from faults_of_models(graph.models)
    for position, step in enumerate(graph.steps):
        for job in step.jobs():
            yield from open_holes(graph.names[position], job)
        if isinstance(step.what, Draft):
            yield from faults_of_models(step.what.models)
        if position in graph.item_graphs:
            assert isinstance(step.what, Job)
            for fault in faults_of_holes(graph.item_graphs[position]):
                if not isinstance(fault, HoleWithoutValue):
                    yield FaultInMap(graph.names[position], fault)
                elif fault.hole not in step.what.arguments.each:
                    yield HoleWithoutValue(f"{graph.names[position]}[]/{fault.step}", fault.hole)


def faults_of_models(models: Mapping[str, Any] | None) -> Iterator[Fault]:
    """Yield the holes of a map of models that have no value."""
    yield from map(ModelWithoutValue, holes_of(models or {}))


def _faults_of_map(graph: CompiledGraph, position: int) -> Iterator[Fault]:
    from baton.core.item_worker import ItemWorker

    what = graph.steps[position].what
    assert isinstance(what, Job)
    assert isinstance(what.worker, ItemWorker)
    yield from what.worker.faults_of_each(graph.names[position], what.arguments)


def _misfits(graph: CompiledGraph, position: int, job: Job, placed: Placed) -> Iterator[Fault]:
    dependency = graph.scopes[position].get(placed.step)
    parameter = str(placed.path[0])
    if dependency is None or len(placed.path) > 1:
        return
    name, is_item = graph.names[position], parameter in job.arguments.each
    given, wanted = result_type(graph, dependency), job.worker.parameter_type(parameter)
    if is_item and not can_fit(given, list):
        yield EachOfNoList(name, placed.step, type_name(given))
    elif not can_fit(given, GenericAlias(list, (wanted,)) if is_item else wanted):
        shown = given.__args__[0] if is_item else given
        yield TypesDoNotFit(name, parameter, placed.step, type_name(shown), type_name(wanted), is_item=is_item)


def result_type(graph: CompiledGraph, position: int) -> Any:
    """Return the type of what a step results in; `Any` if that is not known."""
    what = graph.steps[position].what
    while isinstance(what, Draft):
        # A group's result is that of the step it returns, or of its only last one.
        children = graph.groups.get(position)
        returned = None if children is None else _returned(graph, children, what)
        if returned is None:
            return Any
        position, what = returned, graph.steps[returned].what
    if isinstance(what, Wait):
        return what.kind
    assert isinstance(what, Job)
    kind = what.worker.result_type
    return GenericAlias(list, (kind,)) if what.arguments.each else kind


def _returned(graph: CompiledGraph, children: range, draft: Draft) -> int | None:
    if draft.returns is not None:
        return next((child for child in children if graph.steps[child].name == draft.returns), None)
    lasts = [child for child in children if graph.controls.is_last(child)]
    return lasts[0] if len(lasts) == 1 else None
