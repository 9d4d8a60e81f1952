"""Keys of runs that are inserted in transactions of the application, with whatever driver."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from baton import Baton, Engine, KeyTaken, insert_many
from tests.client.callers import CALLERS
from tests.waiting import eventually

KEY = "user:7"
LOCK_WAITS = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"


@pytest.fixture
def flow(quick):
    def flow(key=KEY, value=1):
        return Baton.new(key=key).add("a", quick.new(value=value))

    return flow


@pytest.mark.parametrize("kind", CALLERS)
async def test_of_fifty_inserts_of_a_key_with_rollbacks_one_stays(database, quick, connection, kind):
    """Each in a thread and an event loop of its own, as some drivers block. Two of three roll back."""

    async def insert(number):
        async with CALLERS[kind](database, "read_committed") as caller:
            run = await caller.insert(Baton.new(key=KEY).add("a", quick.new(value=number)))
            await (caller.rollback if number % 3 else caller.commit)()
        return run.id

    async with Engine(database):
        with ThreadPoolExecutor(50) as threads:
            loop = asyncio.get_running_loop()
            inserts = [loop.run_in_executor(threads, asyncio.run, insert(number)) for number in range(50)]
            ids = await asyncio.gather(*inserts)

    stored = await connection.fetch("select w.id from workflows w join run_keys k on k.workflow = w.key")
    assert [row["id"] for row in stored] == [row["id"] for row in await connection.fetch("select id from workflows")]
    assert len(stored) == 1
    assert {stored[0]["id"]} == {ids[number] for number in range(0, 50, 3)}


@pytest.mark.parametrize("kind", [kind for kind in CALLERS if kind != "psycopg synchronous"])
async def test_many_with_keys_go_into_a_transaction_of_the_caller(database, engine, flow, connection, kind):
    async with CALLERS[kind](database, "read_committed") as caller:
        held = await flow("c").insert()
        runs = await insert_many([flow(key) for key in "dcbad"], caller.using)
        await caller.commit()
        assert [run.is_new for run in runs] == [True, False, True, True, False]
        assert (runs[1].id, runs[4].id) == (held.id, runs[0].id)

    async with CALLERS[kind](database, "read_committed") as caller:
        with pytest.raises(KeyTaken):
            await insert_many([flow("x"), flow("c")], caller.using, if_running="refuse")
        newest = await insert_many([flow(key) for key in "abc"], caller.using, if_running="replace")
        await caller.commit()

    assert all(run.is_new for run in newest)
    assert (await held.status()).state == "cancelled"
    executing = "select run_key from workflows where state = 'executing' order by 1"
    assert [row["run_key"] for row in await connection.fetch(executing)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_held_key_is_found_at_a_higher_isolation(database, engine, flow, isolation):
    held = await flow().insert()
    async with CALLERS["asyncpg connection"](database, isolation) as caller:
        run = await caller.insert(flow())
        assert (await caller.insert(flow("other"))).is_new
        await caller.commit()

    assert (run.id, run.is_new) == (held.id, False)


async def test_an_insert_whose_connection_is_killed_frees_its_key(database, engine, flow, connection):
    """An insert that waited for it takes the key."""
    async with CALLERS["asyncpg connection"](database, "read_committed") as caller:
        killed = await caller.insert(flow())
        waiting = asyncio.create_task(flow().insert())
        await eventually(lambda: connection.fetchval(LOCK_WAITS))
        await connection.execute("select pg_terminate_backend($1)", caller.using.get_server_pid())
        run = await waiting

    assert run.is_new
    assert [row["id"] for row in await connection.fetch("select id from workflows")] == [run.id]
    assert killed.id != run.id


async def test_an_insert_in_an_open_transaction_holds_up_no_other_key(database, engine, flow):
    async with CALLERS["asyncpg connection"](database, "read_committed") as caller:
        await caller.insert(flow())
        assert (await asyncio.wait_for(flow("other").insert(), 10)).is_new


async def test_a_run_that_is_being_replaced_holds_up_no_claim(database, engine, flow, held):
    """The lock of the replaced run is the caller's; what else there is runs."""
    from baton import WorkerPool

    async with WorkerPool(engine), CALLERS["asyncpg connection"](database, "read_committed") as caller:
        await held.worker.new().insert(key=KEY)
        await held.has_begun()
        assert (await Baton.new(key=KEY).add("a", held.worker.new(2)).insert(caller.using, if_running="replace")).is_new
        assert await (await flow("other").insert()).wait(timeout=10) == "completed"
        await caller.commit()
        await held.has_begun()
        held.may_end.set()
