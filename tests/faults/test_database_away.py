"""The server crashes, stops, runs out of space or is replaced: work goes on, in processes that nobody restarts."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing

import asyncpg
import pytest

from baton import Engine
from tests.conftest import TestServer
from tests.faults.load import assert_all_done, insert_chains
from tests.faults.processes import worker_process
from tests.faults.proxy import Proxy
from tests.faults.standby import standby_of
from tests.servers import temporary_server
from tests.waiting import eventually

pytestmark = pytest.mark.slow
SECONDS_AWAY = 10.0


@pytest.fixture(scope="module")
def own_server():
    """A server that belongs to the tests of this module."""
    with temporary_server() as server:
        yield server


@pytest.fixture
def own_database(own_server):
    """The address of a new database on it."""
    with closing(TestServer(own_server.dsn(), own_server)) as server, server.database("template0") as dsn:
        yield dsn


@asynccontextmanager
async def two_processes(dsn, effects, **settings):
    """Two registered worker processes, which must not end."""
    with worker_process(dsn, effects, **settings) as first, worker_process(dsn, effects, **settings) as second:
        connection = await asyncpg.connect(dsn)
        for process in (first, second):
            await process.registered(connection)
        await connection.close()
        yield first, second
        assert (first.process.poll(), second.process.poll()) == (None, None), "a worker process has ended"


async def progress(effects, starts):
    await eventually(lambda: len(effects.read(event="start")) >= starts, deadline=40, every=0.02)


async def test_a_server_that_crashes_under_load(own_server, own_database, effects):
    async with Engine(own_database), two_processes(own_database, effects, lease=5):
        runs = await insert_chains(20)
        for starts in (100, 300):
            await progress(effects, starts)
            await asyncio.to_thread(own_server.restart, immediate=True)

        await assert_all_done(runs, effects, own_database)


async def test_a_server_that_is_away_for_longer_than_the_lease(own_server, own_database, effects):
    async with Engine(own_database), two_processes(own_database, effects, lease=2):
        runs = await insert_chains(20)
        await progress(effects, 100)
        await asyncio.to_thread(own_server.halt)
        # Steps that were claimed before may still begin.
        await eventually(lambda: has_calmed_down(effects), deadline=10, every=0.3)
        before = effects.read(event="start")
        await asyncio.sleep(SECONDS_AWAY)  # the time itself is what is tested
        assert effects.read(event="start") == before
        await asyncio.to_thread(own_server.resume)

        await assert_all_done(runs, effects, own_database)


def has_calmed_down(effects, seen=[0]):  # noqa: B006  # remembers the last call
    seen.append(len(effects.read(event="start")))
    return seen[-1] == seen[-2]


@pytest.fixture
def replicated():
    """A server, and a replica for which it waits with each commit: else a failover would lose commits."""
    with temporary_server() as primary:
        with standby_of(primary) as standby:
            yield primary, standby
        primary.resume()


async def test_a_replica_takes_over(replicated, effects):
    primary, standby = replicated
    dsn = primary.dsn()
    async with Proxy(dsn) as proxy, Engine(proxy.dsn), two_processes(proxy.dsn, effects, lease=5) as processes:
        runs = await insert_chains(15)
        await progress(effects, 100)
        await asyncio.to_thread(primary.halt, immediate=True)
        proxy.retarget(standby.dsn(dsn))
        # A replica refuses writes: that is a transient failure too.
        await processes[0].has_logged("(25006)")
        await asyncio.to_thread(standby.promote)

        await assert_all_done(runs, effects, standby.dsn(dsn))
