"""Leaving a pool: what runs may end, nothing new starts, and the rest goes back without spending an attempt."""

from __future__ import annotations

import asyncio
import threading

import pytest

import baton.runtime.running_pool
from baton import Baton, Engine, WorkerPool, worker
from tests.held_worker import HeldWorker
from tests.servers import temporary_server
from tests.waiting import eventually


def several(held, count):
    flow = Baton.new()
    for number in range(count):
        flow.add(str(number), held.worker.new(number=number))
    return flow


async def states(run):
    return {record.name: (record.state, record.attempt) for record in await run.steps()}


async def test_what_runs_ends_within_the_grace_and_nothing_new_starts(engine, held):
    async with WorkerPool(engine, queues={"default": 2}) as pool:
        run = await several(held, 5).insert()
        await held.has_begun(2)
        draining = asyncio.create_task(pool.drain(grace=20))
        await eventually(lambda: pool.health().is_draining)
        held.may_end.set()
        await draining

        assert await states(run) == {
            **dict.fromkeys("01", ("completed", 1)),
            **dict.fromkeys("234", ("available", 0)),
        }


async def test_without_grace_steps_go_back_unspent_and_another_pool_runs_them(engine, held):
    run = await several(held, 3).insert()
    async with WorkerPool(engine, grace=0, queues={"default": 2}):
        await held.has_begun(2)
    assert await states(run) == dict.fromkeys("012", ("available", 0))

    held.may_end.set()
    async with WorkerPool(engine):
        assert await run.wait(timeout=10) == "completed"

    assert await states(run) == dict.fromkeys("012", ("completed", 1))


async def test_a_waiting_pool_is_woken_by_what_another_gives_back(engine, held):
    run = await several(held, 1).insert()
    async with WorkerPool(engine, grace=0):
        await held.has_begun()
        async with WorkerPool(engine, poll=60) as leaving:
            del leaving
            second = await several(held, 1).insert()
            await held.has_begun()
    held.may_end.set()
    async with WorkerPool(engine, poll=60):
        assert await run.wait(timeout=5) == await second.wait(timeout=5) == "completed"


async def test_a_second_drain_without_grace_cuts_the_first_short(engine, held):
    async with WorkerPool(engine) as pool:
        run = await several(held, 1).insert()
        await held.has_begun()
        draining = asyncio.create_task(pool.drain(grace=60))
        await eventually(lambda: pool.health().is_draining)
        async with asyncio.timeout(10):
            await pool.drain(grace=0)
            await draining

        assert await states(run) == {"0": ("available", 0)}


async def test_cancelling_the_task_that_holds_the_pool_gives_back_too(engine, held):
    run = await several(held, 2).insert()

    async def hold():
        async with WorkerPool(engine, grace=60):
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await held.has_begun(2)
    holding.cancel()
    await asyncio.sleep(0)
    holding.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await holding

    assert await states(run) == dict.fromkeys("01", ("available", 0))


async def test_an_error_in_the_body_goes_on_after_the_drain(engine, held):
    run = await several(held, 1).insert()

    async def fail_within():
        async with WorkerPool(engine, grace=0):
            await held.has_begun()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_within()

    assert await states(run) == {"0": ("available", 0)}


async def test_a_pool_that_left_is_dead_at_once(engine, connection):
    async with WorkerPool(engine) as pool:
        left = pool.id

    assert await connection.fetchval("select dead_at is not null from pools where id = $1", left)


async def test_a_thread_that_hangs_does_not_keep_the_pool(engine, monkeypatch):
    monkeypatch.setattr(baton.runtime.running_pool, "STOP_SECONDS", 0.1)
    began, may_end = threading.Event(), threading.Event()

    @worker
    def hangs():
        began.set()
        may_end.wait(30)

    run = await hangs.new().insert()
    try:
        async with asyncio.timeout(10):
            async with WorkerPool(engine, grace=0):
                await eventually(began.is_set)
        assert await states(run) == {"hangs": ("available", 0)}
    finally:
        may_end.set()


async def test_what_is_claimed_as_the_drain_begins_goes_back(engine):
    @worker
    async def quick() -> None:
        await asyncio.sleep(0)

    many = Baton.new()
    for number in range(500):
        many.add(str(number), quick.new())
    run = await many.insert()
    async with WorkerPool(engine, grace=0, queues={"default": 50}) as pool:
        await eventually(lambda: pool.health().running > 0, every=0)

    counts = (await run.status()).counts
    assert counts.get("executing", 0) == counts.get("retryable", 0) == 0
    assert {attempt for state, attempt in (await states(run)).values() if state == "available"} == {0}
    async with WorkerPool(engine, queues={"default": 50}):
        assert await run.wait(timeout=20) == "completed"
    assert {attempt for _, attempt in (await states(run)).values()} == {1}


@pytest.mark.slow
async def test_a_pool_ends_while_the_database_is_away(monkeypatch, caplog):
    for name in ("STOP_SECONDS", "FLUSH_SECONDS", "DEREGISTER_SECONDS"):
        monkeypatch.setattr(baton.runtime.running_pool, name, 0.5)
    held = HeldWorker()
    with temporary_server() as server:
        async with asyncio.timeout(30):
            async with Engine(server.dsn()) as engine, WorkerPool(engine, grace=0):
                await several(held, 1).insert()
                await held.has_begun()
                await asyncio.to_thread(server.halt, immediate=True)
        leftovers = {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("baton")}
        await asyncio.to_thread(server.resume)

    assert leftovers == set()
    assert "could not deregister" in caplog.text


async def test_a_pool_ends_while_the_schema_is_gone(engine, connection, monkeypatch, caplog):
    monkeypatch.setattr(baton.runtime.running_pool, "FLUSH_SECONDS", 0.5)
    async with asyncio.timeout(20):
        async with WorkerPool(engine):
            await connection.execute("drop schema baton cascade")

    assert "could not deregister" in caplog.text
