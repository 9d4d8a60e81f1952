"""The limits of queues, without what has to be counted for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls

LANES_SHOWN = 100


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What bounds a queue. Each is None where nothing does; see `Engine.limit`."""

    queue: str
    running: int | None
    starts: float | None
    per: float | None
    burst: float | None
    lane_running: int | None
    lane_starts: float | None
    lane_per: float | None
    lane_burst: float | None
    free_units: float | None
    """How many units may start now; negative if more was used than the rate allows."""
    paused_lanes: Sequence[str]
    """The first `LANES_SHOWN` + 1."""


async def read_limit_settings(calls: Calls, schema: str) -> Sequence[LimitSettings]:
    """Return the queues that have limits or paused lanes, by name."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select s.queue, s.running, s.starts, s.per, s.burst,
               s.lane_running, s.lane_starts, s.lane_per, s.lane_burst,
               (
                   s.burst - greatest(0, extract(epoch from r.spent - clock_timestamp())) * s.starts / s.per
               )::double precision as free_units,
               array(
                   select p.lane from {prefix}.paused_lanes p where p.queue = s.queue
                    order by p.lane limit {LANES_SHOWN + 1}
               )::text[] as paused_lanes
          from {prefix}.queue_settings s
          left join {prefix}.queue_rates r on r.queue = s.queue
         where coalesce(s.running, s.starts, s.lane_running, s.lane_starts) is not null
            or exists (select from {prefix}.paused_lanes p where p.queue = s.queue)
         order by s.queue
        """
    )
    return [LimitSettings(**row) for row in rows]
