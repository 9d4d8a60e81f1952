"""Inserting through an engine: once, whole or not at all."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from baton import Baton, InvalidName, Run, WorkerPool, WorkflowExists
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]


def flow(quick, workflow_id="w", value=1):
    return Baton.new(workflow_id=workflow_id).add("a", quick.new(value=value)).add("b", quick.new(), deps=["a"])


def start(command):
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def test_the_same_workflow_again_is_the_run_that_exists(engine, quick, stored):
    first, second = await flow(quick).insert(), await flow(quick).insert()

    assert first.id == second.id
    assert await stored() == [1, 2, 1]


async def test_a_run_knows_whether_its_insert_made_it(engine, quick):
    first, second = await flow(quick).insert(), await flow(quick).insert()

    assert (first.is_new, second.is_new, Run("w").is_new) == (True, False, None)


async def test_a_job_may_be_given_an_id(engine, quick):
    first, second = [await quick.new().insert(workflow_id="nightly 7") for _ in range(2)]
    other = await quick.new().insert()

    assert (first.id, first.is_new, second.is_new, other.is_new) == ("nightly 7", True, False, True)
    with pytest.raises(WorkflowExists, match="'nightly 7' exists already with another graph"):
        await quick.new(value=2).insert(workflow_id="nightly 7")
    with pytest.raises(InvalidName):
        await quick.new().insert(workflow_id="")


async def test_an_id_is_free_again_when_its_workflow_was_pruned(engine, quick):
    async with WorkerPool(engine):
        await (await quick.new().insert(workflow_id="nightly")).wait(timeout=10)
        await engine.store.prune(timedelta(0), limit=10)
        again = await quick.new(value=2).insert(workflow_id="nightly")

        assert again.is_new
        assert await again.result(timeout=10) == 2


async def test_another_graph_under_the_same_id_is_refused_and_changes_nothing(engine, quick, stored):
    await flow(quick).insert()

    with pytest.raises(WorkflowExists, match="workflow 'w' exists already with another graph"):
        await flow(quick, value=2).insert()
    assert await stored() == [1, 2, 1]


async def test_the_same_workflow_again_after_it_ended_does_not_run_again(engine, quick):
    async with WorkerPool(engine):
        await (await flow(quick).insert()).wait(timeout=10)
        again = await flow(quick).insert()

        assert (await again.status()).state == "completed"


async def test_many_at_once_insert_one(engine, quick, stored):
    runs = await asyncio.gather(*[flow(quick).insert() for _ in range(30)])

    assert {run.id for run in runs} == {"w"}
    assert await stored() == [1, 2, 1]


@pytest.mark.slow
async def test_eight_processes_at_once_insert_one(database, stored):
    command = [sys.executable, "-m", "tests.programs.insert_one", database]
    started = [start(command) for _ in range(8)]
    # Each says that it is ready, and waits for the word.
    for process in started:
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [json.loads((await asyncio.to_thread(process.communicate))[0]) for process in started]

    assert [process.returncode for process in started] == [0] * 8
    assert printed == ["the one"] * 8
    assert await stored() == [1, 3, 1]


async def test_of_two_graphs_at_once_under_one_id_one_is_inserted(engine, quick, stored):
    ends = await asyncio.gather(
        *[flow(quick, value=number % 2).insert() for number in range(10)], return_exceptions=True
    )

    assert sum(isinstance(end, WorkflowExists) for end in ends) == 5
    assert await stored() == [1, 2, 1]


@pytest.mark.slow
async def test_fifty_thousand_steps_go_in_with_one_transaction(engine, connection, quick, stored):
    job = quick.new()
    many = Baton.new(workflow_id="many").add("first", job)
    for number in range(49_999):
        many.add(str(number), job, deps=["first"])

    await many.insert()

    assert await stored() == [1, 50_000, 1]
    assert await connection.fetchval("select count(distinct xmin::text) from steps") == 1
    assert await connection.fetchval("select total = 50000 and remaining = 50000 from workflows")


async def test_an_insert_that_fails_half_way_leaves_nothing(engine, connection, quick, monkeypatch, stored):
    monkeypatch.setattr("baton.client.insert.STEPS_PER_CALL", 10)
    monkeypatch.setattr("baton.database.store.STEPS_PER_CALL", 10)
    many = Baton.new()
    for number in range(30):
        many.add(str(number), quick.new(value=number))
    await connection.execute("alter table steps add constraint half_way check (name <> '25')")

    with pytest.raises(asyncpg.CheckViolationError):
        await many.insert()
    assert await stored() == [0, 0, 0]


async def test_a_cancelled_insert_is_there_whole_or_not_at_all(engine, connection, quick, monkeypatch, stored):
    monkeypatch.setattr("baton.client.insert.STEPS_PER_CALL", 10)
    monkeypatch.setattr("baton.database.store.STEPS_PER_CALL", 10)
    many = Baton.new()
    for number in range(200):
        many.add(str(number), quick.new(value=number))
    inserting = asyncio.create_task(many.insert())
    working = "select true from pg_stat_activity where query like '%insert_workflow%' and state like 'idle in%'"
    await eventually(lambda: inserting.done() or connection.fetchval(working), every=0)
    inserting.cancel()
    await asyncio.wait([inserting])

    await eventually(no_transaction_is_open(connection))
    assert await stored() in ([0, 0, 0], [1, 200, 200])
    assert (await many.insert()).id
    assert await stored() == [1, 200, 200]


def no_transaction_is_open(connection):
    open_ones = """
        select count(*) = 0 from pg_stat_activity
         where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
    """
    return lambda: connection.fetchval(open_ones)


async def test_an_id_inserted_since_the_snapshot_fails_the_callers_transaction(engine, connect, quick, stored):
    """The caller's own transaction is repeatable read: a serialization error, to be retried as any other."""
    other = await connect()
    with suppress(asyncpg.InFailedSQLTransactionError):
        async with other.transaction(isolation="repeatable_read"):
            await other.fetchval("select count(*) from baton.workflows")
            await flow(quick).insert()
            with pytest.raises(asyncpg.SerializationError):
                await flow(quick).insert(other)

    assert await stored() == [1, 2, 1]


async def test_an_insert_waits_for_an_open_insert_of_the_same_id(engine, connect, connection, quick):
    other = await connect()
    transaction = other.transaction()
    await transaction.start()
    await flow(quick, value=1).insert(other)
    waiting = asyncio.create_task(flow(quick, value=2).insert())
    blocked = "select count(*) from pg_stat_activity where $1 = any(pg_blocking_pids(pid))"
    await eventually(lambda: connection.fetchval(blocked, other.get_server_pid()))
    await transaction.rollback()

    assert (await waiting).id == "w"
    assert await connection.fetchval("select args->>'value' from steps where name = 'a'") == "2"


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_million_steps_are_inserted_counted_and_cancelled(engine, connection, quick):
    million, job = Baton.new().add("root", quick.new()), quick.new()
    for number in range(999_999):
        million.add(str(number), job, deps=["root"])

    run = await million.insert()

    assert (await run.status()).counts == {"available": 1, "suspended": 999_999}
    assert await run.cancel() == 1_000_000
    assert (await run.status()).counts == {"cancelled": 1_000_000}
