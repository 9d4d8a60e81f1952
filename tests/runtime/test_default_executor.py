"""The library does not need the event loop's default executor: steps may fill it with `asyncio.to_thread`."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from baton import Baton, Context, Engine, WorkerPool, worker
from tests.faults.proxy import Proxy
from tests.waiting import eventually

MOST_THREADS = 64
"""More than the default executor has."""


@asynccontextmanager
async def full_default_executor():
    """Keep every thread of the executor busy, and its queue filled, as long as the block lasts."""
    may_end, held = threading.Event(), []
    running = threading.Semaphore(0)

    def hold():
        running.release()
        may_end.wait(60)

    try:
        held.extend(asyncio.ensure_future(asyncio.to_thread(hold)) for _ in range(MOST_THREADS))
        await eventually(lambda: running.acquire(blocking=False))
        yield
    finally:
        may_end.set()
        await asyncio.wait(held)


@pytest.fixture
async def by_name(database):
    """An address of the test's database in which the host is a name."""
    async with Proxy(database) as proxy:
        yield proxy.dsn.replace("127.0.0.1", "localhost")


async def test_engine_and_pool_live_beside_a_full_default_executor(by_name, own_workers):
    """Entering, inserting, running, a transactional worker's connection, draining and leaving: all of it."""

    @worker(transactional=True)
    async def writes(ctx: Context) -> int:
        return await ctx.connection.fetchval("select 7")

    @worker
    async def reads() -> str:
        return "read"

    async with full_default_executor(), asyncio.timeout(30), Engine(by_name) as engine, WorkerPool(engine):
        run = await Baton.new().add("writes", writes.new()).add("reads", reads.new(), deps=["writes"]).insert()
        assert await run.wait(timeout=20) == "completed"
        assert await run.result("writes") == 7


async def test_a_drain_ends_with_its_grace_while_a_step_sits_in_to_thread(engine, own_workers):
    began, may_end = threading.Event(), threading.Event()

    @worker
    async def waits() -> None:
        await asyncio.to_thread(lambda: (began.set(), may_end.wait(60)))

    run = await waits.new().insert()
    try:
        async with asyncio.timeout(20):
            async with WorkerPool(engine, grace=0.1) as pool:
                await eventually(began.is_set)
                assert (await pool.drain()).cut_short == 1
        (record,) = await run.steps()
        assert (record.state, record.attempt) == ("available", 0)
    finally:
        may_end.set()


async def test_a_connection_by_name_tries_every_address_of_the_host(database, monkeypatch):
    """A name may stand for two addresses, of which only the second answers."""
    from baton.database import name_resolution

    tried = []
    addresses = name_resolution._addresses

    async def two(host, port):
        tried.append(host)
        return ["127.0.0.2", *await addresses(host, port)]

    monkeypatch.setattr(name_resolution, "_addresses", two)
    async with Proxy(database) as proxy, Engine(proxy.dsn.replace("127.0.0.1", "localhost")) as engine:
        assert await engine.queues() == []
    assert "localhost" in tried


async def test_a_name_that_stands_for_nothing_is_an_error_of_the_address(database):
    with pytest.raises(OSError, match=r"(?i)name|address"):
        async with Engine("postgresql://ann@nowhere.invalid/app"):
            pass
