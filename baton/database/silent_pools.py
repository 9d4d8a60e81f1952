"""Worker pools that run steps of a workflow and missed a heartbeat: their process was killed, frozen or cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls


@dataclass(frozen=True, slots=True)
class SilentPool:
    """A worker pool that has not been heard of for more than half its lease; it sends three heartbeats in a lease."""

    name: str
    step: str
    """The first step of the workflow that it runs."""
    steps: int
    """How many of its steps it runs."""
    silent_seconds: float
    """How long ago its last heartbeat was."""
    seconds_left: float
    """Until its lease ends and other pools take its steps over; 0 if that is now."""


async def read_silent_pools(calls: Calls, schema: str, workflow_id: str) -> Sequence[SilentPool]:
    """Return the silent pools that run steps of a workflow, in the order of their first steps."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select p.name,
               (array_agg(s.name order by s.id))[1] as step,
               count(*)::integer as steps,
               extract(epoch from clock_timestamp() - p.beat_at)::float8 as silent_seconds,
               greatest(0, extract(epoch from p.expires_at - clock_timestamp()))::float8 as seconds_left
          from {prefix}.workflows w
          join lateral (
                   select e.step_id, e.pool
                     from {prefix}.queue e
                    where e.step_id >= {prefix}.step_of(w.key, 0) and e.step_id < {prefix}.step_of(w.key + 1, 0)
                      and e.state = 'executing'
                   offset 0
               ) q on true
          join {prefix}.steps s on s.id = q.step_id
          join {prefix}.pools p on p.id = q.pool
         where w.id = $1
           and p.beat_at + (p.expires_at - p.beat_at) / 2 < clock_timestamp()
         group by p.id, p.name, p.beat_at, p.expires_at
         order by min(s.id)
        """,
        workflow_id,
    )
    return [SilentPool(**dict(row)) for row in rows]
