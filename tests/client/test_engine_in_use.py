"""Which engine is meant where none is named, with several engines, event loops and threads in one process."""

from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI

from baton import Context, Engine, Run, WorkerPool, WorkflowNotFound, worker
from baton.client.engine_in_use import default_engine, engine_in_use
from baton.contrib.fastapi import baton_lifespan
from baton.core import registry
from tests.programs import executor_workers
from tests.waiting import eventually

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another HTTP client beneath it
    from fastapi.testclient import TestClient


@pytest.fixture
async def two(empty_database):
    """Two engines in two schemas of one database; the second is the one entered last."""
    async with Engine(empty_database, schema="one") as one, Engine(empty_database, schema="two") as two:
        yield one, two


async def test_a_step_inserts_where_its_pool_runs(two, quick):
    one, other = two

    @worker
    async def inserts() -> str:
        return (await quick.new().insert()).id

    async with WorkerPool(one):
        inserted = await (await inserts.new().insert(one)).result(timeout=20)

    assert (await Run(inserted, one).status()).name is None
    with pytest.raises(WorkflowNotFound):
        await Run(inserted, other).status()


async def test_tasks_of_a_step_insert_where_its_pool_runs(two, quick):
    one, _ = two

    @worker
    async def inserts() -> list[str]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(quick.new().insert()) for _ in range(3)]
        return [task.result().id for task in tasks]

    async with WorkerPool(one):
        for inserted in await (await inserts.new().insert(one)).result(timeout=20):
            assert await Run(inserted, one).wait(timeout=20) == "completed"


async def test_a_connection_in_a_step_inserts_into_the_schema_of_its_pool(two, quick):
    one, _ = two

    @worker(transactional=True)
    async def inserts(ctx: Context) -> str:
        return (await quick.new().insert(ctx.connection)).id

    async with WorkerPool(one):
        inserted = await (await inserts.new().insert(one)).result(timeout=20)
        assert await Run(inserted, one).wait(timeout=20) == "completed"


async def test_a_thread_of_a_step_uses_the_engine_of_its_pool(two):
    one, _ = two

    @worker
    def schema() -> str:
        return engine_in_use().schema

    async with WorkerPool(one):
        assert await (await schema.new().insert(one)).result(timeout=20) == "one"


async def test_a_thread_of_an_applications_executor_uses_it_too(two):
    one, _ = two
    registry.add(executor_workers.schema)
    with ThreadPoolExecutor(1) as threads:
        async with WorkerPool(one, executors={"elsewhere": threads}):
            assert await (await executor_workers.schema.new().insert(one)).result(timeout=20) == "one"


async def test_an_engine_that_a_step_enters_is_the_one_it_uses(two, quick, empty_database):
    one, _ = two

    @worker
    async def inserts() -> list[str]:
        schemas = []
        async with Engine(empty_database, schema="three"):
            schemas.append(default_engine().schema)
            async with Engine(empty_database, schema="four"):
                schemas.append(default_engine().schema)
            schemas.append(default_engine().schema)
        return [*schemas, default_engine().schema]

    async with WorkerPool(one):
        assert await (await inserts.new().insert(one)).result(timeout=20) == ["three", "four", "three", "one"]


async def test_an_engine_in_the_event_loop_of_a_thread_disturbs_no_other(two, quick, empty_database):
    """A plain worker opens an engine of its own; meanwhile the application inserts as before."""
    one, other = two
    entered, may_end = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def in_its_own_loop() -> str:
        async with Engine(empty_database, schema="three"):
            loop.call_soon_threadsafe(entered.set)
            await asyncio.to_thread(asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result)
            await quick.new().insert()
            return default_engine().schema

    @worker
    def inserts() -> str:
        return asyncio.run(in_its_own_loop())

    async with WorkerPool(one):
        run = await inserts.new().insert(one)
        await asyncio.wait_for(entered.wait(), 20)
        assert default_engine() is other
        assert (await (await quick.new().insert()).status()).state == "executing"
        may_end.set()

        assert await run.result(timeout=20) == "three"


async def test_a_test_client_beside_a_running_loop_disturbs_no_other(two, quick, empty_database):
    _, other = two
    app = FastAPI(lifespan=baton_lifespan(Engine(empty_database, schema="three")))

    @app.get("/schema")
    async def schema() -> str:
        await quick.new().insert()
        return default_engine().schema

    def with_client() -> str:
        with TestClient(app) as client:
            asyncio.run_coroutine_threadsafe(insert_here(), loop).result(20)
            return client.get("/schema").json()

    async def insert_here() -> None:
        assert default_engine() is other
        await quick.new().insert()

    loop = asyncio.get_running_loop()
    assert await asyncio.to_thread(with_client) == "three"


async def test_a_task_that_outlives_its_pool_uses_an_engine_that_is_open(empty_database, quick):
    may_insert, tasks = asyncio.Event(), []

    async def insert_later() -> str:
        await may_insert.wait()
        return engine_in_use().schema

    @worker
    async def starts() -> None:
        tasks.append(asyncio.create_task(insert_later()))

    async with Engine(empty_database, schema="two"):
        async with Engine(empty_database, schema="one") as one, WorkerPool(one):
            await (await starts.new().insert()).wait(timeout=20)
        may_insert.set()

        assert await eventually(lambda: tasks[0].done() and tasks[0].result()) == "two"


def test_where_no_event_loop_runs_the_engine_entered_last_is_in_use():
    assert engine_in_use() is None
