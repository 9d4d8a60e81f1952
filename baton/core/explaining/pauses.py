"""The causes that are pauses of a run or a worker."""

from __future__ import annotations

from baton.core.causes import RunPaused, WorkerPaused
from baton.core.causes.waiting import EntryState
from baton.core.explaining.facts import StepFacts


def paused(step: StepFacts, state: EntryState) -> RunPaused | WorkerPaused | None:
    """Return the pause of its run or its worker that keeps a step from starting; None if there is none."""
    if (pause := step.pause) is None:
        return None
    match pause.of:
        case "run":
            return RunPaused(state=state, workflow=step.workflow, seconds=pause.seconds)
        case "worker":
            return WorkerPaused(state=state, worker=step.worker, seconds=pause.seconds)
