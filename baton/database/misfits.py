"""Steps that pools put back because their arguments do not fit the worker: facts, for `baton doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Connection

ENTRIES_READ = 100_000
"""The steps of at most this many entries are read."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Steps that pools put back because the arguments do not fit the worker as these pools have it."""

    worker: str
    queue: str
    steps: int
    seconds: float
    """Since the first of them was put back."""
    reason: str
    """Of one of them."""


async def misfits(connection: Connection, schema: str) -> Sequence[Misfit]:
    """Return the steps that wait to be claimed again, by worker and queue; those of the most steps first."""
    rows = await connection.fetch(
        f"""
        select s.worker, e.queue, count(*) as steps,
               extract(epoch from clock_timestamp() - min(s.misfit_at))::double precision as seconds,
               min(s.reason) as reason
          from (
              select q.step_id, q.queue from {quoted(schema)}.queue q
                where q.state not in ('executing', 'waiting') limit $1
             ) e
          join {quoted(schema)}.steps s on s.id = e.step_id
         where s.outcome = 'misfit'
         group by s.worker, e.queue
         order by steps desc, s.worker
        """,
        ENTRIES_READ,
    )
    return [Misfit(**row) for row in rows]
