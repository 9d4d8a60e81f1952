"""Checks the whole database again and again during the campaign: what must hold in each single snapshot."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from campaign.profile import SWEEP_SECONDS
from campaign.server import Admin
from campaign.tally import Tally
from campaign.workload import Report

PAUSE_SECONDS = 1.0
SLACK_SECONDS = 12.0
"""Faults hit the sweeps too; once the faults have stopped, two sweeps are enough."""

_PENDING = """
    select w.id as workflow, s.name, s.pending, n.waits_for
      from workflows w
     cross join lateral generate_series(0, w.total - 1) as o(ordinal)
      join steps s on s.id = step_of(w.key, o.ordinal)
     cross join lateral (
           select count(*) + (
                      select count(*)
                        from steps g
                       where g.id = sibling_of(s.id, s.parent) and g.concurrency is not null and not s.holds_slot
                  ) as waits_for,
                  coalesce(bool_or(d.finished_at is not null), false) as is_stranded
             from unnest(s.dependencies) as e(ordinal)
             join steps d on d.id = sibling_of(s.id, e.ordinal)
            where not (d.state = 'completed'
                       or d.state = 'cancelled' and s.ignore_cancelled
                       or d.state = 'discarded' and s.ignore_discarded
                       or d.state = 'skipped' and s.ignore_skipped)
     ) as n
     where w.state = 'executing'
       and s.state = 'suspended'
       and s.first_child is null
       and (s.pending <> n.waits_for or n.is_stranded)
     limit 10
"""
_CHILDREN = """
    select w.id as workflow, s.name, s.pending, s.slots, n.open, n.holders
      from workflows w
     cross join lateral generate_series(0, w.total - 1) as o(ordinal)
      join steps s on s.id = step_of(w.key, o.ordinal)
     cross join lateral (
           select count(*) filter (where c.finished_at is null) as open,
                  count(*) filter (where c.finished_at is null and c.holds_slot) as holders,
                  count(*) as children
             from steps c
            where c.id >= sibling_of(s.id, s.first_child) and c.id < sibling_of(s.id, s.first_child + s.children)
              and c.parent = o.ordinal
     ) as n
     where w.state = 'executing'
       and s.first_child is not null
       and (n.children <> s.children
            or s.finished_at is null and s.pending <> n.open
            or s.finished_at is null and s.slots + n.holders <> s.concurrency
            or s.finished_at is not null and n.open > 0)
     limit 10
"""
_REMAINING = """
    select w.id as workflow, w.remaining, n.open
      from workflows w
     cross join lateral (
           select count(*) filter (where s.finished_at is null) as open
             from generate_series(0, w.total - 1) as o(ordinal)
             join steps s on s.id = step_of(w.key, o.ordinal)
     ) as n
     where (w.state = 'executing' or w.finished_at > clock_timestamp() - interval '20 seconds')
       and w.remaining <> n.open
     limit 10
"""
_OVERDUE = """
    select q.step_id, q.attempt, q.pool, p.dead_at, p.expires_at
      from queue q
      left join pools p on p.id = q.pool
     where q.state = 'executing'
       and q.attempted_at < clock_timestamp() - interval '1 second' * $1::double precision
       and (p.id is null
            or least(p.dead_at, p.expires_at) < clock_timestamp() - interval '1 second' * $1::double precision)
       and pg_postmaster_start_time() < clock_timestamp() - interval '1 second' * $1::double precision
     limit 10
"""
_IN_TRANSACTION = """
    select application_name, state, query
      from pg_stat_activity
     where application_name like 'baton%'
       and state like 'idle in transaction%'
       and state_change < clock_timestamp() - interval '1 second'
"""


@dataclass(slots=True)
class Audit:
    admin: Admin
    tally: Tally
    report: Report

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check(SLACK_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def check(self, overdue_seconds: float = 2 * SWEEP_SECONDS + 0.5) -> None:
        """Check once. Entries may stay with a dead pool for `overdue_seconds`."""
        for row in await self.admin.fetch(_PENDING):
            self.report(f"the pending count of a step is wrong, or it waits for a step that has ended: {dict(row)}")
        for row in await self.admin.fetch(_CHILDREN):
            self.report(f"the counts of a group's children or slots are wrong: {dict(row)}")
        for row in await self.admin.fetch(_REMAINING):
            self.report(f"the count of a workflow's open steps is wrong: {dict(row)}")
        for row in await self.admin.fetch(_OVERDUE, overdue_seconds):
            self.report(f"a step still executes {overdue_seconds:.1f} s after its lease: {dict(row)}")
        for row in await self.admin.fetch(_IN_TRANSACTION):
            self.report(f"a connection was left in a transaction: {dict(row)}")
        self.tally.add("checks of the whole database")
