"""A workflow in the transaction of the application, whatever it talks to its database with."""

from __future__ import annotations

import asyncio

import asyncpg
import psycopg
import psycopg.rows
import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import Session

from baton import (
    Baton,
    Engine,
    NoTransaction,
    Run,
    TransactionStillOpen,
    WorkerPool,
    WorkflowExists,
    WorkflowNotFound,
    worker,
)
from tests.client.callers import CALLERS, SynchronousCaller, sqlalchemy_engine


@worker(name="caller transactions: noted")
async def noted(value: int = 1) -> int:
    return value


def flow(value: int = 1, workflow_id: str = "w") -> Baton:
    return Baton.new(workflow_id=workflow_id).add("a", noted.new(value=value)).add("b", noted.new(), deps=["a"])


SERIALIZATION_ERRORS = (asyncpg.SerializationError, psycopg.errors.SerializationFailure)


@pytest.fixture(params=CALLERS)
def calling(request, database):
    """Open the caller's connection, with this isolation."""
    return lambda isolation="read_committed": CALLERS[request.param](database, isolation)


@pytest.fixture
async def patient(engine):
    """A pool that looks only when it is woken."""
    async with WorkerPool(engine, poll=600) as pool:
        yield pool


async def test_nobody_is_woken_before_the_commit_and_the_workflow_runs_after_it(
    calling, engine, patient, notifications
):
    async with calling() as caller:
        await caller.insert(flow())
        heard_before = await notifications.received()
        with pytest.raises(WorkflowNotFound):
            await Run("w").wait(timeout=10)
        await caller.commit()

        assert heard_before == []
        assert await Run("w").wait(timeout=30) == "completed"


async def test_a_rollback_leaves_nothing_and_wakes_nobody(calling, engine, notifications, stored):
    async with calling() as caller:
        await caller.insert(flow())
        await caller.rollback()

        assert await stored() == [0, 0, 0]
        assert await notifications.received() == []


async def test_the_rows_of_the_application_commit_with_it(calling, engine, connection, stored):
    await connection.execute("create table public.orders (id text)")
    async with calling() as caller:
        await caller.execute("insert into public.orders values ('one')")
        await caller.insert(flow())
        await caller.commit()

        assert await connection.fetchval("select count(*) from public.orders") == 1
        assert await stored() == [1, 2, 1]


async def test_a_rollback_to_a_savepoint_takes_it_back_and_nothing_else(calling, engine, connection):
    async with calling() as caller:
        await caller.insert(flow(workflow_id="kept"))
        await caller.execute("savepoint before")
        await caller.insert(flow(workflow_id="dropped"))
        await caller.execute("rollback to savepoint before")
        await caller.commit()

        assert await connection.fetchval("select array_agg(id) from workflows") == ["kept"]


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_the_transaction_may_have_a_higher_isolation(calling, engine, patient, isolation):
    async with calling(isolation) as caller:
        await caller.execute("select count(*) from baton.workflows")
        await caller.insert(flow())
        await caller.commit()

        assert await Run("w").wait(timeout=30) == "completed"


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_an_id_inserted_since_the_snapshot_is_a_serialization_error(calling, engine, isolation):
    async with calling(isolation) as caller:
        await caller.execute("select count(*) from baton.workflows")
        await flow().insert()

        with pytest.raises(SERIALIZATION_ERRORS):
            await caller.insert(flow())
        await caller.rollback()


async def test_the_same_workflow_again_is_the_one_that_exists(calling, engine, stored):
    await flow().insert()
    async with calling() as caller:
        run = await caller.insert(flow())
        await caller.commit()

    assert run.id == "w"
    assert isinstance(caller, SynchronousCaller) or run.is_new is False

    assert await stored() == [1, 2, 1]


async def test_another_graph_under_the_same_id_is_refused_in_a_sentence(calling, engine, connection):
    await flow(value=1).insert()
    async with calling() as caller:
        with pytest.raises((WorkflowExists, psycopg.errors.UniqueViolation), match="'w' exists already with another"):
            await caller.insert(flow(value=2))
        await caller.rollback()

    assert await connection.fetchval("select args ->> 'value' from steps where name = 'a'") == "1"


async def test_a_refused_id_leaves_the_transaction_to_the_caller(calling, engine, stored):
    await flow(value=1).insert()
    async with calling() as caller:
        if isinstance(caller, SynchronousCaller):
            await caller.execute("savepoint before")
        with pytest.raises((WorkflowExists, psycopg.errors.UniqueViolation)):
            await caller.insert(flow(value=2))
        if isinstance(caller, SynchronousCaller):
            await caller.execute("rollback to savepoint before")
        await caller.insert(flow(workflow_id="another"))
        await caller.commit()

    assert await stored() == [2, 4, 2]


async def test_waiting_before_the_commit_is_an_error_at_once(calling, engine):
    async with calling() as caller:
        run = await caller.insert(flow())
        with pytest.raises(WorkflowNotFound if isinstance(caller, SynchronousCaller) else TransactionStillOpen):
            await run.wait(timeout=30)
        await caller.rollback()

        with pytest.raises(WorkflowNotFound):
            await run.wait(timeout=30)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("kind", [AsyncSession, lambda engine: engine.connect()], ids=["session", "connection"])
async def test_autocommit_is_refused_in_a_sentence(database, driver, kind, stored):
    async with sqlalchemy_engine(database, driver, "AUTOCOMMIT") as engine, kind(engine) as using:
        with pytest.raises(NoTransaction, match="is in AUTOCOMMIT, so there is no transaction"):
            await flow().insert(using)

    assert await stored() == [0, 0, 0]


async def test_a_scoped_session_is_a_session(database, stored):
    async with sqlalchemy_engine(database, "asyncpg", "READ COMMITTED") as engine:
        session = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
        await flow().insert(session)
        await session.rollback()
        await flow(workflow_id="kept").insert(session)
        await session.commit()
        await session.remove()

    assert await stored() == [1, 2, 1]


async def test_a_block_that_begins_the_session_commits_it(database, stored):
    async with (
        sqlalchemy_engine(database, "asyncpg", "READ COMMITTED") as engine,
        AsyncSession(engine) as session,
        session.begin(),
    ):
        await flow().insert(session)

    assert await stored() == [1, 2, 1]


async def test_a_nested_block_of_the_session_takes_back_what_it_did(database, connection):
    async with (
        sqlalchemy_engine(database, "asyncpg", "READ COMMITTED") as engine,
        AsyncSession(engine) as session,
        session.begin(),
    ):
        await flow(workflow_id="kept").insert(session)
        nested = await session.begin_nested()
        await flow(workflow_id="dropped").insert(session)
        await nested.rollback()

    assert await connection.fetchval("select array_agg(id) from workflows") == ["kept"]


async def test_a_job_is_inserted_with_a_session_too(database, stored):
    async with sqlalchemy_engine(database, "asyncpg", "READ COMMITTED") as engine, AsyncSession(engine) as session:
        await noted.new().insert(session)
        await session.commit()

    assert await stored() == [1, 1, 1]


async def test_psycopg_in_autocommit_is_as_asyncpg_without_a_transaction(database, stored):
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as using:
        await flow().insert(using)

        assert await stored() == [1, 2, 1]


async def test_a_large_workflow_goes_in_whole_with_a_session(database, monkeypatch, stored):
    monkeypatch.setattr("baton.database.store.STEPS_PER_CALL", 10)
    large = Baton.new()
    for number in range(35):
        large.add(str(number), noted.new(value=number))
    async with sqlalchemy_engine(database, "asyncpg", "READ COMMITTED") as engine, AsyncSession(engine) as session:
        await large.insert(session)
        assert await stored() == [0, 0, 0]
        await session.commit()

    assert await stored() == [1, 35, 35]


async def test_the_schema_is_that_of_the_engine_entered(empty_database):
    async with (
        Engine(empty_database, schema="else where"),
        sqlalchemy_engine(empty_database, "psycopg", "READ COMMITTED") as sqlalchemy,
        AsyncSession(sqlalchemy) as session,
    ):
        run = await flow().insert(session)
        await session.commit()

        assert (await run.status()).counts == {"available": 1, "suspended": 1}


async def test_connections_of_other_kinds_are_refused_with_what_to_do(database):
    synchronous = create_engine(database.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    with psycopg.connect(database) as plain, Session(synchronous) as session, synchronous.connect() as beneath:
        for using in (plain, session, beneath, 7):
            with pytest.raises(TypeError, match=r"not \w+; with any other connection execute select \* from baton"):
                await flow().insert(using)


async def test_a_pool_is_refused_with_what_to_do(database):
    async with asyncpg.create_pool(database, min_size=0) as pool:
        with pytest.raises(TypeError, match=r"this is a pool: write async with pool\.acquire"):
            await flow().insert(pool)


async def test_a_session_of_another_database_is_refused(database):
    async with sqlalchemy_engine(database, "asyncpg", "READ COMMITTED") as engine, AsyncSession(engine) as session:
        engine.dialect.name, engine.dialect.driver = "sqlite", "aiosqlite"
        with pytest.raises(TypeError, match=r"dialects postgresql\+asyncpg and postgresql\+psycopg, not of sqlite"):
            await flow().insert(session)
