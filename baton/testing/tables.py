"""What the harness does to the tables of the engine that the engine itself never does: empty them, move their times."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.client.engine import Engine
from baton.database.migrate import quoted
from baton.testing.errors import NotATestDatabase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from baton.database.connections import Connection, Record

KEPT = ("migrations", "functions")
UNMOVED = (*KEPT, "pools", "schedules")
"""A pool that is alive stays alive, however far the times are moved. For schedules see passed_schedules.py."""

_TABLES = """
select c.relname as name,
       array_agg(a.attname order by a.attnum) filter (
           where 'timestamptz'::regtype in (a.atttypid, t.typbasetype)
       ) as times,
       -- Settings and the like: the one row is there from the beginning, under a key that is true.
       bool_or(a.attname = 'id' and a.atttypid = 'boolean'::regtype) as is_one_row
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_type t on t.oid = a.atttypid
 where n.nspname = $1
   and c.relkind = 'r'
 group by c.relname
 order by c.relname
"""

_POOLS_OF_OTHERS = """
select p.name
  from {schema}.pools p
 where p.dead_at is null
   and p.expires_at > clock_timestamp()
   and (p.host, p.pid) <> ($1, $2)
   and exists (select from {schema}.workflows)
 order by p.name
"""

_LOCK_TIMEOUT = "set local lock_timeout = '10s'"
"""A transaction that a test left open is an error, and not a test that hangs."""

# $1: how many seconds may pass: as many as are missing until something is due, or all if nothing is
# due by then. $2: how many have passed before. What is due already was seen before, and is held or
# failed: it moves nothing.
_MOVE = """
with next as (
    select extract(epoch from min(d.at) - clock_timestamp())::double precision as due_in
      from (
          select q.scheduled_at as at from {schema}.queue q where q.state in ('scheduled', 'retryable')
          union all
          select q.ends_at from {schema}.queue q where q.ends_at is not null
          union all
          select e.due_at from {schema}.deadlines e
          union all
          -- When the rate of a queue or lane has earned the next start.
          select clock_timestamp()
                 + interval '1 second' * ({schema}.limit_of(h.step_id) ->> 'seconds')::double precision
            from (
                select distinct on (q.queue, q.lane) q.step_id
                  from {schema}.queue q
                 where q.state = 'available'
                 order by q.queue, q.lane, q.priority, q.position, q.step_id
            ) as h
           where {schema}.limit_of(h.step_id) ->> 'limit' in ('starts', 'lane_starts')
          union all
          select s.due_at - interval '1 second' * $2
            from {schema}.schedules s
           where s.paused_at is null and s.due_at is not null and not s.is_waiting
      ) as d
     where d.at > clock_timestamp()
), passed as (
    select greatest(0, least($1::double precision, n.due_in)) as seconds, coalesce(n.due_in <= $1, false) as is_due
      from next n
), {moved}
select p.seconds, p.is_due from passed p
"""

_read: dict[tuple[str, str], EngineTables] = {}


@dataclass(frozen=True, slots=True)
class Passed:
    """How much time has passed."""

    seconds: float
    is_due: bool
    """Something is due now."""


@dataclass(frozen=True, slots=True)
class EngineTables:
    """The tables of one schema. They are read from the catalogue, so a table that is added later is among them."""

    schema: str
    emptying: str
    moving: str

    @classmethod
    async def of(cls, engine: Engine) -> EngineTables:
        # Once for each schema of a process: the answer takes as long as a fifth of a short test.
        key = engine.connector.dsn, engine.schema
        if key not in _read:
            async with engine.connections.acquire() as connection:
                _read[key] = cls._made_of(engine.schema, await connection.fetch(_TABLES, engine.schema))
        return _read[key]

    @classmethod
    def _made_of(cls, schema: str, rows: Sequence[Record]) -> EngineTables:
        prefix = quoted(schema)
        emptied = [
            f"delete from {prefix}.{quoted(row['name'])}"
            for row in rows
            if row["name"] not in KEPT and not row["is_one_row"]
        ]
        moved = [
            f"update {prefix}.{quoted(row['name'])} set "
            + ", ".join(f"{time} = {time} - interval '1 second' * p.seconds" for time in map(quoted, row["times"]))
            + " from passed p where p.seconds > 0"
            for row in rows
            if row["times"] and row["name"] not in UNMOVED
        ]
        parts = ", ".join(f"moved_{number} as ({statement})" for number, statement in enumerate(moved))
        return cls(
            schema,
            "; ".join([_LOCK_TIMEOUT, *emptied, f"update {prefix}.upkeep set pruned_to = 0"]),
            _MOVE.format(schema=prefix, moved=parts),
        )

    async def empty(self, connection: Connection) -> None:
        """Delete every workflow and every pool."""
        async with connection.transaction():
            await connection.execute(self.emptying)

    async def pass_time(self, connection: Connection, seconds: float, before: float) -> Passed:
        """Let time pass until something is due, at most `seconds`: every stored time lies so much further back.

        `before` is how much has passed since the schema was emptied.
        """
        (row,) = await connection.fetch(self.moving, seconds, before)
        return Passed(row["seconds"], row["is_due"])

    async def refuse_if_in_use(self, connection: Connection) -> None:
        """Raise `NotATestDatabase` if workflows are there, and a pool of another process that may run them."""
        asked = _POOLS_OF_OTHERS.format(schema=quoted(self.schema))
        rows = await connection.fetch(asked, socket.gethostname(), os.getpid())
        if rows:
            raise NotATestDatabase(self.schema, [row["name"] for row in rows])
