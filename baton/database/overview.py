"""What the front page of the dashboard shows. Each query reads a bounded part of an index, however large the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from baton.core.states import WorkflowState
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls

LOOKED_AT = 5_000
"""Of the workflows, this many are looked at, those inserted last."""
COUNTED = 10_000
"""Entries of a queue are counted up to this number."""
POOLS_SHOWN = 200
MINUTES = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How many workflows ended in one state within one minute."""

    minutes_ago: int
    state: WorkflowState
    number: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The workflows that were inserted last."""

    looked_at: int
    """How many there are, at most `LOOKED_AT`."""
    since: datetime | None
    """When the first of them was inserted; None if there are none."""
    executing: int
    ended: Sequence[Ended]
    """Within the last hour."""
    now: datetime


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """A queue, its entries counted up to a limit."""

    name: str
    paused_at: datetime | None
    available: int
    """Up to `COUNTED` + 1."""
    oldest_at: datetime | None
    """Since when the one that is next has been available."""
    later: int
    """Of the first `COUNTED` entries of all queues that wait for a time, those in this one."""
    executing: int
    pools: int
    """Living pools that serve it."""
    slots: int


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A worker pool."""

    id: int
    name: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    expires_at: datetime
    dead_at: datetime | None
    queues: Sequence[str]
    limits: Sequence[int]
    workers: Sequence[str]
    failures: Sequence[str]
    executing: int
    """How many steps it has claimed."""
    is_alive: bool
    """It is not marked dead, and its lease lasts."""
    now: datetime


async def read_recent(calls: Calls, schema: str) -> Recent:
    """Return what became of the workflows that were inserted last."""
    rows = await calls.fetch(
        f"""
        with looked_at as materialized (
            select w.state, w.inserted_at, w.finished_at
              from {quoted(schema)}.workflows w
             order by w.key desc
             limit {LOOKED_AT}
        ), ended as (
            select floor(extract(epoch from clock_timestamp() - l.finished_at) / 60)::integer as minutes_ago,
                   l.state, count(*) as number
              from looked_at l
             where l.finished_at > clock_timestamp() - make_interval(mins => {MINUTES})
             group by 1, 2
        )
        select a.*, e.minutes_ago, e.state, e.number
          from (
                   select count(*) as looked_at, min(l.inserted_at) as since,
                          count(*) filter (where l.state = 'executing') as executing, clock_timestamp() as now
                     from looked_at l
               ) a
          left join ended e on true
         order by e.minutes_ago
        """
    )
    first = rows[0]
    ended = [Ended(max(row["minutes_ago"], 0), row["state"], row["number"]) for row in rows if row["state"] is not None]
    return Recent(first["looked_at"], first["since"], first["executing"], ended, first["now"])


async def read_queue_counts(calls: Calls, schema: str) -> Sequence[QueueCounts]:
    """Return the queues that have entries that may run or run, are paused or are served, by name."""
    query = _QUEUES.format(prefix=quoted(schema), counted=COUNTED, more=COUNTED + 1)
    return [QueueCounts(**row) for row in await calls.fetch(query)]


async def read_pools(calls: Calls, schema: str) -> Sequence[PoolFacts]:
    """Return the living pools and those that died last, the living ones first; one more than are shown."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select p.id, p.name, p.host, p.pid, p.started_at, p.beat_at, p.expires_at, p.dead_at, p.queues, p.limits,
               p.workers, case when p.dead_at is null then p.failures else '{{}}' end as failures,
               (
                   select count(*) from {prefix}.queue q where q.pool = p.id and q.state = 'executing'
               ) as executing,
               p.dead_at is null and p.expires_at > clock_timestamp() as is_alive,
               clock_timestamp() as now
          from {prefix}.pools p
         order by p.dead_at is null desc, p.id desc
         limit {POOLS_SHOWN + 1}
        """
    )
    return [PoolFacts(**row) for row in rows]


# The names are found by jumps in the two indexes of what is available.
_QUEUES = """
with recursive plain(queue) as (
    (
        select q.queue from {prefix}.queue q
         where q.state = 'available' and q.lane is null
         order by q.queue limit 1
    )
     union all
    select (
               select q.queue
                 from {prefix}.queue q
                where q.state = 'available' and q.lane is null and q.queue > n.queue
                order by q.queue
                limit 1
           )
      from plain n
     where n.queue is not null
), laned(queue) as (
    (
        select q.queue from {prefix}.queue q
         where q.state = 'available' and q.lane is not null
         order by q.queue limit 1
    )
     union all
    select (
               select q.queue
                 from {prefix}.queue q
                where q.state = 'available' and q.lane is not null and q.queue > n.queue
                order by q.queue
                limit 1
           )
      from laned n
     where n.queue is not null
), counted as (
    select n.queue, c.number, c.oldest_at
      from plain n
     cross join lateral (
              select count(*) as number, min(x.scheduled_at) as oldest_at
                from (
                         select q.scheduled_at
                           from {prefix}.queue q
                          where q.state = 'available' and q.lane is null and q.queue = n.queue
                          order by q.priority, q.position, q.step_id
                          limit {more}
                     ) x
          ) c
     where n.queue is not null
     union all
    select n.queue, c.number, c.oldest_at
      from laned n
     cross join lateral (
              select count(*) as number, min(x.scheduled_at) as oldest_at
                from (
                         select q.scheduled_at
                           from {prefix}.queue q
                          where q.state = 'available' and q.lane is not null and q.queue = n.queue
                          order by q.priority, q.lane, q.position, q.step_id
                          limit {more}
                     ) x
          ) c
     where n.queue is not null
), available as (
    select c.queue, least(sum(c.number), {more})::integer as number, min(c.oldest_at) as oldest_at
      from counted c
     group by c.queue
), executing as (
    select x.queue, count(*) as number
      from (
               select q.queue from {prefix}.queue q where q.state = 'executing'
                order by q.pool, q.token limit {more}
           ) x
     group by x.queue
), later as (
    select x.queue, count(*) as number
      from (
               select q.queue from {prefix}.queue q where q.state in ('scheduled', 'retryable')
                order by q.scheduled_at limit {counted}
           ) x
     group by x.queue
), served as (
    select l.queue, count(*) as pools, sum(l.slots) as slots
      from {prefix}.pools p
     cross join unnest(p.queues, p.limits) as l(queue, slots)
     where p.dead_at is null and p.expires_at > clock_timestamp()
     group by l.queue
), all_names as (
    select a.queue from available a
     union select e.queue from executing e
     union select l.queue from later l
     union select s.queue from served s
     union select u.queue from {prefix}.queue_settings u where u.paused_at is not null
)
select n.queue as name, u.paused_at, coalesce(a.number, 0) as available, a.oldest_at,
       coalesce(l.number, 0) as later, coalesce(e.number, 0) as executing,
       coalesce(s.pools, 0) as pools, coalesce(s.slots, 0) as slots
  from all_names n
  left join available a on a.queue = n.queue
  left join executing e on e.queue = n.queue
  left join later l on l.queue = n.queue
  left join served s on s.queue = n.queue
  left join {prefix}.queue_settings u on u.queue = n.queue
 order by n.queue
"""
