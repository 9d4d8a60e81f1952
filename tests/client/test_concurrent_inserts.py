"""Inserts at the same time leave together, and each caller has an answer of its own."""

from __future__ import annotations

import asyncio
from contextlib import closing

import asyncpg
import pytest

from baton import Engine, EngineClosed, WorkflowExists, worker
from baton.database.grants import grant
from tests.conftest import TestServer
from tests.servers import temporary_server
from tests.waiting import eventually

MANY = 100


@worker
async def texting(text: str) -> int:
    return len(text)


async def insert_at_once(quick, ids, engine=None):
    """Insert a job under each id, all at the same time; return the runs, or the errors, in this order."""
    inserts = [quick.new(value=number).insert(engine, workflow_id=name) for number, name in enumerate(ids)]
    return await asyncio.gather(*inserts, return_exceptions=True)


def names(count):
    return [f"w{number:04d}" for number in range(count)]


async def commits(connection):
    """How many transactions wrote the workflows that there are."""
    return await connection.fetchval("select count(distinct xmin::text) from workflows")


async def ids_stored(connection):
    return [row["id"] for row in await connection.fetch("select id from workflows order by key")]


async def lock_of_workflows(connect):
    """A transaction that keeps everybody from inserting, until its connection is closed."""
    blocking = await connect()
    await blocking.execute("begin; lock table baton.workflows in exclusive mode")
    return blocking


async def waits_for_lock(connection):
    return await connection.fetchval("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")


async def test_many_inserts_at_once_need_a_few_commits(engine, quick, connection):
    runs = await insert_at_once(quick, names(MANY))

    assert [run.id for run in runs] == names(MANY)
    assert all(run.is_new for run in runs)
    assert await commits(connection) < MANY / 5


async def test_they_are_inserted_in_the_order_they_were_made_in(engine, quick, connection):
    await insert_at_once(quick, names(MANY))

    assert await ids_stored(connection) == names(MANY)


async def test_a_taken_id_fails_its_own_caller_alone(engine, quick):
    await quick.new(value=-1).insert(workflow_id="w0050")

    answers = await insert_at_once(quick, names(MANY))

    assert isinstance(answers[50], WorkflowExists)
    assert [answer.is_new for number, answer in enumerate(answers) if number != 50] == [True] * (MANY - 1)


async def test_what_the_database_refuses_fails_its_own_caller_alone(engine, quick, connection):
    await connection.execute("alter table workflows add constraint refused check (id <> 'w0050')")

    answers = await insert_at_once(quick, names(MANY))

    assert isinstance(answers[50], asyncpg.CheckViolationError)
    assert len(await ids_stored(connection)) == MANY - 1


async def test_the_same_id_at_once_is_inserted_once(engine, quick, stored):
    runs = await asyncio.gather(*(quick.new().insert(workflow_id="w") for _ in range(MANY)))

    assert sum(run.is_new for run in runs) == 1
    assert await stored() == [1, 1, 1]


async def test_an_id_in_an_open_transaction_holds_up_its_own_caller_alone(engine, quick, connect):
    """Somebody inserts it in a transaction that stays open: nobody can know yet whether the id is taken."""
    other = await connect()
    transaction = other.transaction()
    await transaction.start()
    await quick.new(value=50).insert(other, workflow_id="w0050")
    inserts = [
        asyncio.ensure_future(quick.new(value=number).insert(workflow_id=name))
        for number, name in enumerate(names(MANY))
    ]

    others = [insert for insert in inserts if insert is not inserts[50]]
    assert all(run.is_new for run in await asyncio.gather(*others))
    assert not inserts[50].done()
    await transaction.commit()
    assert not (await inserts[50]).is_new


async def test_a_caller_that_is_cancelled_before_it_is_sent_inserts_nothing(engine, quick, connect, connection):
    blocking = await lock_of_workflows(connect)
    async with asyncio.TaskGroup() as group:
        inserts = [group.create_task(quick.new().insert(workflow_id=name)) for name in names(10)]
        await asyncio.sleep(0)
        inserts[5].cancel()
        await blocking.close()

    assert inserts[5].cancelled()
    assert await ids_stored(connection) == [name for name in names(10) if name != "w0005"]


async def test_a_caller_that_is_cancelled_later_takes_no_other_along(engine, quick, connect, connection):
    blocking = await lock_of_workflows(connect)
    async with asyncio.TaskGroup() as group:
        inserts = [group.create_task(quick.new().insert(workflow_id=name)) for name in names(10)]
        await eventually(lambda: _is_two(connection))
        inserts[5].cancel()
        await blocking.close()

    assert set(names(10)) - {"w0005"} <= set(await ids_stored(connection))
    assert [insert.result().is_new for insert in inserts if insert is not inserts[5]] == [True] * 9


async def _is_two(connection):
    return await waits_for_lock(connection) >= 2


async def test_the_first_caller_is_cancelled_and_the_others_go_on(engine, quick, connect, connection):
    blocking = await lock_of_workflows(connect)
    async with asyncio.TaskGroup() as group:
        inserts = [group.create_task(quick.new().insert(workflow_id=name)) for name in names(10)]
        await eventually(lambda: waits_for_lock(connection))
        inserts[0].cancel()
        await blocking.close()

    assert inserts[0].cancelled()
    assert all(insert.result().is_new for insert in inserts[1:])


async def test_a_large_argument_does_not_hold_up_the_others(engine, connect, connection):
    """It goes alone: a lock that keeps only it from being written leaves the others as they are."""
    blocking = await connect()
    await blocking.execute(
        "begin; insert into baton.workflows (id, fingerprint, total, remaining) values ('large', '', 1, 1)"
    )
    large = asyncio.ensure_future(texting.new(text="x" * 1_000_000).insert(workflow_id="large"))
    await eventually(lambda: waits_for_lock(connection))

    runs = await asyncio.gather(*(texting.new(text="x").insert() for _ in range(MANY)))

    assert all(run.is_new for run in runs)
    assert not large.done()
    await blocking.execute("rollback")
    assert (await large).is_new


async def test_a_closed_engine_refuses_what_was_not_sent(database, quick, connect, connection):
    blocking = await lock_of_workflows(connect)
    engine = await Engine(database).open()
    inserts = [asyncio.ensure_future(quick.new().insert(engine, workflow_id=name)) for name in names(10)]
    await asyncio.sleep(0)
    await eventually(lambda: waits_for_lock(connection))
    async with asyncio.TaskGroup() as group:
        closing_engine = group.create_task(engine.close())
        await eventually(lambda: any(insert.done() for insert in inserts))
        await blocking.close()
        await closing_engine
        answers = await asyncio.gather(*inserts, return_exceptions=True)

    refused = {name for name, answer in zip(names(10), answers, strict=True) if isinstance(answer, EngineClosed)}
    assert set(await ids_stored(connection)) == set(names(10)) - refused
    assert refused


async def test_connections_that_are_cut_lose_nothing_and_double_nothing(engine, quick, connect, connection):
    """A call may have committed when its connection is lost: sent again it finds its own workflows."""
    cutting = await connect()
    cut = """
        select count(pg_terminate_backend(pid)) from pg_stat_activity
         where application_name = 'baton engine' and state = 'active'
    """
    cuts = 0
    for part in range(10):
        ids = [f"{part} {name}" for name in names(MANY)]
        async with asyncio.TaskGroup() as group:
            inserts = group.create_task(insert_at_once(quick, ids))
            while not (ended := await cutting.fetchval(cut)) and not inserts.done():
                pass
            cuts += ended
        assert [answer.id for answer in inserts.result()] == ids

    assert cuts
    assert await connection.fetchval("select count(*) from workflows") == 10 * MANY
    assert await connection.fetchval("select count(*) from queue") == 10 * MANY


async def test_a_client_role_inserts_together_as_well(database, quick, connection):
    await connection.execute("create role baton_together login")
    await grant(connection, "baton", {"client": ["baton_together"]})
    async with Engine(database.replace("postgres@", "baton_together@", 1)) as client:
        runs = await insert_at_once(quick, names(MANY), client)
    assert all(run.is_new for run in runs)
    assert await commits(connection) < MANY / 5
    await connection.execute("drop owned by baton_together; drop role baton_together")


@pytest.mark.slow
async def test_a_restart_of_the_server_under_a_thousand_callers(quick):
    """Each caller gets an answer, and everything is stored once."""
    with temporary_server() as own, closing(TestServer(own.dsn(), own)) as server, server.database("template0") as dsn:
        async with Engine(dsn, connections=4) as engine:
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(insert_at_once(quick, [name], engine)) for name in names(1000)]
                await asyncio.to_thread(own.restart, immediate=True)
            answers = [call.result()[0] for call in calls]
            assert [answer.id for answer in answers] == names(1000)
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("select count(*) from baton.workflows") == 1000
        assert await connection.fetchval("select count(*) from baton.queue") == 1000
        await connection.close()
