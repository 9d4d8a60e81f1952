"""All that is recorded of one step, for people who look into what it did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from baton.core.states import StepState
from baton.core.usage.model_map import model_of
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls


@dataclass(frozen=True, slots=True)
class StepDetails:
    """A step, with its arguments and all of its failed attempts."""

    name: str
    state: StepState
    worker: str
    queue: str
    priority: int
    attempt: int
    """Attempts counted so far; 0 before the first claim, and after a retry by an operator."""
    max_attempts: int
    timeout: float | None
    """Seconds one attempt may take; None for no limit."""
    args: str
    """The arguments as JSON, with null where the result of another step belongs."""
    references: str | None
    """Where these results belong, as JSON: a list of [path, step]; None for none."""
    reason: str | None
    errors: Sequence[Mapping[str, Any]]
    """The failed attempts, oldest first: attempt, at, kind, error, trace."""
    grouping: str | None
    """map, workflow or graph; None for an ordinary step."""
    children: int | None
    """How many children a group has; None until it has any."""
    dependencies: Mapping[str, StepState]
    """The state of each step it waits for, by name."""
    pool: str | None
    """The worker pool that runs it, or ran it last; its number where its name is gone."""
    scheduled_at: datetime | None
    attempted_at: datetime | None
    finished_at: datetime | None
    now: datetime
    """The time by the database's clock."""
    model: str | None = None
    """The language model that a model map names for it; None for none."""


async def read_step_details(calls: Calls, schema: str, workflow_id: str, step: str) -> StepDetails | None:
    """Return what is recorded of a step, or None if there is no such workflow or step."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select s.name,
               coalesce(q.state, s.state) as state,
               s.worker, s.queue, s.priority,
               coalesce(q.attempt, s.attempt) as attempt,
               s.max_attempts, s.timeout,
               s.args::text as args,
               s.arg_refs::text as references,
               s.reason,
               coalesce(s.errors::text[], '{{}}') as errors,
               s.grouping, s.children,
               d.names, d.states,
               coalesce(p.name, coalesce(q.pool, s.pool)::text) as pool,
               coalesce(q.scheduled_at, s.scheduled_at) as scheduled_at,
               coalesce(q.attempted_at, s.attempted_at) as attempted_at,
               s.finished_at,
               w.models::text as models,
               clock_timestamp() as now
          from {prefix}.workflows w
          join lateral (
                   select r.*
                     from {prefix}.steps r
                    where r.id >= {prefix}.step_of(w.key, 0) and r.id < {prefix}.step_of(w.key + 1, 0) and r.name = $2
                      -- The engine's own steps are not shown.
                      and (r.role is null or r.role not in ('gate', 'end'))
                   offset 0
               ) s on true
          left join lateral (select e.* from {prefix}.queue e where e.step_id = s.id offset 0) q on true
          left join lateral (
                   select l.name from {prefix}.pools l where l.id = coalesce(q.pool, s.pool) offset 0
               ) p on true
         cross join lateral (
                   select coalesce(array_agg(t.name order by o.n), '{{}}') as names,
                          coalesce(array_agg(coalesce(e.state, t.state)::text order by o.n), '{{}}') as states
                     from unnest(s.dependencies) with ordinality as o(ordinal, n)
                     join {prefix}.steps t on t.id = {prefix}.sibling_of(s.id, o.ordinal)
                     left join {prefix}.queue e on e.step_id = t.id
                    where t.role is null or t.role not in ('gate', 'end')
               ) d
         where w.id = $1
        """,
        workflow_id,
        step,
    )
    if not rows:
        return None
    facts = dict(rows[0])
    models = facts.pop("models")
    return StepDetails(
        dependencies=dict(zip(facts.pop("names"), facts.pop("states"), strict=True)),
        errors=[json.loads(error) for error in facts.pop("errors")],
        model=None if models is None else model_of(facts["name"], facts["worker"], json.loads(models)),
        **facts,
    )
