"""Connections that send nothing any more and are not closed, as after a network failure."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from baton import Context, Engine, WorkerPool, worker
from baton.database import connections, listener
from tests.database.raw_pool import assert_consistent
from tests.faults.processes import is_completed
from tests.waiting import eventually

LEASE_SECONDS = 3.0


@pytest.fixture
def held():
    """A worker whose first attempt waits for `may_end`, and notes when it is cancelled."""

    began, may_end, cancelled = asyncio.Event(), asyncio.Event(), []

    @worker(name="held while frozen")
    async def work(ctx: Context) -> int:
        began.set()
        try:
            if ctx.attempt == 1:
                await may_end.wait()
        except asyncio.CancelledError:
            cancelled.append(ctx.attempt)
            raise
        return ctx.attempt

    return SimpleNamespace(work=work, began=began, may_end=may_end, cancelled=cancelled)


async def begun(held):
    run = await held.work.new().insert()
    await asyncio.wait_for(held.began.wait(), 20)
    return run


async def test_a_frozen_listener_is_found_by_the_ping_and_connects_again(database, proxy, quick, monkeypatch):
    monkeypatch.setattr(listener, "PING_EVERY", 0.2)
    monkeypatch.setattr(listener, "PING_SECONDS", 0.5)
    async with Engine(database, listener_address=proxy.dsn) as engine, WorkerPool(engine, poll=60):
        await engine.listener.listening()
        assert proxy.freeze("listener") == 1
        await eventually(lambda: len(proxy.links) == 2, deadline=20)
        await engine.listener.listening()

        assert await (await quick.new().insert()).result(timeout=20) == 1


async def test_what_is_inserted_while_the_listener_is_frozen_is_found(database, proxy, quick, monkeypatch):
    """When it has connected again."""
    monkeypatch.setattr(listener, "PING_EVERY", 0.2)
    monkeypatch.setattr(listener, "PING_SECONDS", 0.5)
    async with Engine(database, listener_address=proxy.dsn) as engine, WorkerPool(engine, poll=60):
        await engine.listener.listening()
        # The first claims are over.
        await (await quick.new().insert()).wait(timeout=20)
        proxy.freeze("listener")

        assert await (await quick.new().insert()).result(timeout=20) == 1


async def test_a_listener_that_freezes_before_it_listens_is_replaced_too(database, proxy, quick, monkeypatch):
    monkeypatch.setattr(listener, "PING_SECONDS", 0.5)
    trap = proxy.trap("LISTEN", "request", holds=True)
    async with Engine(database, listener_address=proxy.dsn) as engine, WorkerPool(engine, poll=60):
        await trap.sprung()
        await asyncio.wait_for(engine.listener.listening(), 20)

        assert await (await quick.new().insert()).result(timeout=20) == 1


async def test_a_frozen_heartbeat_connects_again_before_the_lease_is_lost(proxy, connection, held):
    async with Engine(proxy.dsn) as engine, WorkerPool(engine, lease=LEASE_SECONDS) as pool:
        run = await begun(held)
        number = pool.id
        await eventually(lambda: beats(connection, number))
        assert proxy.freeze("heartbeat") == 1
        before = await beats(connection, number)
        await eventually(lambda: is_later(connection, number, before), deadline=20)
        held.may_end.set()

        assert await run.result(timeout=20) == 1
        assert pool.id == number


async def beats(connection, pool):
    return await connection.fetchval("select beats from pools where id = $1", pool)


async def is_later(connection, pool, than):
    return await beats(connection, pool) > than


async def test_a_pool_cut_off_past_its_lease_goes_on_as_another(proxy, connection, held, quick):
    """It cancels what runs."""
    async with Engine(proxy.dsn) as engine, WorkerPool(engine, lease=1, poll=0.3) as pool:
        run = await begun(held)
        number = pool.id
        proxy.freeze(newcomers=True)
        await eventually(lambda: held.cancelled == [1], deadline=20)
        proxy.cut()
        proxy.thaw()
        await eventually(lambda: pool.id > number, deadline=20)
        await eventually(lambda: is_completed(run, connection), deadline=30)

        assert await run.result() == 2
        assert await (await quick.new().insert()).result(timeout=20) == 1
    await assert_consistent(connection)


async def test_calls_of_a_pool_on_frozen_connections_are_sent_again(proxy, connection, held, quick, monkeypatch):
    monkeypatch.setattr(connections, "CALL_SECONDS", 0.5)
    async with Engine(proxy.dsn) as engine, WorkerPool(engine, lease=30) as pool:
        run = await begun(held)
        assert proxy.freeze("pool") > 0
        proxy.freeze("maintenance")
        held.may_end.set()

        assert await run.result(timeout=20) == 1
        assert await (await quick.new().insert()).result(timeout=20) == 1
        assert pool.id == (await run.steps())[0].pool
        proxy.thaw()


async def test_claims_that_committed_after_the_lease_was_lost_cost_no_attempt(proxy, connection, quick):
    """Their answer comes when the pool has another number already; the pool gives the steps back."""
    async with Engine(proxy.dsn) as engine:
        run = await quick.new().with_options(max_attempts=1).insert()
        trap = proxy.trap(".advance(", "answer", purpose="pool", holds=True)
        async with WorkerPool(engine, lease=30, poll=60) as pool:
            number = pool.id
            await trap.sprung()
            assert await connection.fetchval("select pool from queue where state = 'executing'") == number
            pool._running.on_lease_lost()
            await eventually(lambda: pool.id > number)
            trap.release()

            assert await run.result(timeout=20) == 1
            (record,) = await run.steps()
            assert (record.attempt, record.pool) == (1, pool.id)
    await assert_consistent(connection)
