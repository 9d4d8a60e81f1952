"""The limits of queues as the database keeps them, and how far they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.core.queue_limits import QueueLimits, Rate
from baton.database.columns import call
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record


@dataclass(frozen=True, slots=True)
class LimitedQueue:
    """A queue that has limits, as of one moment."""

    queue: str
    limits: QueueLimits
    executing: int
    """How many of its steps execute, over all worker pools."""
    available: int
    """How many could start if there were no limits."""
    free_units: float | None
    """How many units may start now; negative if more was used than its rate allows; None without a rate."""
    paused_lanes: Sequence[str]


class LimitStore:
    """The calls that deal with limits."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        self._schema = quoted(schema)
        self._set_limits = call(f"{self._schema}.set_limits", 10)

    async def put(self, queue: str, limits: QueueLimits, actor: str | None = None) -> bool:
        """Set all limits of a queue. Return whether that changed any. Replayable."""
        (row,) = await self._calls.fetch(
            self._set_limits,
            *(queue, limits.running, *_rate(limits.rate), limits.lane_running, *_rate(limits.lane_rate), actor),
        )
        return bool(row["changed"])

    async def records(self) -> Sequence[LimitedQueue]:
        """Return the queues that have limits, or lanes that are paused, by name."""
        rows = await self._calls.fetch(
            f"""
            select s.queue, s.running, s.starts, s.per, s.burst,
                   s.lane_running, s.lane_starts, s.lane_per, s.lane_burst,
                   count(*) filter (where q.state = 'executing' and q.lane is distinct from '') as executing,
                   count(*) filter (where q.state = 'available') as available,
                   (
                       select s.burst - greatest(0, extract(epoch from r.spent - clock_timestamp())) * s.starts / s.per
                         from {self._schema}.queue_rates r
                        where r.queue = s.queue
                   )::double precision as free_units,
                   array(
                       select p.lane from {self._schema}.paused_lanes p where p.queue = s.queue order by p.lane
                   )::text[] as paused_lanes
              from {self._schema}.queue_settings s
              left join {self._schema}.queue q on q.queue = s.queue
             where coalesce(s.running, s.starts, s.lane_running, s.lane_starts) is not null
                or exists (select from {self._schema}.paused_lanes p where p.queue = s.queue)
             group by s.queue
             order by s.queue
            """
        )
        return [_limited(row) for row in rows]


def _rate(rate: Rate | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if rate is None else (rate.starts, rate.per, rate.burst)


def _limited(row: Record) -> LimitedQueue:
    rate = None if row["starts"] is None else Rate(row["starts"], row["per"], row["burst"])
    lane_rate = None if row["lane_starts"] is None else Rate(row["lane_starts"], row["lane_per"], row["lane_burst"])
    limits = QueueLimits(row["running"], rate, row["lane_running"], lane_rate)
    return LimitedQueue(
        row["queue"], limits, row["executing"], row["available"], row["free_units"], row["paused_lanes"]
    )
