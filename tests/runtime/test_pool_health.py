"""What a pool tells of itself, and how its drain went."""

from __future__ import annotations

import asyncio

import pytest

from baton import Drained, Engine, WorkerPool
from tests.servers import temporary_server
from tests.waiting import eventually


async def test_a_pool_is_ready_while_it_is_entered_and_says_why_when_it_is_not(engine):
    pool = WorkerPool(engine, queues={"web": 3}, name="mine")
    before = pool.health()
    async with pool:
        inside = pool.health()
        assert (inside.is_ready, inside.faults, inside.pool) == (True, [], pool.id)
        assert (inside.name, inside.queues, inside.running) == ("mine", {"web": 3}, 0)
        assert 20 < inside.lease_seconds <= 30
    after = pool.health()

    for outside in (before, after):
        assert (outside.is_ready, outside.faults, outside.pool) == (False, ["it is not registered"], None)


async def test_a_pool_that_drains_is_not_ready_and_reports_what_still_runs(engine, held):
    async with WorkerPool(engine) as pool:
        await held.worker.new().insert()
        await held.has_begun()
        assert pool.health().running == 1
        draining = asyncio.create_task(pool.drain(grace=20))
        await eventually(lambda: pool.health().is_draining)

        assert (pool.health().is_ready, pool.health().faults) == (False, ["it is draining"])

        held.may_end.set()
        assert await draining == Drained(cut_short=0, is_settled=True)


async def test_a_drain_reports_how_many_attempts_it_cut_short(engine, held):
    async with WorkerPool(engine) as pool:
        await held.worker.new().insert()
        await held.has_begun()

        assert await pool.drain(grace=0) == Drained(cut_short=1, is_settled=True)


@pytest.mark.slow
async def test_a_pool_is_not_ready_while_its_database_is_away(tmp_path):
    with temporary_server() as server:
        async with Engine(server.dsn()) as engine, WorkerPool(engine, lease=3) as pool:
            assert pool.health().is_ready
            server.halt(immediate=True)
            await eventually(lambda: not pool.health().is_ready)
            assert pool.health().faults == ["the database does not answer"]
            await eventually(lambda: pool.health().pool is None)
            assert pool.health().faults == ["it is not registered"]

            server.resume()

            await eventually(lambda: pool.health().is_ready, deadline=30)


@pytest.mark.slow
async def test_a_drain_without_a_database_reports_that_outcomes_are_lost(held, monkeypatch):
    monkeypatch.setattr("baton.runtime.running_pool.FLUSH_SECONDS", 0.5)
    with temporary_server() as server:
        async with Engine(server.dsn()) as engine, WorkerPool(engine, lease=60) as pool:
            await held.worker.new().insert()
            await held.has_begun()
            server.halt(immediate=True)

            assert await pool.drain(grace=0) == Drained(cut_short=1, is_settled=False)
