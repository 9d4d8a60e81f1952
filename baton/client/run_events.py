"""What `run.events()` yields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from baton.core.states import FinalStepState, FinalWorkflowState, StepState, WorkflowState
from baton.database.run_readings import ActiveStep


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step is final. Each of its final states comes once, in the order in which steps ended."""

    cursor: str
    """`run.events(after=cursor)` goes on behind it."""
    step: str
    state: FinalStepState
    attempt: int
    reason: str | None
    """Why it is cancelled, discarded or skipped."""
    finished_at: datetime
    children: Mapping[StepState, int]
    """Of a group, how many of its children are in which state."""


@dataclass(frozen=True, slots=True)
class RunLevel:
    """How far the run is now. Comes at the beginning and after changes; one that was overtaken is left out."""

    cursor: str
    state: WorkflowState
    counts: Mapping[StepState, int]
    """How many steps are in which state."""
    active: Sequence[ActiveStep]
    """What runs or may run, and groups that have begun; at most 100, in the order added."""
    others: int
    """How many more there are."""


@dataclass(frozen=True, slots=True)
class EventsReset:
    """What came before holds no longer: everything that is final comes anew.

    Steps were opened again by a retry, or their rounds were pruned, or the cursor belongs to another run of this id.
    """

    cursor: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is final. Nothing follows."""

    cursor: str
    state: FinalWorkflowState
    counts: Mapping[StepState, int]


RunEvent: TypeAlias = StepFinished | RunLevel | EventsReset | RunFinished
"""What `Run.events` yields."""
