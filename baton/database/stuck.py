"""What does not go on, and why: facts, for `baton doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.core.circles import circles
from baton.database.explanations import Explanations
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Connection

WAITS_READ = 10_000
"""Of how many steps that wait for other workflows circles are looked for."""
ENTRIES_READ = 100_000
STUCK_SECONDS = 600.0
"""For how long a step has been available that is explained."""
EXPLAINED = 3
"""How many such steps are explained."""


@dataclass(frozen=True, slots=True)
class StuckStep:
    """A step that has been available for long."""

    workflow_id: str
    step: str
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Stuck:
    circles: Sequence[Sequence[str]] = ()
    """Workflows that wait for one another."""
    steps: Sequence[StuckStep] = ()
    """The steps that have been available the longest."""


NOTHING_STUCK = Stuck()


async def read_stuck(connection: Connection, schema: str) -> Stuck:
    """Return the workflows that wait for one another, and why the oldest available steps have not started."""
    return Stuck(await _circles(connection, quoted(schema)), await _steps(connection, schema))


async def _circles(connection: Connection, prefix: str) -> Sequence[Sequence[str]]:
    rows = await connection.fetch(
        f"""
        select w.id, a.run_id
          from (select o.step_id, o.run_id from {prefix}.awaited_runs o limit $1) a
          join {prefix}.workflows w on w.key = any(array[{prefix}.workflow_of(a.step_id)])
          join {prefix}.workflows other on other.id = any(array[a.run_id]) and other.state = 'executing'
         order by w.key
        """,
        WAITS_READ,
    )
    return list(circles((row["id"], row["run_id"]) for row in rows))


async def _steps(connection: Connection, schema: str) -> Sequence[StuckStep]:
    prefix = quoted(schema)
    rows = await connection.fetch(
        f"""
        select w.id, e.step_id, extract(epoch from clock_timestamp() - e.scheduled_at)::double precision as seconds
          from (
                   select q.step_id, q.scheduled_at
                     from (
                              select r.step_id, r.scheduled_at
                                from {prefix}.queue r
                               where r.state = 'available'
                               limit $1
                          ) q
                    where q.scheduled_at < clock_timestamp() - interval '1 second' * $2::double precision
                    order by q.scheduled_at
                    limit $3
               ) e
          join {prefix}.workflows w on w.key = any(array[{prefix}.workflow_of(e.step_id)])
         order by e.scheduled_at
        """,
        *(ENTRIES_READ, STUCK_SECONDS, EXPLAINED),
    )
    explanations = Explanations(connection, schema)
    stuck: list[StuckStep] = []
    for row in rows:
        found = await explanations.of_each(row["id"], [row["step_id"]])
        stuck += [StuckStep(row["id"], one.step, row["seconds"], one.why) for one in found.values()]
    return stuck
