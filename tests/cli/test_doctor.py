"""`baton doctor` on installations that are healthy, sick in every way that can be made, and not there at all."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import asyncpg
import pytest

from baton import Baton, Engine, WorkerPool
from baton.cli import diagnosis
from baton.cli.commands import doctor
from baton.cli.main import parser
from tests.cli.command import assert_refused, assert_succeeded, baton
from tests.database.raw_pool import RawPool, outcome, step
from tests.faults.standby import standby_of
from tests.programs.shared_workers import noted
from tests.servers import temporary_server
from tests.waiting import eventually

KEEPS = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
SICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "25",
    "max_prepared_transactions": "2",
    "autovacuum_naptime": "600",
}
SICK_DATABASE = """
    alter database postgres set default_transaction_isolation = 'repeatable read';
    alter database postgres set idle_in_transaction_session_timeout = '1s';
    alter database postgres set idle_session_timeout = '5s';
    alter database postgres set synchronous_commit = off;
"""
DEAD_ROWS = """
    alter table baton.queue set (autovacuum_enabled = off);
    insert into baton.queue (step_id, scheduled_at, position, priority, state, queue)
    select -n, now(), now(), 0, 'available', 'dead' from generate_series(1, 60000) as n;
    delete from baton.queue where queue = 'dead';
"""


def findings_of(done, code=0):
    """The findings of one run with --json."""
    assert done.returncode == code, done.stdout + done.stderr
    return [(one["level"], one["check"], one["fact"]) for one in json.loads(done.stdout)["findings"]]


@pytest.mark.slow
async def test_a_healthy_installation_is_all_ok(tmp_path):
    with temporary_server(KEEPS) as server:
        async with Engine(server.dsn()) as engine, WorkerPool(engine):
            said = assert_succeeded(baton("doctor", cwd=tmp_path, database=server.dsn()))
            findings = findings_of(baton("doctor", "--json", cwd=tmp_path, database=server.dsn()))

    assert {level for level, _, _ in findings} == {"ok"}
    lines = said.splitlines()
    assert len(lines) == len(findings)
    assert all(line.startswith("ok ") for line in lines)


async def make_sick(stack, dsn):
    """Give an installation every illness but those of the server as a whole; return what has to stay open."""
    engine = await stack.enter_async_context(Engine(dsn))

    async def connect(**settings):
        connection = await asyncpg.connect(dsn, server_settings={"search_path": "baton", **settings})
        stack.push_async_callback(connection.close)
        return connection

    psql = await connect(application_name="psql")
    living, dead = await RawPool.register(psql), await RawPool.register(await connect())
    for name in ("held", "held too", "long"):
        await living.insert(name, step(name))
    await living.insert("late", *[step(f"late {n}", schedule_in=600.0) for n in range(3)])
    await dead.claim(limit=2)
    await living.claim(limit=1)
    await living.insert("mail", step("mail", queue="mail"))
    await living.insert("paused", step("paused", queue="paused"))
    await engine.pause("paused")
    await Baton.new(workflow_id="unknown").add("a", noted.new()).insert()
    await dead.store.deregister(dead.id)
    await psql.execute("update queue set attempted_at = now() - interval '3 hours' where pool = $1", living.id)
    await psql.execute("update queue set scheduled_at = now() - interval '5 minutes' where state = 'scheduled'")
    await psql.execute("update queue set scheduled_at = now() - interval '1 hour' where state = 'available'")
    await psql.execute(DEAD_ROWS)
    holder, reader = await connect(application_name="psql"), await connect(application_name="report")
    await holder.execute("begin; select 1 from workflows for update")
    await reader.execute("begin isolation level repeatable read; select 1 from steps")
    preparing = await connect()
    await preparing.execute("begin; create table forgotten (); prepare transaction 'forgotten'")
    stack.push_async_callback(preparing.execute, "rollback prepared 'forgotten'")
    for _ in range(12):
        await connect()
    await psql.execute(SICK_DATABASE)


@pytest.mark.slow
async def test_a_sick_installation_is_seen_through(tmp_path, monkeypatch, capsys):
    for limits in ("LOCK_SECONDS", "SNAPSHOT_SECONDS"):
        monkeypatch.setattr(diagnosis, limits, (0.2, 3600.0))
    monkeypatch.setattr("time.time", lambda: 1e9)

    async def findings(dsn):
        code = await doctor.run(parser().parse_args(["doctor", "--json", "--address", dsn]))
        assert code == 1
        return [one for one in json.loads(capsys.readouterr().out)["findings"] if one["level"] != "ok"]

    async def all_of(dsn):
        found = await findings(dsn)
        # Ages grow, and the statistics of tables come late.
        dead_rows = any("dead rows beside" in one["fact"] for one in found)
        return found if dead_rows and {"locks", "snapshots"} <= {one["check"] for one in found} else None

    with temporary_server(SICK) as server:
        async with AsyncExitStack() as stack:
            await make_sick(stack, server.dsn())
            found = await eventually(lambda: all_of(server.dsn()), deadline=20, every=0.2)

    report = "\n".join(f"{one['level']} {one['check']}: {one['fact']}; {one['remedy']}" for one in found)
    for expected in [
        "warning pools: dead worker pools hold 2 steps: raw; the living ones take them over",
        "problem queues: queue 'mail' has 1 step waiting, and no worker pool serves it; baton worker MODULE",
        "warning queues: queue 'paused' is paused since ",
        " with 1 step waiting in it; baton resume paused",
        "problem workers: no pool of queue 'default' can run worker 'noted', wanted by 1 step in it; start a worker",
        "problem steps: queue 'default' has 3 steps that came due up to 5 min ago; every worker pool makes due steps",
        "warning steps: executing for long: 1 step, 'long' of 'long' for 3 h; if it hangs, cancel it",
        "warning steps: queue 'default' has 1 step available, the oldest for 60 min; give the queue more slots",
        "problem tables: autovacuum is switched off for table 'queue'; alter table \"baton\".queue reset",
        "warning tables: table 'queue' has 60,0",
        "(psql, role postgres, idle in transaction) has held locks on the engine's rows for ",
        "(report, role postgres, idle in transaction) has held a snapshot for ",
        "prepared transaction 'forgotten' has held a snapshot for ",
        "problem settings: fsync is off",
        "problem settings: full_page_writes is off",
        "warning settings: synchronous_commit is off",
        "warning settings: default_transaction_isolation is repeatable read",
        "warning settings: idle_in_transaction_session_timeout is 1s",
        "warning settings: idle_session_timeout is 5s",
        "warning connections: ",
        "warning clock: this host's clock is ",
    ]:
        assert expected in report, f"{expected!r} is not in:\n{report}"


@pytest.mark.slow
async def test_a_queue_of_notifications_that_fills_up_is_reported(tmp_path):
    settings = {"max_notify_queue_pages": "64"}
    with temporary_server() as server:
        if server.major < 17:
            pytest.skip("the queue's size cannot be set before PostgreSQL 17, and 8 GB are too much to fill")
    with temporary_server(settings) as server:
        async with Engine(server.dsn()):
            pass
        listener, sender = await asyncpg.connect(server.dsn()), await asyncpg.connect(server.dsn())
        await listener.execute("listen something")
        await listener.execute("begin; select 1")
        for n in range(40):
            await sender.execute("select pg_notify('something', $1 || repeat('x', 7900))", str(n))
        findings = findings_of(
            await asyncio.to_thread(baton, "doctor", "--json", cwd=tmp_path, database=server.dsn()), 1
        )
        await listener.close()
        await sender.close()

    (level, fact), *_ = [(level, fact) for level, check, fact in findings if check == "notifications"]
    assert level == "problem"
    assert "% full" in fact


@pytest.mark.slow
def test_a_standby_is_reported(tmp_path):
    settings = {"wal_level": "replica", "max_wal_senders": "4"}
    with temporary_server(settings) as server, standby_of(server) as standby:
        assert_succeeded(baton("migrate", cwd=tmp_path, database=server.dsn()))

        findings = findings_of(baton("doctor", "--json", cwd=tmp_path, database=standby.dsn(server.dsn())), 1)

    assert ("problem", "server", "this server is a standby and takes no writes") in findings


def test_a_schema_that_is_not_there_is_a_problem(empty_database, tmp_path):
    findings = findings_of(baton("doctor", "--json", cwd=tmp_path, database=empty_database), 1)

    assert findings[0] == ("problem", "schema", "schema 'baton' is not there")
    assert "queues" not in {check for _, check, _ in findings}


@pytest.mark.parametrize(
    ("change", "level", "fact"),
    [
        ("delete from migrations; insert into migrations values (0, 'zero', false)", "problem", "this library needs"),
        ("insert into migrations values (99, 'other', true)", "problem", "cannot work with"),
        ("insert into migrations values (99, 'other', false)", "ok", "which still works"),
    ],
)
async def test_a_schema_of_another_version_is_reported(database, connection, tmp_path, change, level, fact):
    await connection.execute(change)

    done = baton("doctor", "--json", cwd=tmp_path, database=database)

    first = json.loads(done.stdout)["findings"][0]
    assert (first["level"], fact in first["fact"]) == (level, True)


async def test_a_viewer_learns_what_it_cannot_see(database, connection, tmp_path):
    await connection.execute("create role baton_doctor_viewer login")
    try:
        assert_succeeded(baton("migrate", "--grant", "viewer=baton_doctor_viewer", cwd=tmp_path, database=database))
        address = database.replace("postgres@", "baton_doctor_viewer@", 1)

        findings = findings_of(baton("doctor", "--json", cwd=tmp_path, database=address), 1)
    finally:
        await connection.execute("drop owned by baton_doctor_viewer; drop role baton_doctor_viewer")

    assert ("warning", "server", "this role may not see the sessions of others, nor their snapshots") in findings
    assert ("warning", "pools", "no worker pool lives") in findings


def test_a_database_that_is_not_there_is_one_sentence(server, tmp_path):
    said = assert_refused(baton("doctor", "--address", server.dsn("no_such_database"), cwd=tmp_path))

    assert said.endswith('refuses: database "no_such_database" does not exist')


async def test_what_fails_in_several_pools_is_found_once(database, connection, tmp_path):
    """The pools' heartbeats store it."""
    pools = [await RawPool.register(connection) for _ in range(2)]
    for pool in pools:
        await pool.store.heartbeat(pool.id, 1, [], [], 30, ["rescue passes over step 'a' of workflow 'w': no (23514)"])

    findings = findings_of(baton("doctor", "--json", cwd=tmp_path, database=database), code=1)

    (fact,) = [fact for level, check, fact in findings if (level, check) == ("problem", "upkeep")]
    assert fact == "rescue passes over step 'a' of workflow 'w': no (23514), reported by raw, raw"


async def test_steps_whose_arguments_do_not_fit_are_found_with_the_reason(database, connection, tmp_path):
    pool = await RawPool.register(connection)
    await pool.insert("w", step("a"), step("b"))
    for claimed in await pool.claim():
        await pool.settle(outcome(claimed, "misfit", "the arguments do not fit worker 'work': no"))

    findings = findings_of(baton("doctor", "--json", cwd=tmp_path, database=database), code=1)

    (fact,) = [fact for level, check, fact in findings if (level, check) == ("problem", "workers")]
    assert fact.startswith("2 steps of worker 'work' in queue 'default' put back for up to ")
    assert fact.endswith(" s: the arguments do not fit worker 'work': no")
