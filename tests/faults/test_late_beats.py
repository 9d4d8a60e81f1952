"""A beat that its pool gave up, and that the server notes all the same while the next one is on its way."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from baton import Engine, WorkerPool
from baton.database.rows import Claiming
from baton.database.store import Store
from tests.database.raw import RawPool, step
from tests.waiting import eventually


@pytest.fixture
async def connect(database):
    opened = []

    async def connect():
        opened.append(await asyncpg.connect(database))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


async def test_it_does_not_make_the_next_list_newer_than_it_is(connection, connect):
    """The sweep would give back a claim that was sent after that list was made, and that runs."""
    pool = await RawPool.register(await connect())
    await pool.insert("w", step("a"))
    given_up, following = await connect(), await connect()
    healthy = Claiming(uuid4(), {"default": 1})
    async with connection.transaction():
        await connection.execute("select from pools for update")
        late = asyncio.create_task(beat(given_up, pool.id, number=1))
        await eventually(lambda: is_blocked(connection, connection, given_up), deadline=0.9)
        # Given up, so the next one passes over a number; its list is made before the claim is sent.
        latest = asyncio.create_task(beat(following, pool.id, number=3))
        await eventually(lambda: is_blocked(connection, given_up, following), deadline=0.9)
        assert len(await pool.store.claim(pool.id, healthy)) == 1
    await late
    await latest

    assert (await pool.tick()).given_back == 0


async def is_blocked(connection, by, waiting):
    pids = by.get_server_pid(), waiting.get_server_pid()
    return await connection.fetchval("select $1::integer = any(pg_blocking_pids($2))", *pids)


async def beat(connection, pool, number):
    return await Store(connection, "baton").beat(pool, number, [], ["work"], 30)


@pytest.mark.parametrize("moment", ["request", "answer"])
async def test_a_pool_passes_over_a_number_after_a_beat_it_gave_up(proxy, connection, moment):
    async with Engine(proxy.dsn) as engine, WorkerPool(engine, lease=1.5) as pool:
        await eventually(lambda: noted(connection, pool.id))
        trap = proxy.trap(".beat(", moment, purpose="lifeline")
        await trap.sprung()
        given_up = await noted(connection, pool.id) + (moment == "request")
        await eventually(lambda: is_later(connection, pool.id, given_up))

        assert await noted(connection, pool.id) == given_up + 2


async def noted(connection, pool):
    return await connection.fetchval("select beats from pools where id = $1", pool)


async def is_later(connection, pool, than):
    return await noted(connection, pool) > than
