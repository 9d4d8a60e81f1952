"""What attempts leave besides their outcomes: when it is written, and what survives."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import asyncpg
import pytest

from baton import Baton, Context, Engine, WorkerPool, worker
from baton.core.outcome import completed
from baton.database.messages import Settlement
from baton.database.settling import records_with
from baton.runtime import attempt_records
from tests.runtime import imported_workers
from tests.waiting import eventually

SECONDS = 30


@pytest.fixture
async def pool(engine: Engine):
    async with WorkerPool(engine, queues={"default": 20}) as pool:
        yield pool


def leave(ctx: Context, key: str, value: object) -> None:
    assert ctx._leave is not None
    ctx._leave("debug", key, json.dumps(value))


async def records(connection: asyncpg.Connection) -> list[tuple[int, str, object]]:
    rows = await connection.fetch("select attempt, kind, value from debug_records order by attempt, number")
    return [(row["attempt"], row["kind"], json.loads(row["value"])) for row in rows]


async def test_records_leave_with_the_outcome_in_order(pool, connection, monkeypatch):
    """The pool's own call for records never comes: they can only come with the outcome."""
    monkeypatch.setitem(attempt_records.SECONDS, "debug", 3600.0)

    @worker
    async def leaves(ctx: Context) -> None:
        leave(ctx, "note", 1)
        leave(ctx, "note", {"two": 2})

    await (await leaves.new().insert()).result(timeout=SECONDS)

    assert await records(connection) == [(1, "note", 1), (1, "note", {"two": 2})]


async def test_an_attempt_that_fails_leaves_its_records(pool, connection):
    @worker(max_attempts=2, backoff=0)
    async def fails(ctx: Context) -> None:
        leave(ctx, "note", ctx.attempt)
        raise RuntimeError

    assert await (await fails.new().insert()).wait(timeout=SECONDS) == "failed"

    assert await records(connection) == [(1, "note", 1), (2, "note", 2)]


async def test_records_of_a_long_attempt_are_written_while_it_runs(pool, connection, monkeypatch):
    monkeypatch.setitem(attempt_records.SECONDS, "debug", 0.05)
    may_end = asyncio.Event()

    @worker
    async def long(ctx: Context) -> None:
        leave(ctx, "note", "early")
        await may_end.wait()
        leave(ctx, "note", "late")

    run = await long.new().insert()
    await eventually(lambda: records(connection))
    assert await records(connection) == [(1, "note", "early")]
    may_end.set()
    await run.result(timeout=SECONDS)

    assert await records(connection) == [(1, "note", "early"), (1, "note", "late")]


@pytest.mark.parametrize("executor", ["thread", "process", "own"])
async def test_workers_outside_of_the_loop_leave_records(engine, connection, executor):
    leaves = getattr(imported_workers, f"leaves_in_{executor}")
    with ThreadPoolExecutor(1) as own:
        async with WorkerPool(engine, executors={"own": own}):
            await (await leaves.new().insert()).result(timeout=SECONDS)

    assert await records(connection) == [(1, "note", executor)]


async def test_a_transactional_worker_leaves_records_though_it_fails(pool, connection):
    """What it wrote over its own connection is rolled back."""

    @worker(transactional=True, max_attempts=1)
    async def fails(ctx: Context) -> None:
        leave(ctx, "note", "seen")
        raise RuntimeError

    assert await (await fails.new().insert()).wait(timeout=SECONDS) == "failed"

    await eventually(lambda: records(connection))
    assert await records(connection) == [(1, "note", "seen")]


async def test_a_worker_that_returns_a_graph_leaves_records(pool, connection, quick):
    @worker
    async def grows(ctx: Context) -> Baton:
        leave(ctx, "note", "grown")
        return Baton.new().add("leaf", quick.new())

    await (await grows.new().insert()).result(timeout=SECONDS)

    await eventually(lambda: records(connection))
    assert await records(connection) == [(1, "note", "grown")]


async def test_a_cancelled_attempt_leaves_its_records(pool, connection):
    @worker
    async def waits(ctx: Context) -> None:
        leave(ctx, "note", "cancelled")
        await asyncio.Event().wait()

    run = await waits.new().insert()
    await eventually(lambda: pool.health().running)
    await run.cancel()

    await eventually(lambda: records(connection))
    assert await records(connection) == [(1, "note", "cancelled")]


async def test_a_record_that_cannot_be_stored_delays_nothing(pool, connection, caplog):
    @worker
    async def leaves(ctx: Context) -> int:
        assert ctx._leave is not None
        ctx._leave("debug", "note", "no JSON")
        return 7

    assert await (await leaves.new().insert()).result(timeout=SECONDS) == 7

    assert await records(connection) == []
    assert "could not be stored" in caplog.text


async def test_records_outlive_the_loss_of_every_connection(engine, connection, monkeypatch):
    """They are sent again, and each is written once."""
    monkeypatch.setitem(attempt_records.SECONDS, "debug", 0.01)
    may_end = asyncio.Event()

    @worker
    async def long(ctx: Context) -> None:
        for number in range(200):
            leave(ctx, "note", number)
            await asyncio.sleep(0)
        await may_end.wait()

    async with WorkerPool(engine):
        run = await long.new().insert()
        for _ in range(5):
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where pid <> pg_backend_pid() and datname = current_database()"
            )
            await eventually(lambda: records(connection))
        may_end.set()
        await run.result(timeout=SECONDS)

    assert [value for _, _, value in await records(connection)] == list(range(200))


async def test_records_are_pruned_with_their_workflow(engine, connection):
    @worker
    async def leaves(ctx: Context) -> None:
        leave(ctx, "note", 1)

    async with WorkerPool(engine, keep=0, lease=1.5):
        await (await leaves.new().insert()).wait(timeout=SECONDS)

        async def is_pruned() -> bool:
            return not await connection.fetchval("select count(*) from workflows")

        await eventually(is_pruned, deadline=SECONDS)

    assert await records(connection) == []


def test_an_outcome_without_records_is_settled_as_ever():
    settled = Settlement(1, uuid4(), completed("1"))

    assert records_with([settled]) == ()
