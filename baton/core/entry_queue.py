"""The queue in which a group waits, as it has no worker of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from baton.core.job import Job
from baton.core.options import without_holes
from baton.core.spec import NO_FLAGS

if TYPE_CHECKING:
    from baton.core.compile import CompiledGraph


def first_queue(graph: CompiledGraph, positions: Iterable[int]) -> tuple[str, int]:
    """Return the queue and the priority of the first job among these steps and below them."""
    waiting = list(reversed(list(positions)))
    while waiting:
        position = waiting.pop()
        if isinstance(job := graph.steps[position].what, Job):
            terms = job.worker.terms(without_holes(job.given), NO_FLAGS)
            return terms.queue, terms.priority
        waiting += reversed(graph.groups.get(position, range(0)))
    return "default", 0
