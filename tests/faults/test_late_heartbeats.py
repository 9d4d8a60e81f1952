"""A heartbeat that its pool gave up, and that the server still records while the next one is on its way."""

from __future__ import annotations

import pytest

from baton import Engine, WorkerPool
from tests.database.raw_pool import RawPool, step
from tests.waiting import eventually


@pytest.mark.parametrize("is_noted", [True, False])
async def test_it_does_not_make_the_next_list_seem_newer(connection, is_noted):
    """Else the sweep would give back a running claim that was sent after both lists were made."""
    pool = await RawPool.register(connection)
    await pool.insert("w", step("a"))
    given_up, following = {"number": 1}, {"number": 3}

    await pool.claim()
    if is_noted:
        await pool.heartbeat(**given_up)
    await pool.heartbeat(**following)

    assert (await pool.run_upkeep()).given_back == 0


async def test_an_unlisted_claim_is_given_back_once_heartbeats_are_regular(connection):
    """Once heartbeats follow one another again without a gap."""
    pool = await RawPool.register(connection)
    await pool.insert("w", step("a"))
    await pool.claim()

    swept = []
    for number in (1, 3, 4):
        await pool.heartbeat(number=number)
        swept.append((await pool.run_upkeep()).given_back)

    assert swept == [0, 0, 1]


@pytest.mark.parametrize("moment", ["request", "answer"])
async def test_a_pool_skips_a_number_after_a_heartbeat_it_gave_up(proxy, connection, moment):
    async with Engine(proxy.dsn) as engine, WorkerPool(engine, lease=1.5) as pool:
        await eventually(lambda: noted(connection, pool.id))
        trap = proxy.trap(".heartbeat(", moment, purpose="heartbeat")
        await trap.sprung()
        given_up = await noted(connection, pool.id) + (moment == "request")
        await eventually(lambda: is_later(connection, pool.id, given_up))

        assert await noted(connection, pool.id) == given_up + 2


async def noted(connection, pool):
    return await connection.fetchval("select beats from pools where id = $1", pool)


async def is_later(connection, pool, than):
    return await noted(connection, pool) > than
