"""Interventions: what somebody changed in a workflow, a queue or a schedule, and what such a call would change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import uuid4

from baton.core.states import StepState, WorkflowState
from baton.database.columns import call
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record

Repair: TypeAlias = Literal["retry", "cancel", "complete", "skip", "start_now"]

NAMES_SHOWN = 8
"""Of the steps that come into one state, in the text of `Changes`."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """A call that changed something by somebody's decision."""

    at: datetime
    action: str
    """retry, cancel, complete, skip, start_now, signal, send, reuse; of a queue pause and resume; of a schedule."""
    actor: str | None
    """Who, as the caller said; None if it did not."""
    role: str
    """The database role that called."""
    steps: Sequence[str]
    """The steps that were named, the first hundred of them; empty for the whole workflow."""
    changed: int | None
    """How many steps it changed; None if it changes no steps by itself."""
    reason: str | None
    options: Mapping[str, Any]
    """The options of the call, those that were given."""
    workflow_id: str | None = None
    """None for a queue or a schedule."""
    subject: str | None = None
    """The queue or the schedule; None for a workflow."""

    def __str__(self) -> str:
        who = f"{self.actor} ({self.role})" if self.actor else self.role
        what = self.action if self.subject is None else f"{self.action} {self.subject!r}"
        steps = ", ".join(map(repr, self.steps[:NAMES_SHOWN]))
        steps += f" and {len(self.steps) - NAMES_SHOWN:,} more" if len(self.steps) > NAMES_SHOWN else ""
        options = ", ".join(name if value is True else f"{name}={value}" for name, value in self.options.items())
        given = " ".join(filter(None, (steps, f"({options})" if options else "")))
        count = "" if self.changed is None else f", {_steps(self.changed)} changed"
        why = f": {self.reason}" if self.reason else ""
        return f"{self.at:%Y-%m-%d %H:%M:%S} {who}: {what}{' ' if given else ''}{given}{count}{why}"


@dataclass(frozen=True, slots=True)
class StepChange:
    """What would become of a step."""

    name: str
    before: StepState | None
    """Its state now; None if it would be written."""
    after: StepState | None
    """Its state then; None if it would be deleted, because the step around it expands anew."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a call would change, as returned with `dry_run=True`. Its text is for people."""

    workflow_id: str
    count: int
    """What the call would return."""
    before: WorkflowState
    """The workflow's state now."""
    after: WorkflowState
    """Its state right after the call."""
    steps: Sequence[StepChange]
    """The steps whose state would be another one right after the call, in their order."""

    def by_state(self) -> Mapping[StepState | None, Sequence[str]]:
        """Return the names of the steps by the state that they would have; None is the key of those deleted."""
        found: dict[StepState | None, list[str]] = {}
        for step in self.steps:
            found.setdefault(step.after, []).append(step.name)
        return found

    def __str__(self) -> str:
        state = f"stays {self.before}" if self.before == self.after else f"goes from {self.before} to {self.after}"
        if not self.steps:
            return f"workflow {self.workflow_id!r} {state}; no step changes its state"
        width = max(len(after or "deleted") for after in self.by_state())
        lines = [f"workflow {self.workflow_id!r} {state}:"]
        for after, names in self.by_state().items():
            before = Counter(step.before or "not there" for step in self.steps if step.after == after)
            was = next(iter(before)) if len(before) == 1 else _counted(before)
            more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
            listed = ", ".join(map(repr, names[:NAMES_SHOWN]))
            lines.append(f"  {after or 'deleted':<{width}}  {listed}{more} (now {was})")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer of `complete` and `skip`."""

    changed: int | None
    """None if there is no such workflow."""
    refusal: str | None
    facts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Started:
    """The answer of `start_now`."""

    started: int | None
    """None if there is no such workflow."""
    unknown: Sequence[str]
    refused: Sequence[str]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a function would answer, and change."""

    changed: int | None
    """None if there is no such workflow."""
    refusal: str | None
    facts: Sequence[str]
    unknown: Sequence[str]
    refused: Sequence[str]
    changes: Changes | None


class InterventionStore:
    """The engine's functions for interventions. Each method is one round trip, and a transaction of its own."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        self._schema = quoted(schema)
        self._complete = call(f"{self._schema}.complete", 7)
        self._skip = call(f"{self._schema}.skip", 6)
        self._start_now = call(f"{self._schema}.start_now", 5)
        self._dry_run = call(f"{self._schema}.dry_run", 5)

    async def complete(
        self, workflow_id: str, step: str, result: str, reason: str | None, actor: str | None, *, forward: bool
    ) -> Ended:
        """Complete a step without running it. Replayable: it returns the same and changes nothing more."""
        (row,) = await self._calls.fetch(self._complete, workflow_id, step, result, reason, actor, uuid4(), forward)
        return Ended(row["changed"], row["refusal"], row["facts"] or ())

    async def skip(self, workflow_id: str, step: str, reason: str | None, actor: str | None, *, forward: bool) -> Ended:
        """Skip a step. Replayable, as `complete`."""
        (row,) = await self._calls.fetch(self._skip, workflow_id, step, reason, actor, uuid4(), forward)
        return Ended(row["changed"], row["refusal"], row["facts"] or ())

    async def start_now(self, workflow_id: str, steps: Sequence[str], actor: str | None, reason: str | None) -> Started:
        """Let steps start that wait for a time. Replayable."""
        (row,) = await self._calls.fetch(self._start_now, workflow_id, list(steps), actor, reason, uuid4())
        return Started(row["started"], row["unknown"] or (), row["refused"] or ())

    async def dry_run(
        self, workflow_id: str, action: Repair, steps: Sequence[str] | None, result: str | None = None, **options: bool
    ) -> DryRun:
        """Return what one of the above, or `retry` or `cancel`, would answer and change. Changes nothing."""
        names = None if steps is None else list(steps)
        (row,) = await self._calls.fetch(self._dry_run, workflow_id, action, names, json.dumps(options), result)
        changes = None
        if row["state_after"] is not None:
            listed = zip(row["names"] or (), row["befores"] or (), row["afters"] or (), strict=True)
            steps_changed = [StepChange(*one) for one in listed]
            changes = Changes(workflow_id, row["changed"] or 0, row["state_before"], row["state_after"], steps_changed)
        return DryRun(
            row["changed"], row["refusal"], row["facts"] or (), row["unknown"] or (), row["refused"] or (), changes
        )

    async def of_run(self, workflow_id: str) -> Sequence[Intervention] | None:
        """Return what was changed in a workflow, the oldest first; None if there is no such workflow."""
        rows = await self._calls.fetch(
            f"""
            select w.id as workflow_id, i.at, i.action, i.actor, i.role, i.steps, i.changed, i.reason, i.subject,
                   i.options::text as options
              from {self._schema}.workflows w
              left join lateral (
                       select n.* from {self._schema}.interventions n where n.workflow = w.key offset 0
                   ) i on true
             where w.id = $1
             order by i.at, i.id
            """,
            workflow_id,
        )
        return [_intervention(row) for row in rows if row["at"] is not None] if rows else None

    async def latest(self, limit: int) -> Sequence[Intervention]:
        """Return the latest interventions in workflows, queues and schedules, the newest first."""
        rows = await self._calls.fetch(
            f"""
            select w.id as workflow_id, i.at, i.action, i.actor, i.role, i.steps, i.changed, i.reason, i.subject,
                   i.options::text as options
              from (select n.* from {self._schema}.interventions n order by n.id desc limit $1) i
              left join lateral (
                       select f.id from {self._schema}.workflows f where f.key = i.workflow offset 0
                   ) w on true
             order by i.id desc
            """,
            limit,
        )
        return [_intervention(row) for row in rows]


def _intervention(row: Record) -> Intervention:
    return Intervention(
        row["at"],
        row["action"],
        row["actor"],
        row["role"],
        row["steps"] or (),
        row["changed"],
        row["reason"],
        json.loads(row["options"] or "{}"),
        row["workflow_id"],
        row["subject"],
    )


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"


def _counted(states: Mapping[Any, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in states.items())
