"""What a follower of a run reads: the ends since its last reading, and how far everything else is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from baton.core.states import FinalStepState, StepState, WorkflowState
from baton.core.step_ids import ordinal_of
from baton.database.migrate import quoted
from baton.database.step_records import StepProgress, step_progress

if TYPE_CHECKING:
    from baton.database.connections import Calls

MOST_ACTIVE = 100
"""This many steps that go on are listed; of the others only the number is read."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ActiveStep:
    """A step that has been released, or a group that has begun, and is not final."""

    step: str
    state: StepState
    attempt: int
    reason: str | None
    """Why it was put back."""
    progress: StepProgress | None
    """What its worker says; None if it says nothing."""
    children: Mapping[StepState, int]
    """Of a group, how many of its children are in which state."""


@dataclass(frozen=True, slots=True)
class EndedStep:
    """How a step ended."""

    id: int
    micros: int
    """When, in microseconds since 1970."""
    step: str
    state: FinalStepState
    attempt: int
    reason: str | None
    children: Mapping[StepState, int]

    @property
    def ordinal(self) -> int:
        return ordinal_of(self.id)

    @property
    def finished_at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.micros)


@dataclass(frozen=True, slots=True)
class RunReading:
    """A run as of one moment."""

    key: int
    state: WorkflowState
    counts: Mapping[StepState, int]
    """How many steps are in which state."""
    number_ended: int
    ended: Sequence[EndedStep]
    """Those that ended later than the last one that is known, in order."""
    active: Sequence[ActiveStep]
    others: int
    """How many more are active than are listed."""


async def read_run(
    calls: Calls, schema: str, workflow_id: str, after: EndedStep | None, *, children: bool
) -> RunReading | None:
    """Return a run as it is now, with what ended after this step; None if there is no such workflow.

    Without `children`, steps inside groups are only counted. No arguments, results or errors are read.
    """
    last = (0, 0) if after is None else (after.micros, after.id)
    rows = await calls.fetch(_QUERY.replace("baton.", f"{quoted(schema)}."), workflow_id, *last, children, MOST_ACTIVE)
    if not rows:
        return None
    row = rows[0]
    return RunReading(
        key=row["key"],
        state=row["state"],
        counts=json.loads(row["counts"] or "{}"),
        number_ended=row["number_ended"],
        ended=[_ended(*fields) for fields in json.loads(row["ended"] or "[]")],
        active=[_active(*fields) for fields in json.loads(row["active"] or "[]")],
        others=max(0, row["number_active"] - MOST_ACTIVE),
    )


def _ended(
    step_id: int, micros: int, step: str, state: FinalStepState, attempt: int, reason: str | None, children: Any
) -> EndedStep:
    return EndedStep(step_id, micros, step, state, attempt, reason, children or {})


def _active(
    step: str, state: StepState, attempt: int, reason: str | None, fraction: Any, message: str | None, children: Any
) -> ActiveStep:
    return ActiveStep(step, state, attempt, reason, step_progress(fraction, message), children or {})


# Gates and ends are the engine's own steps. `offset 0`: by the primary key, however large the
# planner estimates the range.
_QUERY = """
with w as materialized (
    select f.key, f.state from baton.workflows f where f.id = $1
), s as materialized (
    select r.id, r.name, r.parent, r.reason, r.first_child, r.finished_at,
           (extract(epoch from r.finished_at) * 1000000)::bigint as micros,
           coalesce(q.state, r.state)::text as state, coalesce(q.attempt, r.attempt) as attempt, q.token,
           $4 or r.parent is null as is_shown
      from w
      join lateral (
               select t.id, t.name, t.parent, t.reason, t.first_child, t.finished_at, t.state, t.attempt
                 from baton.steps t
                where t.id >= baton.step_of(w.key, 0)
                  and t.id < baton.step_of(w.key + 1, 0)
                  and (t.role is null or t.role not in ('gate', 'end'))
               offset 0
           ) as r on true
      left join lateral (
               select e.state, e.attempt, e.token
                 from baton.queue e
                where e.step_id = r.id and r.state = 'queued'
               offset 0
           ) as q on true
), grouped as (
    select c.parent, json_object_agg(c.state, c.n) as counts
      from (
          select m.parent, m.state, count(*) as n from s m where m.parent is not null group by m.parent, m.state
      ) as c
     group by c.parent
), active as (
    select a.id, a.name, a.state, a.attempt, a.reason, a.token
      from s a
     where a.is_shown and a.finished_at is null and (a.state <> 'suspended' or a.first_child is not null)
)
select w.key, w.state,
       (
           select json_object_agg(c.state, c.n)
             from (select m.state, count(*) as n from s m where m.is_shown group by m.state) as c
       )::text as counts,
       (select count(*) from s m where m.is_shown and m.finished_at is not null) as number_ended,
       (
           select json_agg(
                      json_build_array(m.id, m.micros, m.name, m.state, m.attempt, m.reason, g.counts)
                      order by m.micros, m.id
                  )
             from s m
             left join grouped g on m.first_child is not null and g.parent = m.id - baton.step_of(w.key, 0)
            where m.is_shown and m.finished_at is not null and (m.micros, m.id) > ($2::bigint, $3::bigint)
       )::text as ended,
       (
           select json_agg(
                      json_build_array(a.name, a.state, a.attempt, a.reason, p.fraction, p.message, g.counts)
                      order by a.id
                  )
             from (select l.* from active l order by l.id limit $5) as a
             left join lateral (
                      select o.fraction, o.message
                        from baton.progress o
                       where o.step_id = a.id and o.token = a.token
                      offset 0
                  ) as p on true
             left join grouped g on g.parent = a.id - baton.step_of(w.key, 0)
       )::text as active,
       (select count(*) from active) as number_active
  from w
"""
