"""What a run tells: its steps as a tree, and their results as Python values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from baton.core import registry
from baton.core.states import StepState, WorkflowState
from baton.database.queries import Ended, StepRow, Unserved


@dataclass(frozen=True, slots=True)
class InsertedStep:
    """A step as it was inserted."""

    name: str
    worker: str
    queue: str


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step as it is now."""

    name: str
    state: StepState
    worker: str
    queue: str
    priority: int
    attempt: int
    """Attempts counted so far; 0 before the first claim."""
    max_attempts: int
    pending: int
    """What it still waits for: so many dependencies, children that are not final, a slot of its map."""
    dependencies: Sequence[str]
    args: Mapping[str, Any]
    """The arguments as JSON values; None where the result of another step belongs."""
    result: Any
    """What the worker returned, typed by its annotation if it is registered here; None unless completed. Of a group,
    what its
    dependents read: put together from its children, and only of those that have one if it failed."""
    reason: str | None
    """Why it is cancelled, discarded or skipped; or why it was put back."""
    errors: Sequence[Mapping[str, Any]]
    """The failed attempts, oldest first: attempt, at, kind, error, trace."""
    pool: int | None
    """The worker pool that runs it, or ran it last."""
    scheduled_at: datetime | None
    attempted_at: datetime | None
    """When the last attempt was claimed."""
    finished_at: datetime | None
    grouping: str | None = None
    """What makes it a group: map, workflow (inserted with its children) or graph (its worker returned one)."""
    concurrency: int | None = None
    """How many children of a map run at a time; None for no limit."""
    children: Sequence[StepRecord] = ()
    """Of a group, the steps it stands for, in their order."""


@dataclass(frozen=True, slots=True)
class Status:
    """A workflow at a glance."""

    name: str | None
    """The workflow's name, if it was given one."""
    state: WorkflowState
    inserted_at: datetime
    finished_at: datetime | None
    """When the state became final; None while it is executing."""
    counts: Mapping[StepState, int]
    """How many steps are in which state; states with none are left out."""
    unserved: Sequence[Unserved]
    """Steps that could run but that no living worker pool can run, and why; at most 100."""


class Results:
    """The results of steps and of all that is below them, typed. Groups have those that sql/functions/group_result.sql
    says.

    A group comes before what is below it, so the last ones are put together first and nothing is met with recursion.
    """

    def __init__(self, steps: Sequence[Ended]) -> None:
        self._steps = {step.id: step for step in steps}
        self._children: dict[int, list[Ended]] = {}
        for step in steps:
            if step.parent_id in self._steps:
                self._children.setdefault(step.parent_id, []).append(step)
        self._values: dict[int, Any] = {}
        for step in reversed(steps):
            self._put_together(step)

    def roots(self) -> Sequence[Ended]:
        """Return the steps that are below none of the others."""
        return [step for step in self._steps.values() if step.parent_id not in self._steps]

    def value(self, step: Ended) -> Any:
        """Return the result of a step, None if it has none."""
        return self._values.get(step.id)

    def decisive(self, step: Ended) -> Ended:
        """Return the step itself; of a group that completed without a result, the step below it that has none."""
        while step.state == "completed" and step.id not in self._values:
            step = self._lasts(step)[0]
        return step

    def _put_together(self, step: Ended) -> None:
        children = self._children.get(step.id, ())
        if step.children is None:
            if step.result is not None:
                self._values[step.id] = typed(step, step.result)
        elif step.grouping == "map":
            self._values[step.id] = [self._values[child.id] for child in children if child.id in self._values]
        else:
            lasts = self._lasts(step)
            if len(lasts) > 1:
                self._values[step.id] = {
                    last.local_name: self._values[last.id] for last in lasts if last.id in self._values
                }
            elif lasts[0].id in self._values:
                self._values[step.id] = self._values[lasts[0].id]

    def _lasts(self, group: Ended) -> Sequence[Ended]:
        """The children whose results are the group's."""
        children = self._children[group.id]
        if group.returns_id is not None:
            return [child for child in children if child.id == group.returns_id]
        return [child for child in children if child.is_last]


def typed(step: Ended, result: str) -> Any:
    """Return a result typed by its worker's annotation, if that is registered here. Of an empty map it is an empty
    list."""
    known = registry.get(step.worker)
    return json.loads(result) if known is None or step.grouping is not None else known.decode_result(result)


def records(rows: Sequence[StepRow]) -> Sequence[StepRecord]:
    """Return the steps of a workflow as a tree."""
    results = Results([row.ended for row in rows])
    children: dict[int | None, list[StepRecord]] = {}
    for row in reversed(rows):
        below = children.pop(row.ended.id, [])
        record = _record(row, results.value(row.ended), below[::-1])
        children.setdefault(row.ended.parent_id, []).append(record)
    return children.get(None, [])[::-1]


def _record(row: StepRow, result: Any, children: Sequence[StepRecord]) -> StepRecord:
    ended = row.ended
    return StepRecord(
        name=ended.name,
        state=ended.state,
        worker=ended.worker,
        queue=row.queue,
        priority=row.priority,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        pending=row.pending,
        dependencies=row.dependencies,
        args=json.loads(row.args),
        result=result,
        reason=ended.reason,
        errors=[json.loads(error) for error in row.errors],
        pool=row.pool,
        scheduled_at=row.scheduled_at,
        attempted_at=row.attempted_at,
        finished_at=row.finished_at,
        grouping=ended.grouping,
        concurrency=row.concurrency,
        children=children,
    )
