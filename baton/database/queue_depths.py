"""How deep the queues are, and how old what lies in them: for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls

_DEPTHS = """
select q.queue,
       q.state,
       count(*) as entries,
       max(extract(epoch from clock_timestamp() - case q.state
                                                      when 'executing' then q.attempted_at
                                                      when 'available' then q.scheduled_at
                                                  end))::double precision as oldest_seconds
  from {schema}.queue q
 group by q.queue, q.state
"""
_PAUSED = "select p.queue from {schema}.queue_settings p where p.paused_at is not null"


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The entries of one queue in one state, as of one moment."""

    queue: str
    state: str
    entries: int
    oldest_seconds: float | None
    """For how long the oldest has been available, or the longest attempt executing; None in another state."""


@dataclass(frozen=True, slots=True)
class QueueDepths:
    depths: Sequence[QueueDepth] = ()
    paused: Sequence[str] = ()


async def read_queue_depths(calls: Calls, schema: str) -> QueueDepths:
    """Read every entry there is, and count them."""
    rows = await calls.fetch(_DEPTHS.format(schema=quoted(schema)))
    paused = await calls.fetch(_PAUSED.format(schema=quoted(schema)))
    return QueueDepths([QueueDepth(*row) for row in rows], [row["queue"] for row in paused])
