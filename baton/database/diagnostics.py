"""The state of the engine and its server as facts, from plain queries; `baton doctor` says what they mean.

Reads the whole table of entries, but only those steps that it looks up for an entry. Locks nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.database.migrate import SchemaVersion, quoted, schema_version
from baton.database.misfits import Misfit, misfits
from baton.database.queries import Queries, Queue
from baton.database.recent_failures import RecentFailure, recent_failures
from baton.database.schedules import ScheduleRecord, ScheduleStore
from baton.database.stuck import NOTHING_STUCK, Stuck, read_stuck

if TYPE_CHECKING:
    from baton.database.connections import Connection

LOOKED_UP = 100_000
"""The worker is looked up for at most this many entries."""
NAMED = 3

SETTINGS = (
    "autovacuum",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "fsync",
    "full_page_writes",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "synchronous_commit",
    "track_counts",
)


@dataclass(frozen=True, slots=True)
class Server:
    """The server, and the settings of a session of this role in this database that sets none itself."""

    version: str
    version_number: int
    is_standby: bool
    connections: int
    """Sessions of clients, ours included."""
    connections_allowed: int
    """Without those kept for superusers."""
    notification_queue: float
    """The share that is used."""
    sees_all: bool
    """Whether this role may see what the sessions of others do."""
    settings: Mapping[str, str]
    """By name, with units as `show` has them; only those the server knows."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The difference between the database's clock and that of this host, and how exactly it is known."""

    ahead_seconds: float
    error_seconds: float


@dataclass(frozen=True, slots=True)
class Holder:
    """What holds something back: a session, a prepared transaction, or a replication slot."""

    name: str
    """For messages: `session 4711 (psql, role app, idle in transaction)`."""
    seconds: float | None
    """For how long; None if that is unknown."""
    transactions: int
    """How many transactions began since its snapshot was taken."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Pool:
    name: str
    is_dead: bool
    """Marked dead, or its lease ran out."""
    silent_seconds: float
    """Since its last heartbeat."""
    held: int
    """Entries it has claimed."""
    failures: Sequence[str] = ()
    """What fails in it, by its latest heartbeat; none of a dead pool."""


@dataclass(frozen=True, slots=True)
class Running:
    """A step that executes for long."""

    workflow_id: str
    step: str
    pool: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """The entry of a queue that has been available, or due and not made available, for longest."""

    queue: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class UnknownWorker:
    """A worker that entries of a queue want, and that no living pool serving the queue can run.

    It does not know the worker, or lacks a type or an executor that the worker asks for.
    """

    worker: str
    queue: str
    steps: int
    refusal: str | None
    """What a pool said that tried to run one of them; None if none did."""


@dataclass(frozen=True, slots=True)
class Table:
    """How a table of the engine is kept clean."""

    name: str
    live: int
    dead: int
    """Dead rows, as the server's statistics have them; they lag a little."""
    bytes: int
    is_vacuumed: bool
    """Autovacuum is not switched off for it."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the engine's own tables say."""

    queues: Sequence[Queue]
    pools: Sequence[Pool]
    unclaimed: int
    """Entries claimed by pools that are not in the table of pools."""
    running: Sequence[Running]
    """Steps that execute for longer than the given time, the longest first."""
    waiting: Sequence[Waiting]
    """The oldest available entry of each queue."""
    overdue: Sequence[Waiting]
    """Of each queue the oldest entry that is due and was not made available."""
    unknown_workers: Sequence[UnknownWorker]
    tables: Sequence[Table]
    misfits: Sequence[Misfit] = ()
    failures: Sequence[RecentFailure] = ()
    """What failed within the last hour."""
    stuck: Stuck = NOTHING_STUCK
    schedules: Sequence[ScheduleRecord] = ()
    """Those that cannot fire, or missed a slot within the last day."""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    schema: str
    version: SchemaVersion | None
    """None if there is no such schema."""
    wanted: int
    server: Server
    clock: Clock
    snapshots: Sequence[Holder]
    """The oldest first."""
    locks: Sequence[Holder]
    """Sessions that are idle in a transaction in which they wrote or locked rows of the engine."""
    engine: EngineFacts | None
    """None if the schema is not there, or not as this library knows it."""


async def examine(connection: Connection, schema: str, wanted: int, long_seconds: float) -> Diagnostics:
    """Read everything once. Steps that execute for longer than `long_seconds` are among the facts."""
    clock = await _clock(connection)
    version = await schema_version(connection, schema)
    is_known = version is not None and version.reached >= wanted >= version.breaking
    return Diagnostics(
        schema=schema,
        version=version,
        wanted=wanted,
        server=await _server(connection),
        clock=clock,
        snapshots=await _snapshots(connection),
        locks=await _locks(connection, schema),
        engine=await _engine(connection, schema, long_seconds) if is_known else None,
    )


async def _clock(connection: Connection) -> Clock:
    await connection.fetchval("select 1")
    before = time.time()  # noqa: TID251  # how far this clock is from the database's is the question
    theirs: float = await connection.fetchval("select extract(epoch from clock_timestamp())::double precision")
    after = time.time()  # noqa: TID251
    return Clock(theirs - (before + after) / 2, (after - before) / 2)


async def _server(connection: Connection) -> Server:
    row = await connection.fetchrow(
        """
        select current_setting('server_version') as version,
               current_setting('server_version_num')::integer as version_number,
               pg_is_in_recovery() as is_standby,
               (select count(*) from pg_stat_activity a where a.backend_type = 'client backend') as connections,
               current_setting('max_connections')::integer
                   - current_setting('superuser_reserved_connections')::integer as connections_allowed,
               pg_notification_queue_usage() as notification_queue,
               pg_has_role(current_user, 'pg_read_all_stats', 'usage') as sees_all
        """
    )
    assert row is not None
    settings = await connection.fetch(
        "select s.name, current_setting(s.name) as value from pg_settings s where s.name = any($1)", list(SETTINGS)
    )
    return Server(**row, settings={setting["name"]: setting["value"] for setting in settings})


async def _snapshots(connection: Connection) -> Sequence[Holder]:
    rows = await connection.fetch(
        """
        select *
          from (
                   select format('session %s (%s, role %s, %s)', a.pid,
                                 coalesce(nullif(a.application_name, ''), 'no name'), a.usename,
                                 coalesce(a.state, 'state hidden')) as name,
                          extract(epoch from clock_timestamp() - a.xact_start)::double precision as seconds,
                          age(a.backend_xmin) as transactions,
                          format('end it, or select pg_terminate_backend(%s)', a.pid) as remedy
                     from pg_stat_activity a
                    where a.backend_xmin is not null and a.pid <> pg_backend_pid()
                    union all
                   select format('prepared transaction %L', p.gid),
                          extract(epoch from clock_timestamp() - p.prepared)::double precision,
                          age(p.transaction),
                          format('commit prepared or rollback prepared %L', p.gid)
                     from pg_prepared_xacts p
                    union all
                   select format('replication slot %L', r.slot_name), null, age(r.xmin),
                          format('connect its standby, or select pg_drop_replication_slot(%L)', r.slot_name)
                     from pg_replication_slots r
                    where r.xmin is not null
               ) as holders
         order by seconds desc nulls last, transactions desc
         limit 10
        """
    )
    return [Holder(**row) for row in rows]


async def _locks(connection: Connection, schema: str) -> Sequence[Holder]:
    rows = await connection.fetch(
        """
        select format('session %s (%s, role %s, %s)', a.pid, coalesce(nullif(a.application_name, ''), 'no name'),
                      a.usename, coalesce(a.state, 'state hidden')) as name,
               extract(epoch from clock_timestamp() - a.state_change)::double precision as seconds,
               0 as transactions,
               format('commit or roll back there, or select pg_terminate_backend(%s)', a.pid) as remedy
          from pg_stat_activity a
         where a.pid in (
                   select l.pid
                     from pg_locks l
                     join pg_class c on c.oid = l.relation
                     join pg_namespace n on n.oid = c.relnamespace
                    where l.granted
                      and l.database = (select d.oid from pg_database d where d.datname = current_database())
                      and n.nspname = $1
                      and c.relname in ('workflows', 'steps', 'queue', 'pools')
                      and l.mode not in ('AccessShareLock', 'ShareUpdateExclusiveLock')
               )
           and a.pid <> pg_backend_pid()
           and a.state like 'idle in transaction%'
         order by seconds desc
         limit 10
        """,
        schema,
    )
    return [Holder(**row) for row in rows]


async def _engine(connection: Connection, schema: str, long_seconds: float) -> EngineFacts:
    return EngineFacts(
        queues=await Queries(connection, schema).queues(),
        pools=await _pools(connection, schema),
        unclaimed=await connection.fetchval(
            f"""
            select count(*)
              from {quoted(schema)}.queue q
             where q.state = 'executing' and not exists (select from {quoted(schema)}.pools p where p.id = q.pool)
            """
        ),
        running=await _running(connection, schema, long_seconds),
        waiting=await _oldest(connection, schema, ["available"]),
        overdue=await _oldest(connection, schema, ["scheduled", "retryable"]),
        unknown_workers=await _unknown_workers(connection, schema),
        misfits=await misfits(connection, schema),
        failures=await recent_failures(connection, schema),
        stuck=await read_stuck(connection, schema),
        schedules=await ScheduleStore(connection, schema).records(only_troubled=True),
        tables=await _tables(connection, schema),
    )


async def _pools(connection: Connection, schema: str) -> Sequence[Pool]:
    rows = await connection.fetch(
        f"""
        select p.name,
               p.dead_at is not null or p.expires_at < clock_timestamp() as is_dead,
               extract(epoch from clock_timestamp() - p.beat_at)::double precision as silent_seconds,
               (select count(*) from {quoted(schema)}.queue q where q.pool = p.id and q.state = 'executing') as held,
               case when p.dead_at is null then p.failures else '{{}}' end as failures
          from {quoted(schema)}.pools p
         order by p.id
        """
    )
    return [Pool(**row) for row in rows]


async def _running(connection: Connection, schema: str, long_seconds: float) -> Sequence[Running]:
    rows = await connection.fetch(
        f"""
        select v.workflow_id, v.name as step, v.pool_name as pool,
               extract(epoch from clock_timestamp() - v.attempted_at)::double precision as seconds
          from {quoted(schema)}.queue_view v
         where v.state = 'executing' and v.attempted_at < clock_timestamp() - interval '1 second' * $1
         order by v.attempted_at
        """,
        long_seconds,
    )
    return [Running(**row) for row in rows]


async def _oldest(connection: Connection, schema: str, states: Sequence[str]) -> Sequence[Waiting]:
    rows = await connection.fetch(
        f"""
        select q.queue, count(*) as count,
               extract(epoch from clock_timestamp() - min(q.scheduled_at))::double precision as seconds
          from {quoted(schema)}.queue q
         where q.state = any($1) and q.scheduled_at < clock_timestamp()
         group by q.queue
         order by q.queue
        """,
        list(states),
    )
    return [Waiting(**row) for row in rows]


async def _unknown_workers(connection: Connection, schema: str) -> Sequence[UnknownWorker]:
    rows = await connection.fetch(
        f"""
        with living as (
            select p.queues, p.workers
              from {quoted(schema)}.pools p
             where p.dead_at is null and p.expires_at > clock_timestamp()
        ), wanted as (
            select s.worker, e.queue, count(*) as steps,
                   (array_agg(s.reason) filter (where s.refusals > 0))[1] as refusal
              from (
                  select q.step_id, q.queue from {quoted(schema)}.queue q
                    where q.state not in ('executing', 'waiting') limit $1
                 ) e
              join {quoted(schema)}.steps s on s.id = e.step_id
             group by s.worker, e.queue
        )
        select w.worker, w.queue, w.steps, w.refusal
          from wanted w
         where exists (select from living l where w.queue = any(l.queues))
           and not exists (select from living l where w.queue = any(l.queues) and w.worker = any(l.workers))
         order by w.steps desc, w.worker
        """,
        LOOKED_UP,
    )
    return [UnknownWorker(**row) for row in rows]


async def _tables(connection: Connection, schema: str) -> Sequence[Table]:
    rows = await connection.fetch(
        """
        select s.relname as name, s.n_live_tup as live, s.n_dead_tup as dead, pg_relation_size(s.relid) as bytes,
               not exists (
                   select
                     from pg_options_to_table(c.reloptions) o
                    where o.option_name = 'autovacuum_enabled' and lower(o.option_value) in ('off', 'false', 'no', '0')
               ) as is_vacuumed
          from pg_stat_user_tables s
          join pg_class c on c.oid = s.relid
         where s.schemaname = $1
         order by s.relname
        """,
        schema,
    )
    return [Table(**row) for row in rows]
