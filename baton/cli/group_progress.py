"""How far groups are: a group that waits for its children is shown by what these do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from baton.core.states import StepState
from baton.database.step_records import StepRecord

_MOST_ACTIVE_FIRST: tuple[StepState, ...] = ("executing", "available", "retryable", "scheduled", "waiting")


@dataclass(frozen=True, slots=True)
class Progress:
    """How a step is shown."""

    state: StepState
    """Its own state; of a group that is suspended until its children are final, that of the most active child."""
    began_at: datetime | None
    """When its last attempt, or the first of its children, began; None if nothing has begun."""


def flattened(steps: Sequence[StepRecord]) -> Iterator[StepRecord]:
    """Yield the steps and all that is below them, a group before its children."""
    to_come = list(reversed(steps))
    while to_come:
        step = to_come.pop()
        yield step
        to_come.extend(reversed(step.children))


def progress_of(steps: Sequence[StepRecord]) -> Mapping[str, Progress]:
    """Return the progress of the steps and all that is below them, by name."""
    found: dict[str, Progress] = {}
    for step in reversed(list(flattened(steps))):
        # Its children came after it, so they are known by now.
        below = [found[child.name] for child in step.children]
        found[step.name] = Progress(_state(step, below), _began_at(step, below))
    return found


def _state(step: StepRecord, children: Sequence[Progress]) -> StepState:
    if step.state != "suspended":
        return step.state
    states = {child.state for child in children}
    return next((state for state in _MOST_ACTIVE_FIRST if state in states), step.state)


def _began_at(step: StepRecord, children: Sequence[Progress]) -> datetime | None:
    if step.children:
        return min((child.began_at for child in children if child.began_at is not None), default=None)
    # Without an attempt it was claimed and given back, and never ran.
    return step.attempted_at if step.attempt or step.state == "executing" else None
