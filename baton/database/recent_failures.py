"""Steps that failed lately: facts, for `baton doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Connection

WORKFLOWS_READ = 100_000
"""Of at most this many workflows, those inserted last, the failed ones are found: no index knows them."""
STEPS_OF_WORKFLOWS = 200
"""Of at most this many failed workflows the steps are read, and of the others none."""
ENTRIES_READ = 100_000
HOURS = 1


@dataclass(frozen=True, slots=True)
class RecentFailure:
    """Steps of one worker that failed within the last hour."""

    worker: str
    discarded: int
    """How many used up their attempts."""
    retryable: int
    """How many wait for another attempt."""
    workflow_id: str
    """Of the step that failed last."""
    step: str
    error: str


async def recent_failures(connection: Connection, schema: str) -> Sequence[RecentFailure]:
    """Return what failed within the last hour by worker, the most failures first."""
    name = quoted(schema)
    rows = await connection.fetch(
        f"""
        with workflows_failed as (
            select r.key
              from (
                       select w.key, w.failed, w.finished_at from {name}.workflows w order by w.key desc limit $1
                   ) r
             where r.failed > 0
               and coalesce(r.finished_at, 'infinity') > clock_timestamp() - make_interval(hours => $4)
             order by r.key desc
             limit $2
        ), failed(id, state) as (
            select s.id, s.state
              from workflows_failed f
              join lateral (
                       select s.id, s.state, s.finished_at
                         from {name}.steps s
                        where s.id >= {name}.step_of(f.key, 0) and s.id < {name}.step_of(f.key + 1, 0)
                       offset 0
                   ) s on s.state = 'discarded' and s.finished_at > clock_timestamp() - make_interval(hours => $4)
             union all
            select e.step_id, 'retryable'
              from (select q.step_id from {name}.queue q where q.state = 'retryable' limit $3) e
        ), errors as (
            select s.worker, f.state, s.id, s.name,
                   s.errors[cardinality(s.errors)] ->> 'error' as error,
                   (s.errors[cardinality(s.errors)] ->> 'at')::timestamptz as at
              from failed f
              join lateral (select s.* from {name}.steps s where s.id = f.id offset 0) s on true
        )
        select e.worker,
               count(*) filter (where e.state = 'discarded') as discarded,
               count(*) filter (where e.state = 'retryable') as retryable,
               (array_agg(w.id order by e.at desc))[1] as workflow_id,
               (array_agg(e.name order by e.at desc))[1] as step,
               (array_agg(e.error order by e.at desc))[1] as error
          from errors e
          join {name}.workflows w on w.key = {name}.workflow_of(e.id)
         where e.at > clock_timestamp() - make_interval(hours => $4)
         group by e.worker
         order by count(*) desc, e.worker
        """,
        *(WORKFLOWS_READ, STEPS_OF_WORKFLOWS, ENTRIES_READ, HOURS),
    )
    return [RecentFailure(**row) for row in rows]
