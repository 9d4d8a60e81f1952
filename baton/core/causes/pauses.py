"""Pauses of runs and workers: none of their steps starts."""

from __future__ import annotations

from shlex import quote

from baton.core.causes.kind import Kind, span
from baton.core.causes.waiting import EntryState


class RunPaused(Kind, frozen=True):
    """Its workflow is paused."""

    state: EntryState
    workflow: str
    seconds: float
    """For how long."""

    def __str__(self) -> str:
        return (
            f"is {self.state}, and its workflow has been paused for {span(self.seconds)}: resume it with "
            f"`baton resume --run {quote(self.workflow)}`"
        )


class WorkerPaused(Kind, frozen=True):
    """Its worker is paused, in every queue."""

    state: EntryState
    worker: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"is {self.state}, and worker {self.worker!r} has been paused for {span(self.seconds)}: resume it with "
            f"`baton resume --worker {quote(self.worker)}`"
        )
