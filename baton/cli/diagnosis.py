"""What the facts of an examination mean: findings, each with a level and what to do. Decisions only, no I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from baton.cli.finding import Finding, Level
from baton.cli.stuck_findings import stuck
from baton.database.diagnostics import NAMED, Clock, Diagnostics, EngineFacts, Holder, Table
from baton.database.migrate import quoted
from baton.database.queries import Queue
from baton.database.schedules import ScheduleRecord

CLOCK_SECONDS = 5.0
SNAPSHOT_SECONDS = (300.0, 3600.0)
SNAPSHOT_TRANSACTIONS = 10_000_000
LOCK_SECONDS = (5.0, 60.0)
NOTIFICATIONS = (0.1, 0.5)
CONNECTIONS = (0.8, 0.95)
OVERDUE_SECONDS = (30.0, 120.0)
WAITING_SECONDS = 600.0
DEAD_ROWS = (50_000, 1_000_000)
OLDEST_SERVER = 140_000


def diagnosed(examination: Diagnostics) -> Iterator[Finding]:
    """Yield at least one finding of each check that could be made."""
    yield from schema(examination)
    if (engine := examination.engine) is not None:
        yield from pools(engine)
        yield from upkeep(engine)
        yield from queues(engine.queues)
        yield from workers(engine)
        yield from steps(engine)
        yield from stuck(engine.stuck)
        yield from failures(engine)
        yield from schedules(engine.schedules)
        yield from tables(engine.tables, examination.schema)
    yield from holders(examination.locks, examination.snapshots)
    yield from server(examination)
    yield clock(examination.clock)


def schema(examination: Diagnostics) -> Iterator[Finding]:
    name, version, wanted = examination.schema, examination.version, examination.wanted
    if version is None:
        yield Finding("problem", "schema", f"schema {name!r} is not there", f"run baton migrate --schema {name}")
    elif version.reached < wanted:
        fact = f"schema {name!r} is at version {version.reached}, and this library needs {wanted}"
        yield Finding("problem", "schema", fact, f"run baton migrate --schema {name}")
    elif version.breaking > wanted:
        fact = f"schema {name!r} has version {version.breaking}, which this library (for {wanted}) cannot work with"
        yield Finding("problem", "schema", fact, "install a newer release of the library here")
    elif version.reached > wanted:
        fact = f"schema {name!r} is at version {version.reached}, newer than this library's {wanted}, which still works"
        yield Finding("ok", "schema", fact)
    else:
        yield Finding("ok", "schema", f"schema {name!r} is at version {version.reached}")


def pools(engine: EngineFacts) -> Iterator[Finding]:
    living = [pool for pool in engine.pools if not pool.is_dead]
    holding = [pool for pool in engine.pools if pool.is_dead and pool.held]
    lost = sum(pool.held for pool in holding) + engine.unclaimed
    if not living:
        entries = sum(queue.available + queue.waiting + queue.executing for queue in engine.queues)
        fact = f"no worker pool lives, and the queues hold {_count(entries, 'step')}"
        remedy = "start one: baton worker MODULE"
        yield Finding("problem" if entries else "warning", "pools", fact if entries else "no worker pool lives", remedy)
    if lost:
        names = _listed([pool.name for pool in holding] or ["unknown pools"])
        fact = f"dead worker pools hold {_count(lost, 'step')}: {names}"
        remedy = (
            "the living ones take them over within a third of a lease" if living else "start one: baton worker MODULE"
        )
        yield Finding("warning" if living else "problem", "pools", fact, remedy)
    if living:
        yield Finding(
            "ok", "pools", f"living: {_count(len(living), 'worker pool')}, {_listed([pool.name for pool in living])}"
        )


def upkeep(engine: EngineFacts) -> Iterator[Finding]:
    """Yield what fails in living pools, each failure once, with the pools that report it."""
    reporting: dict[str, list[str]] = {}
    for pool in engine.pools:
        for failure in pool.failures:
            reporting.setdefault(failure, []).append(pool.name)
    for failure, names in reporting.items():
        fact = f"{failure}, reported by {_listed(names)}"
        yield Finding("problem", "upkeep", fact, "mend what the error names: a constraint, a trigger, a right, a row")
    if not reporting:
        yield Finding("ok", "upkeep", "no worker pool reports a failure")


def queues(found: Sequence[Queue]) -> Iterator[Finding]:
    is_well = True
    for queue in found:
        entries = queue.available + queue.waiting
        if queue.paused_at is not None:
            since = f"{queue.paused_at:%Y-%m-%d %H:%M %Z}"
            fact = f"queue {queue.name!r} is paused since {since}, with {_count(entries, 'step')} waiting in it"
            yield Finding("warning", "queues", fact, f"baton resume {_quoted(queue.name)}")
        elif entries and not queue.pools:
            fact = f"queue {queue.name!r} has {_count(entries, 'step')} waiting, and no worker pool serves it"
            yield Finding("problem", "queues", fact, f"baton worker MODULE --queues {_quoted(queue.name)}=N")
        else:
            continue
        is_well = False
    if is_well:
        yield Finding("ok", "queues", "no queue is paused, and each that has steps is served")


def workers(engine: EngineFacts) -> Iterator[Finding]:
    for one in engine.unknown_workers:
        wanted = (
            f"no pool of queue {one.queue!r} can run worker {one.worker!r}, wanted by {_count(one.steps, 'step')} in it"
        )
        fact = f"{wanted}; one that tried says: {one.refusal}" if one.refusal else wanted
        remedy = "start a worker of this queue with the module that defines it, and with what it asks for"
        yield Finding("problem", "workers", fact, remedy)
    for misfit in engine.misfits:
        what = f"{_count(misfit.steps, 'step')} of worker {misfit.worker!r} in queue {misfit.queue!r}"
        fact = f"{what} put back for up to {_time(misfit.seconds)}: {misfit.reason}"
        remedy = "deploy a version of the worker that these arguments fit, or cancel the steps; in the end they fail"
        yield Finding("problem", "workers", fact, remedy)
    if not engine.unknown_workers and not engine.misfits:
        yield Finding("ok", "workers", "every worker that a waiting step wants can run where it waits")


def steps(engine: EngineFacts) -> Iterator[Finding]:
    findings = [*_overdue(engine), *_long(engine), *_waiting(engine)]
    yield from findings
    if not findings:
        yield Finding("ok", "steps", "none is overdue, and none runs or waits for long")


def schedules(troubled: Sequence[ScheduleRecord]) -> Iterator[Finding]:
    """Yield the schedules that cannot fire or missed slots."""
    for one in troubled:
        if one.error is not None:
            fact = f"schedule {one.name!r} cannot fire its slot of {one.next_at}: {one.error}"
            yield Finding("problem", "schedules", fact, "schedule a workflow that can be inserted, under the same name")
        else:
            fact = f"schedule {one.name!r} missed {_count(one.missed, 'slot')} so far, the last at {one.missed_at}"
            remedy = "keep a worker pool running, or raise its catch_up; engine.backfill inserts what was missed"
            yield Finding("warning", "schedules", fact, remedy)


def failures(engine: EngineFacts) -> Iterator[Finding]:
    """Yield what failed within the last hour, by worker."""
    for one in engine.failures:
        ends = [(one.discarded, "used up all attempts"), (one.retryable, "to be tried again")]
        counts = ", ".join(f"{count} {'step' if count == 1 else 'steps'} {how}" for count, how in ends if count)
        latest = f"the latest is {one.step!r} of {one.workflow_id!r}: {one.error}"
        fact = f"worker {one.worker!r} failed in the last hour, {counts}; {latest}"
        yield Finding("warning", "failures", fact, f"baton show {_quoted(one.workflow_id)}")
    if not engine.failures:
        yield Finding("ok", "failures", "no step failed in the last hour")


def _overdue(engine: EngineFacts) -> Iterator[Finding]:
    for late in engine.overdue:
        if late.seconds >= OVERDUE_SECONDS[0]:
            level = _level(late.seconds, OVERDUE_SECONDS)
            fact = (
                f"queue {late.queue!r} has {_count(late.count, 'step')} that came due up to {_time(late.seconds)} ago"
            )
            yield Finding(
                level, "steps", fact, "every worker pool makes due steps available: see why none does, in its log"
            )


def _long(engine: EngineFacts) -> Iterator[Finding]:
    if engine.running:
        longest = [f"{one.step!r} of {one.workflow_id!r} for {_time(one.seconds)}" for one in engine.running]
        fact = f"executing for long: {_count(len(longest), 'step')}, {_listed(longest)}"
        yield Finding(
            "warning", "steps", fact, "if it hangs, cancel it: baton cancel ID STEP; give its worker a timeout"
        )


def _waiting(engine: EngineFacts) -> Iterator[Finding]:
    served = {queue.name for queue in engine.queues if queue.pools and queue.paused_at is None}
    for one in engine.waiting:
        if one.queue in served and one.seconds >= WAITING_SECONDS:
            fact = f"queue {one.queue!r} has {_count(one.count, 'step')} available, the oldest for {_time(one.seconds)}"
            yield Finding("warning", "steps", fact, "give the queue more slots, or start more workers")


def tables(found: Sequence[Table], schema_name: str) -> Iterator[Finding]:
    is_well = True
    for table in found:
        if not table.is_vacuumed:
            is_well = False
            remedy = f"alter table {quoted(schema_name)}.{table.name} reset (autovacuum_enabled)"
            yield Finding("problem", "tables", f"autovacuum is switched off for table {table.name!r}", remedy)
        if table.name == "queue" and table.dead >= DEAD_ROWS[0] and table.dead > 2 * table.live:
            is_well = False
            rows = f"{table.dead:,} dead rows beside {table.live:,} in {_size(table.bytes)}"
            fact = f"table 'queue' has {rows}: claims slow down"
            remedy = "end old snapshots (below, if any), then vacuum it; if its size stays, vacuum full"
            yield Finding(_level(table.dead, DEAD_ROWS), "tables", fact, remedy)
    if is_well:
        size = sum(table.bytes for table in found if table.name == "queue")
        yield Finding("ok", "tables", f"autovacuum keeps up: table 'queue' has {_size(size)}")


def holders(locks: Sequence[Holder], snapshots: Sequence[Holder]) -> Iterator[Finding]:
    old = [one for one in locks if (one.seconds or 0) >= LOCK_SECONDS[0]]
    for one in old:
        fact = (
            f"{one.name} has held locks on the engine's rows for {_time(one.seconds or 0)}: their workflows stand still"
        )
        yield Finding(_level(one.seconds or 0, LOCK_SECONDS), "locks", fact, one.remedy)
    if not old:
        yield Finding("ok", "locks", "no idle session holds locks on the engine's rows")
    aged = [one for one in snapshots if _is_aged(one)]
    for one in aged:
        since = f"for {_time(one.seconds)}" if one.seconds is not None else f"for {one.transactions:,} transactions"
        fact = f"{one.name} has held a snapshot {since}: dead rows pile up, and claims slow down"
        level: Level = "problem" if (one.seconds or 0) >= SNAPSHOT_SECONDS[1] else "warning"
        yield Finding(level, "snapshots", fact, one.remedy)
    if not aged:
        oldest = max((one.seconds or 0 for one in snapshots), default=0)
        yield Finding(
            "ok",
            "snapshots",
            f"the oldest is {_time(max(0, oldest))} old" if snapshots else "no session holds an old one",
        )


def _is_aged(holder: Holder) -> bool:
    return (holder.seconds or 0) >= SNAPSHOT_SECONDS[0] or holder.transactions >= SNAPSHOT_TRANSACTIONS


def server(examination: Diagnostics) -> Iterator[Finding]:
    facts = examination.server
    if facts.is_standby:
        yield Finding("problem", "server", "this server is a standby and takes no writes", "use the primary's address")
    if facts.version_number < OLDEST_SERVER:
        yield Finding("problem", "server", f"PostgreSQL {facts.version} is too old", "upgrade to 14 or newer")
    else:
        yield Finding("ok", "server", f"PostgreSQL {facts.version}")
    if not facts.sees_all:
        remedy = "grant pg_read_all_stats to it, for this command to see them"
        yield Finding("warning", "server", "this role may not see the sessions of others, nor their snapshots", remedy)
    yield from settings(facts.settings)
    used = facts.connections / facts.connections_allowed
    fact = f"{facts.connections} of {facts.connections_allowed} connections are used"
    remedy = "raise max_connections, run fewer worker processes, or put a pooler before the application"
    yield Finding(_level(used, CONNECTIONS), "connections", fact, remedy if used >= CONNECTIONS[0] else "")
    share = facts.notification_queue
    remedy = "end the session that listens and stays in a transaction; when it is full, nobody can commit"
    fact = f"the queue of notifications is {share:.0%} full"
    yield Finding(_level(share, NOTIFICATIONS), "notifications", fact, remedy if share >= NOTIFICATIONS[0] else "")


@dataclass(frozen=True, slots=True)
class _RiskySetting:
    level: Level
    setting: str
    values: Sequence[str]
    why: str
    remedy: str


_RISKY_SETTINGS = (
    _RiskySetting(
        "problem", "fsync", ("off",), "a crash of the machine loses or corrupts what was committed", "set fsync = on"
    ),
    _RiskySetting("problem", "full_page_writes", ("off",), "a crash can tear pages", "set full_page_writes = on"),
    _RiskySetting(
        "problem",
        "default_transaction_read_only",
        ("on",),
        "nothing can be written",
        "change it for the role or database",
    ),
    _RiskySetting("problem", "autovacuum", ("off",), "dead rows pile up until claims crawl", "set autovacuum = on"),
    _RiskySetting("problem", "track_counts", ("off",), "autovacuum does not know what to do", "set track_counts = on"),
    _RiskySetting(
        "warning",
        "synchronous_commit",
        ("off",),
        "a crash of the server may lose the last commits, and their steps run again",
        "set synchronous_commit = on for the role",
    ),
    _RiskySetting(
        "warning",
        "default_transaction_isolation",
        ("repeatable read", "serializable"),
        "an insert in the application's transaction may meet serialization errors, and behind a transaction pooler "
        "the engine refuses to work",
        "set it to read committed for the role",
    ),
)
_SHORTEST = {"idle_in_transaction_session_timeout": 10.0, "idle_session_timeout": 60.0}
_CUTS = {
    "idle_in_transaction_session_timeout": "it ends transactions that stream a large workflow, and transactional steps",
    "idle_session_timeout": "it cuts the connections on which idle workers listen, again and again",
}


def settings(values: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the risky ones among the settings, which are given by name."""
    findings = [
        Finding(risk.level, "settings", f"{risk.setting} is {values[risk.setting]}: {risk.why}", risk.remedy)
        for risk in _RISKY_SETTINGS
        if values.get(risk.setting) in risk.values
    ]
    for name, shortest in _SHORTEST.items():
        if 0 < _seconds(values.get(name, "0")) < shortest:
            fact = f"{name} is {values[name]}: {_CUTS[name]}"
            findings.append(Finding("warning", "settings", fact, f"set it to 0, or to {shortest:.0f} s and more"))
    yield from findings
    if not findings:
        yield Finding("ok", "settings", "none of those that matter is risky")


def clock(found: Clock) -> Finding:
    """Report the difference between the clocks: the engine uses only the database's, but people compare times."""
    apart = abs(found.ahead_seconds)
    if apart - found.error_seconds < CLOCK_SECONDS:
        return Finding(
            "ok", "clock", f"this host and the database agree within {max(0.01, apart + found.error_seconds):.2f} s"
        )
    way = "behind" if found.ahead_seconds > 0 else "ahead of"
    fact = f"this host's clock is {_time(apart)} {way} the database's: a scheduled_at computed here is off by that"
    return Finding("warning", "clock", fact, "synchronise the clocks (NTP); the engine itself uses only the database's")


def _level(value: float, limits: tuple[float, float]) -> Level:
    warning, problem = limits
    return "problem" if value >= problem else "warning" if value >= warning else "ok"


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(shown: str) -> float:
    """Read a duration as `show` has it: `0`, `500ms`, `5min`."""
    digits = shown.rstrip("abcdefghijklmnopqrstuvwxyz")
    return float(digits) * _UNITS.get(shown[len(digits) :], 1e-3)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def _size(count: int) -> str:
    return f"{count / 1024:.0f} kB" if count < 10 * 1024 * 1024 else f"{count / 1024 / 1024:.0f} MB"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _quoted(name: str) -> str:
    return shlex.quote(name)
