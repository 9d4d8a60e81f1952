"""Steps as they are read back: how each ended, its result as a Python value, and the steps of a workflow as a tree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from baton.core import registry
from baton.core.codec import Decoder
from baton.core.states import StepState
from baton.core.type_names import known_type

if TYPE_CHECKING:
    from baton.database.connections import Record

StepRole: TypeAlias = Literal["always", "on failure", "undo"]
EdgeKind: TypeAlias = Literal["required", "optional", "observed"]


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far an attempt is, as its worker says by `ctx.progress`."""

    fraction: float | None
    """From 0 to 1."""
    message: str | None

    def __str__(self) -> str:
        """As in `40 %, page 4 of 10`."""
        percent = None if self.fraction is None else f"{self.fraction:.0%}".replace("%", " %")
        return ", ".join(part for part in (percent, self.message) if part)


def step_progress(fraction: float | None, message: str | None) -> StepProgress | None:
    """Return what a worker says; None if it says nothing."""
    return None if fraction is None and message is None else StepProgress(fraction, message)


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
    """How many things it waits for: dependencies, children that are not final, a slot of its map."""
    dependencies: Sequence[str]
    args: Mapping[str, Any]
    """The arguments as JSON values; None where the result of another step belongs."""
    result: Any
    """What the worker returned, typed by its annotation if it is registered here; None unless completed.

    Of a group, what its dependents read: put together from its children, and only from those that
    have a result if the group failed.
    """
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
    role: StepRole | None = None
    """What makes it a closing step, by `runs=`, or an undo; None for an ordinary step."""
    edges: Sequence[EdgeKind] = ()
    """What each of its dependencies means to it. A step runs only if those it requires completed."""
    ends_at: datetime | None = None
    """When a step that waits for a signal, a message or a timer ends at the latest; None for any other."""
    progress: StepProgress | None = None
    """How far the attempt that runs is, if its worker says so by `ctx.progress`."""
    children: Sequence[StepRecord] = ()
    """The steps that a group stands for, in their order."""


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended, or its state now, as far as its result depends on it."""

    id: int
    name: str
    state: StepState
    worker: str
    result: str | None
    """As JSON; None for none, and for a group with children."""
    reason: str | None
    grouping: str | None
    parent_id: int | None
    """The id of the group it is a child of."""
    children: int | None
    """How many children it has; None until it has any."""
    returns_id: int | None
    """The id of the child whose result is the group's."""
    is_last: bool
    """No step depends on it."""
    awaited_kind: str | None
    """What names the type of the signal or message that it waited for; None for any, and for a step of a worker."""

    @property
    def local_name(self) -> str:
        """The name it has inside its group."""
        return self.name.rpartition("/")[2]


_END_FIELDS = tuple(field.name for field in fields(StepEnd))


def step_end(row: Record) -> StepEnd:
    """Return how a step ended from a row that has its fields, among others perhaps."""
    return StepEnd(**{name: row[name] for name in _END_FIELDS})


class Results:
    """The results of steps and of all that is below them, typed.

    Groups have the results that sql/functions/group_result.sql gives them. `steps` has each group
    before what is below it, so that results are put together from the end and without recursion.
    """

    def __init__(self, steps: Sequence[StepEnd]) -> None:
        self._steps = {step.id: step for step in steps}
        self._children: dict[int, list[StepEnd]] = {}
        for step in steps:
            if step.parent_id in self._steps:
                self._children.setdefault(step.parent_id, []).append(step)
        for group_id, children in self._children.items():
            # Those before the last ones are steps of earlier rounds.
            children.sort(key=lambda child: child.id)
            self._children[group_id] = children[-(self._steps[group_id].children or len(children)) :]
        self._values: dict[int, Any] = {}
        for step in reversed(steps):
            self._put_together(step)

    def roots(self) -> Sequence[StepEnd]:
        """Return the steps that are below none of the others."""
        return [step for step in self._steps.values() if step.parent_id not in self._steps]

    def value(self, step: StepEnd) -> Any:
        """Return the result of a step, None if it has none."""
        return self._values.get(step.id)

    def decisive(self, step: StepEnd) -> StepEnd:
        """Return the step itself; of a group that completed without a result, the step below it that has none."""
        while step.state == "completed" and step.id not in self._values:
            step = self._lasts(step)[0]
        return step

    def _put_together(self, step: StepEnd) -> None:
        children = self._children.get(step.id, ())
        if step.children is None:
            if step.result is not None:
                self._values[step.id] = _typed(step, step.result)
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

    def _lasts(self, group: StepEnd) -> Sequence[StepEnd]:
        """The children whose results are the group's."""
        children = self._children[group.id]
        if group.returns_id is not None:
            return [child for child in children if child.id == group.returns_id]
        return [child for child in children if child.is_last]


def _typed(step: StepEnd, result: str) -> Any:
    """Return a result typed by its worker's annotation, if the worker is registered here; what was sent likewise."""
    if step.awaited_kind is not None:
        return _typed_as_sent(step.awaited_kind, result)
    known = registry.get(step.worker)
    # A group that has a result of its own is an empty map, and its result an empty list.
    return json.loads(result) if known is None or step.grouping is not None else known.decode_result(result)


def _typed_as_sent(kind: str, result: str) -> Any:
    expected = known_type(kind)
    if expected is not Any:
        # What SQL sent was not checked.
        with suppress(msgspec.ValidationError):
            return Decoder(expected).decode(result)
    return json.loads(result)


def step_tree(rows: Sequence[Record]) -> Sequence[StepRecord]:
    """Return the steps of a workflow as a tree, from the rows that `Queries.steps` reads."""
    ends = [step_end(row) for row in rows]
    results = Results(ends)
    children: dict[int | None, list[StepRecord]] = {}
    for row, end in zip(reversed(rows), reversed(ends), strict=True):
        below = children.pop(end.id, [])
        children.setdefault(end.parent_id, []).append(_record(row, results.value(end), below[::-1]))
    return children.get(None, [])[::-1]


_TAKEN_AS_THEY_ARE = tuple(
    field.name for field in fields(StepRecord) if field.name not in ("args", "result", "errors", "children", "progress")
)


def _record(row: Record, result: Any, children: Sequence[StepRecord]) -> StepRecord:
    return StepRecord(
        **{name: row[name] for name in _TAKEN_AS_THEY_ARE},
        args=json.loads(row["args"]),
        result=result,
        errors=[json.loads(error) for error in row["errors"]],
        progress=step_progress(row["progress"], row["progress_message"]),
        children=children,
    )
