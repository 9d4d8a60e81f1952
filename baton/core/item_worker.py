"""The built-in worker of a map of a workflow: each item expands into that workflow, with the item in its holes.

So a map of a workflow is a map of a job whose worker returns a graph, and the engine treats it as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from baton.core import codec
from baton.core.arguments import EncodedArguments
from baton.core.draft import Draft, DraftMap
from baton.core.entry_queue import first_queue
from baton.core.holes import Hole
from baton.core.item_graphs import ITEM_WORKER
from baton.core.job import Job
from baton.core.options import worker_options
from baton.core.places import Path, kind_at
from baton.core.retry import as_backoff
from baton.core.worker import Worker
from baton.errors import InvalidOption, NotJSON
from baton.errors.faults import Fault, ItemDoesNotFit, UnknownHole

if TYPE_CHECKING:
    from baton.core.compile import CompiledGraph


def job_of_map(mapped: DraftMap, graph: CompiledGraph | None) -> tuple[Job, tuple[tuple[str, int], ...]]:
    """Return the job that a map of a workflow is, and the steps outside that the workflow names, with their bits."""
    worker = ItemWorker(mapped.draft, graph)
    return Job(worker, mapped.arguments, mapped.given), () if graph is None else _reads(graph)


def _reads(graph: CompiledGraph) -> tuple[tuple[str, int], ...]:
    bits: dict[str, int] = {}
    for position, names in graph.graph.outer.items():
        edges = graph.steps[position].edges()
        for name in names:
            bits[name] = edges[name] & bits.get(name, edges[name])
    return tuple(bits.items())


class ItemWorker(Worker[..., ..., Any]):
    """What runs the children of a map of a workflow: nothing but an expansion. `graph` is None if it has faults."""

    def __init__(self, draft: Draft, graph: CompiledGraph | None) -> None:
        queue, priority = ("default", 0) if graph is None else first_queue(graph, range(graph.children))
        super().__init__(
            _never_called, ITEM_WORKER, worker_options(queue, priority, 20, None), as_backoff(None), "async"
        )
        self.draft = draft
        self._graph = graph

    @property
    def takes_context(self) -> bool:
        return False

    @property
    def result_type(self) -> Any:
        return Any

    def may_lack(self, path: Path) -> bool:  # noqa: ARG002  # without a list there is no item
        return True

    def parameter_type(self, parameter: str) -> Any:
        """Return what the first place of a hole says of it."""
        for _, job, hole in self._holes():
            if hole.name == parameter and hole in job.arguments.holes:
                return _kind_of(job, hole)
        return Any

    def faults_of_each(self, step: str, arguments: EncodedArguments) -> Iterator[Fault]:
        """Yield what is wrong with the lists of the map."""
        holes = list(self._holes())
        known = dict.fromkeys([hole.name for _, _, hole in holes])
        for name in arguments.each:
            if name not in known:
                yield UnknownHole(step, name, tuple(known))
        stand_ins = [*[placed.path for placed in arguments.placed], *[hole.path for hole in arguments.holes]]
        stood_in = {path[:2] for path in stand_ins}
        given: dict[str, Any] = {} if arguments.faults else codec.decode(arguments.args)
        for inner, job, hole in holes:
            if hole.name not in arguments.each:
                continue
            items = given.get(hole.name)
            for number, item in enumerate(items if isinstance(items, list) else ()):
                if (hole.name, number) not in stood_in and (why := _misfit(job, hole.name, item)) is not None:
                    yield ItemDoesNotFit(step, hole.name, number, f"in step {inner!r}, {why}")
                    break

    def _holes(self) -> Iterator[tuple[str, Job, Hole]]:
        """Yield the holes of the workflow, also those in the workflows that it maps, with their steps and jobs."""
        if self._graph is None:
            return
        for position, step in enumerate(self._graph.steps):
            for job in step.jobs():
                for hole in job.holes:
                    yield self._graph.names[position], job, hole
            if position in self._graph.item_graphs:
                inner = step.what
                assert isinstance(inner, Job)
                assert isinstance(inner.worker, ItemWorker)
                for name, job, hole in inner.worker._holes():
                    if hole.name not in inner.arguments.each:
                        yield f"{self._graph.names[position]}[]/{name}", job, hole


def _kind_of(job: Job, hole: Hole) -> Any:
    name = str(hole.path[0])
    kind = job.worker.parameter_type(name)
    path = hole.path[1:]
    if name in job.arguments.each:
        if not path:
            return list
        path = path[1:]
    for key in path:
        kind = kind_at(kind, key)
    return kind


def _misfit(job: Job, hole: str, item: Any) -> str | None:
    """Return why an item does not fit where its hole stands in a job."""
    if isinstance(job.worker, ItemWorker):
        return None
    try:
        job.filled({hole: item})
    except (TypeError, NotJSON, InvalidOption) as error:
        return str(error)
    return None


async def _never_called(**_arguments: Any) -> Any:
    raise NotImplementedError
