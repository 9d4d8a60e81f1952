"""What facts mean: the limits from which something is a warning, or a problem."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from baton.cli import diagnosis
from baton.cli.diagnosis import diagnosed
from baton.cli.finding import Finding, worst
from baton.database.diagnostics import (
    SETTINGS,
    Clock,
    Diagnostics,
    EngineFacts,
    Holder,
    Pool,
    Running,
    Server,
    Table,
    UnknownWorker,
    Waiting,
)
from baton.database.migrate import SchemaVersion
from baton.database.misfits import Misfit
from baton.database.queries import Queue
from baton.database.recent_failures import RecentFailure
from baton.database.schedules import ScheduleRecord

WELL = {
    "autovacuum": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "synchronous_commit": "on",
    "track_counts": "on",
}
SERVER = Server("18.1", 180001, False, 10, 100, 0.0, True, WELL)
ENGINE = EngineFacts(
    queues=[Queue("default", None, 3, 1, 2, 1, 20)],
    pools=[Pool("here:1", False, 3.0, 2)],
    unclaimed=0,
    running=[],
    waiting=[Waiting("default", 3, 1.0)],
    overdue=[],
    unknown_workers=[],
    tables=[Table("queue", 10, 20, 65536, True)],
)
HEALTHY = Diagnostics("baton", SchemaVersion(2, 1), 2, SERVER, Clock(0.0, 0.001), [], [], ENGINE)


def engine(**facts):
    return replace(HEALTHY, engine=replace(ENGINE, **facts))


def server(**facts):
    return replace(HEALTHY, server=replace(SERVER, **facts))


def holder(seconds, transactions=0):
    return Holder("session 7 (psql, role app, idle in transaction)", seconds, transactions, "end it")


def queue(name="mail", *, available=0, waiting=0, executing=0, paused_at=None, pools=0):
    return Queue(name, paused_at, available, waiting, executing, pools, 5 * pools)


def table(**facts):
    return [replace(ENGINE.tables[0], **facts)]


def schedule(**facts):
    given = {field.name: None for field in fields(ScheduleRecord)}
    numbers = {"catch_up": 0.0, "jitter": 0.0, "fired": 0, "skipped": 0, "missed": 0, "failures": 0}
    return ScheduleRecord(**{**given, **numbers, "name": "nightly", "timezone": "UTC", **facts})


def ills(examination):
    return [(finding.level, finding.check) for finding in diagnosed(examination) if finding.level != "ok"]


def test_every_setting_with_a_check_is_read():
    assert set(WELL) == set(SETTINGS)


def test_of_what_is_well_each_check_says_so_once():
    findings = list(diagnosed(HEALTHY))

    assert {finding.level for finding in findings} == {"ok"}
    assert all(not finding.remedy for finding in findings)
    checks = [finding.check for finding in findings]
    assert len(checks) == len(set(checks)) == 16


NOW = datetime(2026, 1, 1, tzinfo=UTC)
ILL = {
    "no schema": (replace(HEALTHY, version=None, engine=None), "problem", "schema"),
    "an old schema": (replace(HEALTHY, version=SchemaVersion(1, 0), engine=None), "problem", "schema"),
    "a schema too new": (replace(HEALTHY, version=SchemaVersion(4, 3), engine=None), "problem", "schema"),
    "no pool and no work": (engine(pools=[], queues=[]), "warning", "pools"),
    "no pool and work": (engine(pools=[], queues=[queue(available=1, pools=1)]), "problem", "pools"),
    "a dead pool that holds": (engine(pools=[*ENGINE.pools, Pool("x", True, 99, 2)]), "warning", "pools"),
    "a forgotten pool that holds": (engine(unclaimed=1), "warning", "pools"),
    "a paused queue": (engine(queues=[queue(available=1, paused_at=NOW, pools=1)]), "warning", "queues"),
    "a paused queue nobody serves": (engine(queues=[queue(available=1, paused_at=NOW)]), "warning", "queues"),
    "an unserved queue": (engine(queues=[queue(waiting=1)]), "problem", "queues"),
    "upkeep that fails": (engine(pools=[Pool("x", False, 1, 0, ["prune fails: no"])]), "problem", "upkeep"),
    "arguments that do not fit": (engine(misfits=[Misfit("w", "default", 1, 60, "no")]), "problem", "workers"),
    "an unknown worker": (engine(unknown_workers=[UnknownWorker("w", "default", 1, None)]), "problem", "workers"),
    "failures": (engine(failures=[RecentFailure("w", 2, 1, "id", "a", "ValueError: no")]), "warning", "failures"),
    "a schedule that cannot fire": (engine(schedules=[schedule(error="no", failures=2)]), "problem", "schedules"),
    "a schedule that missed": (engine(schedules=[schedule(missed=3, missed_at=NOW)]), "warning", "schedules"),
    "a little overdue": (engine(overdue=[Waiting("default", 1, 30)]), "warning", "steps"),
    "overdue": (engine(overdue=[Waiting("default", 1, 120)]), "problem", "steps"),
    "long": (engine(running=[Running("w", "a", "here:1", 4000)]), "warning", "steps"),
    "waiting for long": (engine(waiting=[Waiting("default", 9, 600)]), "warning", "steps"),
    "no autovacuum for a table": (engine(tables=table(is_vacuumed=False)), "problem", "tables"),
    "dead rows": (engine(tables=table(dead=50_000)), "warning", "tables"),
    "many dead rows": (engine(tables=table(dead=1_000_000)), "problem", "tables"),
    "a held lock": (replace(HEALTHY, locks=[holder(5)]), "warning", "locks"),
    "a lock held for long": (replace(HEALTHY, locks=[holder(60)]), "problem", "locks"),
    "an old snapshot": (replace(HEALTHY, snapshots=[holder(300)]), "warning", "snapshots"),
    "a very old snapshot": (replace(HEALTHY, snapshots=[holder(3600)]), "problem", "snapshots"),
    "a slot": (replace(HEALTHY, snapshots=[holder(None, 10_000_000)]), "warning", "snapshots"),
    "a standby": (server(is_standby=True), "problem", "server"),
    "an old server": (server(version="13.9", version_number=130009), "problem", "server"),
    "blind": (server(sees_all=False), "warning", "server"),
    "many connections": (server(connections=80), "warning", "connections"),
    "too many connections": (server(connections=95), "problem", "connections"),
    "many notices": (server(notification_queue=0.1), "warning", "notifications"),
    "too many notices": (server(notification_queue=0.5), "problem", "notifications"),
    "a clock ahead": (replace(HEALTHY, clock=Clock(-5.1, 0.05)), "warning", "clock"),
    "a clock behind": (replace(HEALTHY, clock=Clock(5.1, 0.05)), "warning", "clock"),
    **{
        f"{name} is {value}": (server(settings={**WELL, name: value}), level, "settings")
        for name, value, level in [
            ("fsync", "off", "problem"),
            ("full_page_writes", "off", "problem"),
            ("autovacuum", "off", "problem"),
            ("track_counts", "off", "problem"),
            ("default_transaction_read_only", "on", "problem"),
            ("synchronous_commit", "off", "warning"),
            ("default_transaction_isolation", "repeatable read", "warning"),
            ("default_transaction_isolation", "serializable", "warning"),
            ("idle_in_transaction_session_timeout", "500ms", "warning"),
            ("idle_session_timeout", "30s", "warning"),
        ]
    },
}


@pytest.mark.parametrize("name", ILL)
def test_what_is_ill_is_found_and_nothing_else(name):
    examination, level, check = ILL[name]

    (found,) = [finding for finding in diagnosed(examination) if finding.level != "ok"]

    assert (found.level, found.check) == (level, check)
    assert found.remedy


FINE = {
    "a newer schema that still works": replace(HEALTHY, version=SchemaVersion(5, 2)),
    "a dead pool that holds nothing": engine(pools=[*ENGINE.pools, Pool("x", True, 99, 0)]),
    "a served queue with nothing in it": engine(queues=[queue(pools=1)]),
    "just due": engine(overdue=[Waiting("default", 1, 29)]),
    "waiting, but reported already as paused or unserved": engine(waiting=[Waiting("other", 9, 6000)]),
    "many entries, many dead rows": engine(tables=table(live=100_000, dead=150_000)),
    "a lock of a moment": replace(HEALTHY, locks=[holder(4)]),
    "a snapshot of a moment": replace(HEALTHY, snapshots=[holder(299, 1000)]),
    "a clock that cannot be read any better": replace(HEALTHY, clock=Clock(7, 3)),
    "settings long enough": server(
        settings={**WELL, "idle_session_timeout": "5min", "idle_in_transaction_session_timeout": "10s"}
    ),
    "a setting the server does not know": server(settings={}),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_well_is_not_complained_of(name):
    assert ills(FINE[name]) == []


@pytest.mark.parametrize(
    ("shown", "seconds"), [("0", 0), ("500ms", 0.5), ("30s", 30), ("5min", 300), ("2h", 7200), ("1d", 86400)]
)
def test_durations_are_read_as_the_server_shows_them(shown, seconds):
    assert diagnosis._seconds(shown) == seconds


def test_the_worst_finding_speaks_for_all():
    levels = ["ok", "problem", "warning"]

    assert worst([Finding(level, "x", "y") for level in levels]) == "problem"
    assert worst([]) == "ok"


def test_what_a_pool_lacks_is_in_the_finding():
    (found,) = [
        finding
        for finding in diagnosed(engine(unknown_workers=[UnknownWorker("w", "default", 2, "Client is not provided")]))
        if finding.level != "ok"
    ]

    assert found.fact == (
        "no pool of queue 'default' can run worker 'w', wanted by 2 steps in it; one that tried says: Client is not "
        "provided"
    )
