"""Defaults of the database or the role that do not suit the engine."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from baton import Baton, Context, Engine, WorkerPool, result_of, worker
from baton.database.messages import ClaimRequest
from tests.database.raw_pool import assert_consistent
from tests.waiting import eventually


@pytest.fixture
def add():
    @worker
    async def add(left: int = 0, right: int = 1) -> int:
        return left + right

    return add


@pytest.fixture
async def settings(connection):
    """Set defaults of the test's database for connections that are opened from now on."""

    async def settings(**values):
        name = await connection.fetchval("select current_database()")
        for setting, value in values.items():
            await connection.execute(f"alter database {name} set {setting} = '{value}'")

    return settings


def diamond(add):
    return (
        Baton.new()
        .add("top", add.new())
        .add("left", add.new(left=result_of("top")))
        .add("right", add.new(left=result_of("top")))
        .add("bottom", add.new(left=result_of("left"), right=result_of("right")))
    )


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
async def test_a_stricter_isolation_by_default(database, connection, settings, add, level):
    await settings(default_transaction_isolation=level)
    async with Engine(database) as engine, WorkerPool(engine), WorkerPool(engine):
        runs = [await diamond(add).insert() for _ in range(20)]
        assert [await run.result("bottom", timeout=30) for run in runs] == [4] * 20

        run = await diamond(add).insert()
        assert await run.cancel() + await run.retry() >= 0
        await run.wait(timeout=30)
    await assert_consistent(connection)


async def test_transactions_that_are_read_only_by_default(database, connection, settings, add):
    await settings(default_transaction_read_only="on")

    @worker(name="noted_in_public", transactional=True)
    async def noted(ctx: Context) -> int:
        await ctx.connection.execute("create table public.notes (n integer)")
        return 1

    async with Engine(database) as engine, WorkerPool(engine):
        assert await (await diamond(add).insert()).result("bottom", timeout=30) == 4
        assert await (await noted.new().insert()).result(timeout=30) == 1


LISTENER_IS_IDLE = """
    select exists (
        select from pg_stat_activity
         where datname = current_database() and application_name = 'baton listener'
           and clock_timestamp() - state_change > interval '700 ms'
    )
"""


async def test_a_session_that_may_not_be_idle_for_long(database, connection, settings, add, caplog):
    """The listener waits for notifications, which may not come for hours."""
    await settings(idle_session_timeout="300ms")
    async with Engine(database) as engine, WorkerPool(engine):
        await engine.listener.listening()
        await eventually(lambda: connection.fetchval(LISTENER_IS_IDLE))
        assert await (await diamond(add).insert()).result("bottom", timeout=30) == 4

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize(
    "values",
    [{"statement_timeout": "200ms"}, {"lock_timeout": "50ms"}, {"idle_session_timeout": "300ms"}],
    ids=lambda values: next(iter(values)),
)
async def test_a_short_timeout_while_a_workflow_is_locked(database, connect, connection, settings, add, values):
    """The locked workflow waits, everything else goes on, upkeep included; after the unlock it completes too."""
    await settings(**values)
    async with Engine(database) as engine:
        former = await engine.store.register(
            name="former", host="here", pid=1, limits={}, workers=[], lease_seconds=0.001
        )
        locked = await diamond(add).insert()
        await engine.store.claim(former, ClaimRequest(uuid4(), {"default": 1}))
        await asyncio.wait_for(lost_while_locked(connect, engine, locked, add), 40)
        await connection.execute("update queue set scheduled_at = clock_timestamp() where state = 'retryable'")
        async with WorkerPool(engine, lease=1):
            assert await locked.result("bottom", timeout=30) == 4
    await assert_consistent(connection)


async def lost_while_locked(connect, engine, locked, add):
    """The step of a dead pool cannot be rescued, for its workflow is locked; others are scheduled and run."""
    other = await connect(search_path="baton", idle_session_timeout="0")
    async with other.transaction():
        await other.execute("select from workflows where id = $1 for update", locked.id)
        async with WorkerPool(engine, lease=1, poll=0.5):
            late = await add.new().with_options(schedule_in=1).insert()
            assert await late.result(timeout=30) == 1
            assert await (await diamond(add).insert()).result("bottom", timeout=30) == 4
    await eventually(lambda: engine.store.rescue(limit=10))
    await other.close()
