"""The two seams of the first day: the caller's own transaction, and an application's lifespan."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import asyncpg
import fastapi
import httpx
import pytest
import uvicorn

from baton import Baton, Engine, Run, TransactionStillOpen, WorkerPool, WorkflowNotFound, worker
from tests.waiting import eventually


@worker
async def seam(number: int = 0) -> int:
    return number + 1


@pytest.fixture
async def own(database):
    """The caller's own connection, which knows nothing of the library."""
    connection = await asyncpg.connect(database)
    await connection.execute("create table orders (id text primary key)")
    yield connection
    await connection.close()


def workflow(workflow_id):
    return Baton.new(workflow_id=workflow_id).add("a", seam.new()).add("b", seam.new(number=1), deps=["a"])


# --- the caller's transaction
# ----------------------------------------------------------------------------------


async def test_a_workflow_commits_with_the_callers_rows_and_runs(engine, own):
    async with WorkerPool(engine):
        async with own.transaction():
            await own.execute("insert into orders values ('one')")
            run = await workflow("one").insert(using=own)

        assert await run.result("b", timeout=30) == 2
    assert await own.fetchval("select count(*) from orders") == 1


async def test_nothing_runs_before_the_callers_commit(engine, own):
    async with WorkerPool(engine):
        async with own.transaction():
            await workflow("held").insert(using=own)
            # Another workflow goes through the idle pool meanwhile, which has looked at the queue
            # by then.
            await (await workflow("other").insert()).wait(timeout=30)

            assert await own.fetchval(
                "select state from baton.steps_view where workflow_id = 'held' and name = 'a'"
            ) == ("available")
        assert await Run("held").wait(timeout=30) == "completed"


async def test_a_rollback_leaves_nothing(engine, own, stored):
    transaction = own.transaction()
    await transaction.start()
    await own.execute("insert into orders values ('one')")
    await workflow("one").insert(using=own)
    await transaction.rollback()

    assert await stored() == [0, 0, 0]
    assert await own.fetchval("select count(*) from orders") == 0


async def test_nobody_is_woken_for_what_was_rolled_back(engine, own, notifications):
    transaction = own.transaction()
    await transaction.start()
    await seam.new().with_options(queue="rolled back").insert(using=own)
    await transaction.rollback()
    await seam.new().with_options(queue="committed").insert(using=own)

    assert await notifications.received() == ["queue 1 committed"]


async def test_a_commit_wakes_once_a_queue(engine, own, notifications):
    async with own.transaction():
        for number in range(5):
            await seam.new(number=number).insert(using=own)
        assert await notifications.received() == []
    await seam.new().with_options(queue="last").insert(using=own)

    assert await notifications.received() == ["queue 1 default", "queue 1 last"]


async def test_a_savepoint_that_is_rolled_back_takes_its_workflow_along(engine, own, stored):
    async with own.transaction():
        await workflow("kept").insert(using=own)
        savepoint = own.transaction()
        await savepoint.start()
        await workflow("dropped").insert(using=own)
        await savepoint.rollback()

    assert [row["id"] for row in await own.fetch("select id from baton.workflows")] == ["kept"]
    assert await stored() == [1, 2, 1]


async def test_a_workflow_in_a_savepoint_that_is_kept_commits_with_the_whole(engine, own):
    async with own.transaction(), own.transaction():
        run = await workflow("inner").insert(using=own)

    assert (await run.status()).state == "executing"


async def test_waiting_inside_the_transaction_raises_at_once(engine, own):
    async with own.transaction():
        run = await workflow("one").insert(using=own)

        async with asyncio.timeout(5):
            with pytest.raises(TransactionStillOpen, match="commit first, then wait"):
                await run.wait()
            with pytest.raises(TransactionStillOpen):
                await run.result("b")


async def test_waiting_for_what_was_rolled_back_raises_that_it_is_not_there(engine, own):
    transaction = own.transaction()
    await transaction.start()
    run = await workflow("one").insert(using=own)
    await transaction.rollback()

    with pytest.raises(WorkflowNotFound):
        await run.wait(timeout=5)


async def test_a_failed_insert_says_why_and_leaves_the_transaction_open(engine, own):
    await workflow("one").insert()
    other = Baton.new(workflow_id="one").add("another graph", seam.new())

    async with own.transaction():
        await own.execute("insert into orders values ('one')")
        with pytest.raises(Exception, match="exists already with another graph"):
            await other.insert(using=own)

    assert await own.fetchval("select count(*) from orders") == 1


async def test_the_same_insert_again_in_one_transaction_is_the_same_workflow(engine, own, stored):
    async with own.transaction():
        await workflow("one").insert(using=own)
        await workflow("one").insert(using=own)

    assert await stored() == [1, 2, 1]


async def test_no_engine_is_needed_to_insert_with_a_connection(database, own, stored):
    await workflow("one").insert(using=own)

    assert await stored() == [1, 2, 1]


async def test_a_connection_of_the_callers_pool_can_be_used(database, engine):
    async with asyncpg.create_pool(database, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        async with connection.transaction():
            run = await workflow("one").insert(using=connection)

        assert (await run.status()).state == "executing"


async def test_codecs_the_caller_has_set_change_nothing(engine, own):
    for name in ("json", "jsonb"):
        await own.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    async with WorkerPool(engine):
        async with own.transaction():
            run = await workflow("one").insert(using=own)

        assert await run.result("b", timeout=30) == 2


@pytest.mark.parametrize("isolation", ["read_committed", "repeatable_read", "serializable"])
async def test_the_callers_transaction_may_have_any_isolation_level(isolation, engine, own):
    async with own.transaction(isolation=isolation):
        run = await workflow("one").insert(using=own)

    assert (await run.status()).state == "executing"


async def test_something_else_as_using_is_refused_in_a_sentence(engine):
    with pytest.raises(TypeError, match=r"using= takes an Engine, .* not str; with any other"):
        await workflow("one").insert(using="postgresql://localhost/app")


# --- the lifespan of an application
# ----------------------------------------------------------------------------


def application(database):
    """An application whose handlers know neither the engine nor the pool."""

    @asynccontextmanager
    async def lifespan(_app):
        async with Engine(database), WorkerPool(grace=5):
            yield

    app = fastapi.FastAPI(lifespan=lifespan)

    @app.post("/runs/{number}")
    async def begin(number: int) -> str:
        return (await seam.new(number=number).insert()).id

    @app.get("/runs/{workflow_id}")
    async def read(workflow_id: str) -> int:
        return await Run(workflow_id).result(timeout=30)

    return app


@asynccontextmanager
async def served(app):
    """The application behind a real server, and a client of it; the lifespan is over afterwards."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started or serving.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


async def test_a_request_handler_inserts_with_the_engine_of_the_lifespan(database):
    async with served(application(database)) as client:
        begun = await client.post("/runs/41")
        answer = await client.get(f"/runs/{begun.json()}")

    assert answer.json() == 42


async def test_many_requests_at_once_share_the_engine(database):
    async with served(application(database)) as client:

        async def ask(number):
            begun = await client.post(f"/runs/{number}")
            return (await client.get(f"/runs/{begun.json()}")).json()

        answers = await asyncio.gather(*[ask(number) for number in range(30)])

    assert answers == [number + 1 for number in range(30)]


async def test_the_end_of_the_lifespan_drains_and_closes_all_connections(database, connection):
    async with served(application(database)) as client:
        await client.post("/runs/1")

    assert await connection.fetchval("select count(*) from pools where dead_at is null") == 0
    assert await connection.fetchval("select count(*) from queue where state = 'executing'") == 0

    async def ours_are_gone():
        query = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        return await connection.fetchval(query) == 0

    await eventually(ours_are_gone)


async def test_an_application_that_fails_to_start_leaves_no_default_engine(database, engine):
    app = fastapi.FastAPI(lifespan=lambda _app: Engine("postgresql://127.0.0.1:1/app"))

    with pytest.raises(OSError, match="Connect call failed"):
        async with app.router.lifespan_context(app):
            pass

    assert (await (await seam.new().insert()).status()).state == "executing"
