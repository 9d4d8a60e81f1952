"""Pauses of runs and workers: none of their steps starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from baton.database.columns import call
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls

Kind = Literal["run", "worker"]


@dataclass(frozen=True, slots=True)
class StartPause:
    """A run or a worker that is paused."""

    kind: Kind
    name: str
    """The id of the workflow, or the name of the worker."""
    paused_at: datetime
    put_aside: int
    """How many of its steps claims have met and put aside; others that are ready may be in their queues."""


async def read_start_pauses(calls: Calls, schema: str) -> Sequence[StartPause]:
    """Return the runs and workers that are paused, the first to be paused first."""
    rows = await calls.fetch(_QUERY.format(prefix=quoted(schema)))
    return [StartPause(row["kind"], row["name"], row["paused_at"], row["put_aside"]) for row in rows]


async def pause_starts(calls: Calls, schema: str, kind: Kind, name: str, actor: str | None) -> bool | None:
    """Pause a run or a worker. Return whether it was not paused, a replay False; None if there is no such run."""
    (row,) = await calls.fetch(call(f"{quoted(schema)}.pause_starts", 3), kind, name, actor)
    paused: bool | None = row["paused"]
    return paused


async def resume_starts(calls: Calls, schema: str, kind: Kind, name: str, actor: str | None) -> bool | None:
    """Resume a run or a worker. Return whether it was paused, a replay False; None if there is no such run."""
    (row,) = await calls.fetch(call(f"{quoted(schema)}.resume_starts", 3), kind, name, actor)
    resumed: bool | None = row["resumed"]
    return resumed


_QUERY = """
select p.kind, coalesce(w.id, p.name) as name, p.paused_at,
       (
           select count(*)::integer
             from {prefix}.paused_steps a
             join {prefix}.queue q on q.step_id = a.step_id
             join {prefix}.steps s on s.id = a.step_id
            where case p.kind when 'run' then {prefix}.workflow_of(a.step_id) = p.key else s.worker = p.name end
       ) as put_aside
  from (
           select split_part(o.subject, ' ', 1) as kind,
                  substr(o.subject, strpos(o.subject, ' ') + 1) as name,
                  case when o.subject like 'run %' then substr(o.subject, 5)::bigint end as key,
                  o.paused_at
             from {prefix}.paused_starts o
       ) as p
  left join {prefix}.workflows w on w.key = p.key
 order by p.paused_at, name
"""
