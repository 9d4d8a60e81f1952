"""The engine: which one is the default, whose loop it belongs to, and what it finds in the database."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import pytest

from baton import (
    Baton,
    BatonError,
    Engine,
    EngineClosed,
    InvalidAddress,
    InvalidOption,
    NoEngine,
    Run,
    SchemaMissing,
    SchemaOutdated,
    WorkerPool,
    WorkflowNotFound,
    WrongEventLoop,
)
from baton.client.engine_in_use import default_engine
from tests.waiting import eventually


async def test_the_engine_entered_last_is_the_default_until_it_is_left(database):
    async with Engine(database) as outer:
        async with Engine(database) as inner:
            assert default_engine() is inner
        assert default_engine() is outer
    with pytest.raises(NoEngine):
        default_engine()


async def test_engines_may_be_left_in_any_order(database):
    first, second = Engine(database), Engine(database)
    async with contextlib.AsyncExitStack() as left_last:
        await first.__aenter__()
        await left_last.enter_async_context(second)
        await first.__aexit__(None, None, None)

        assert default_engine() is second


async def test_the_default_is_seen_by_tasks_that_began_before_it(database, quick):
    entered = asyncio.Event()

    async def insert_later():
        await entered.wait()
        return await quick.new().insert()

    inserting = asyncio.create_task(insert_later())
    async with Engine(database):
        entered.set()
        assert (await (await inserting).status()).state == "executing"


async def test_without_an_engine_the_error_names_the_remedy(quick):
    with pytest.raises(NoEngine, match=r"enter one with 'async with Engine\(\.\.\.\)', or pass an engine"):
        await quick.new().insert()
    with pytest.raises(NoEngine):
        await Run("w").wait()
    with pytest.raises(NoEngine):
        await WorkerPool().__aenter__()


async def test_an_engine_that_was_left_or_never_entered_is_closed(database, quick):
    engine = Engine(database)
    with pytest.raises(EngineClosed, match="use it inside 'async with engine'"):
        await quick.new().insert(engine)
    async with engine:
        run = await quick.new().insert()
    with pytest.raises(EngineClosed):
        await run.status()


async def test_an_engine_may_be_entered_again(database, quick):
    engine = Engine(database)
    for _ in range(2):
        async with engine, WorkerPool(engine):
            assert await (await quick.new(value=3).insert()).result(timeout=10) == 3


async def test_an_engine_may_be_opened_and_closed_without_a_block(database, quick):
    """In a notebook a block ends with its cell."""
    engine = await Engine(database).open()
    assert default_engine() is engine
    run = await quick.new().insert()
    await engine.close()
    await engine.close()

    with pytest.raises(EngineClosed):
        await run.status()
    with pytest.raises(NoEngine):
        default_engine()


async def test_entering_an_engine_twice_at_once_is_refused(database):
    async with Engine(database) as engine:
        with pytest.raises(BatonError, match="the engine is entered already"):
            await engine.__aenter__()

        assert default_engine() is engine


async def test_use_from_another_event_loop_is_refused(engine, quick):
    def elsewhere():
        return asyncio.run(quick.new().insert())

    with pytest.raises(WrongEventLoop, match="entered in another event loop"):
        await asyncio.to_thread(elsewhere)


async def test_an_absent_schema_is_created_on_entry(empty_database, quick):
    async with Engine(empty_database) as engine, WorkerPool(engine):
        assert await (await quick.new().insert()).result(timeout=10) == 1


async def test_an_absent_schema_is_an_error_where_it_may_not_be_created(empty_database):
    with pytest.raises(SchemaMissing, match="create it with 'baton migrate'"):
        await Engine(empty_database, create=False).__aenter__()


async def test_eight_engines_at_once_create_one_schema(empty_database):
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.gather(*[stack.enter_async_context(Engine(empty_database)) for _ in range(8)])
        connection = await stack.enter_async_context(default_engine().connections.acquire())

        assert await connection.fetchval("select count(*) from baton.migrations") >= 1


async def test_an_outdated_schema_is_an_error_that_names_the_command(database, connection):
    await connection.execute("update migrations set version = version - 1")

    with pytest.raises(SchemaOutdated, match="'baton migrate' or Engine"):
        await Engine(database).__aenter__()
    with pytest.raises(NoEngine):
        default_engine()


@pytest.mark.parametrize("schema", ["Jobs", 'with "quotes"', "with space.and dot", "é" * 31, "select"])
async def test_a_schema_may_have_any_name(empty_database, quick, schema):
    async with Engine(empty_database, schema=schema) as engine, WorkerPool(engine, poll=60):
        run = await Baton.new().add("a", quick.new()).add("b", quick.new(), deps=["a"]).insert()

        assert await run.wait(timeout=10) == "completed"


@pytest.mark.parametrize("schema", ["", "a\0b", "a\ud800", "x" * 64, "é" * 32])
def test_a_name_postgresql_would_cut_is_refused(schema):
    with pytest.raises(InvalidOption, match="a schema's name has 1 to 63 bytes"):
        Engine("postgresql://localhost/x", schema=schema)


async def test_two_schemas_of_one_database_do_not_disturb_each_other(empty_database, quick):
    async with (
        Engine(empty_database, schema="one") as one,
        Engine(empty_database, schema="two") as two,
        WorkerPool(one, poll=60),
        WorkerPool(two, poll=60),
    ):
        flow = Baton.new(workflow_id="same id").add("a", quick.new())
        runs = [await flow.insert(engine) for engine in (one, two)]
        assert [await run.wait(timeout=10) for run in runs] == ["completed"] * 2

        other = await Baton.new(workflow_id="only in one").add("a", quick.new()).insert(one)
        assert await other.wait(timeout=10) == "completed"
        with pytest.raises(WorkflowNotFound):
            await Run("only in one", two).status()


async def test_the_address_of_an_engine_serves_other_connections(engine, connection):
    """Also where nobody wrote it down: the embedded server's."""
    own = await asyncpg.connect(engine.address)
    try:
        assert await own.fetchval("select current_database()") == await connection.fetchval("select current_database()")
    finally:
        await own.close()
    with pytest.raises(EngineClosed):
        _ = Engine().address


async def test_the_address_is_the_argument_or_comes_from_the_environment(database, monkeypatch, caplog):
    """BATON_DATABASE_URL comes before DATABASE_URL."""
    caplog.set_level("INFO", logger="baton")
    nowhere = "postgresql://somebody:secret@localhost:1/nowhere"
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.delenv("BATON_DATABASE_URL", raising=False)
    async with Engine():
        pass
    monkeypatch.setenv("DATABASE_URL", nowhere)
    monkeypatch.setenv("BATON_DATABASE_URL", database)
    async with Engine():
        pass
    monkeypatch.setenv("BATON_DATABASE_URL", nowhere)
    async with Engine(database):
        pass

    taken = [record.getMessage().rpartition("from ")[2] for record in caplog.records if "using" in record.getMessage()]
    assert taken == ["DATABASE_URL", "BATON_DATABASE_URL", "the argument"]


async def test_no_password_is_logged_even_where_nobody_answers(caplog):
    caplog.set_level("DEBUG", logger="baton")
    with pytest.raises(OSError, match=r".*"):
        await Engine("postgresql://somebody:secret@localhost:1/nowhere").__aenter__()

    assert "somebody:***@localhost:1" in caplog.text
    assert "secret" not in caplog.text


async def test_an_address_of_something_else_is_refused():
    with pytest.raises(InvalidAddress, match="Baton needs PostgreSQL"):
        await Engine("mysql://localhost/x").__aenter__()


async def test_an_entry_that_fails_leaves_no_connection(database, connection):
    await connection.execute("update migrations set version = version - 1")
    with pytest.raises(SchemaOutdated):
        await Engine(database).__aenter__()

    ours = "datname = current_database() and application_name like 'baton%'"
    await eventually(lambda: connection.fetchval(f"select count(*) = 0 from pg_stat_activity where {ours}"))


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_a_default_isolation_set_on_the_database_changes_nothing(database, connection, quick, isolation):
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set default_transaction_isolation = '{isolation}'")

    async with Engine(database) as engine, WorkerPool(engine):
        run = await Baton.new().add("a", quick.new()).add("b", quick.new(), deps=["a"]).insert()
        assert await run.wait(timeout=10) == "completed"


async def test_an_engine_outlives_the_death_of_its_idle_connections(engine, connection, quick):
    await quick.new().insert()
    await connection.execute(
        """
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'baton engine'
        """
    )

    assert (await (await quick.new().insert()).status()).state == "executing"
