"""The lease: who is alive keeps its steps however long they take; who is not loses them, and its outcomes."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from baton import Context, WorkerPool, worker
from tests.programs import single_pool
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]


async def record_of(run, name):
    return next(record for record in await run.steps() if record.name == name)


@pytest.fixture
def lonely(database, effects, tmp_path, monkeypatch):
    """Start processes with a pool each; those that still run are killed in the end."""
    # Pools of the test's own process may run these workers too.
    monkeypatch.setenv(single_pool.EFFECTS, str(effects.path))
    started = []

    def start(**options):
        log = (tmp_path / f"{len(started)}.log").open("w")
        command = [sys.executable, "-m", "tests.programs.single_pool", database, json.dumps(options)]
        started.append(subprocess.Popen(command, cwd=ROOT, stderr=log))
        log.close()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


async def has_ended(process):
    return await eventually(lambda: process.poll() is not None, deadline=20) and process.returncode


@pytest.mark.slow
async def test_a_pool_marked_dead_cancels_its_attempts_and_takes_a_new_id(engine, connection):
    began, cancelled = asyncio.Event(), asyncio.Event()

    @worker
    async def once(ctx: Context) -> int:
        if ctx.attempt > 1:
            return ctx.attempt
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async with WorkerPool(engine, lease=1) as pool:
        first = pool.id
        run = await once.new().insert()
        await asyncio.wait_for(began.wait(), 5)
        await connection.execute("update pools set dead_at = clock_timestamp() where id = $1", first)

        await asyncio.wait_for(cancelled.wait(), 5)
        assert await run.result(timeout=20) == 2
        assert pool.id not in (first, -1)

    record = await record_of(run, "once")
    assert [error["kind"] for error in record.errors] == ["lost"]


@pytest.mark.slow
async def test_the_outcome_of_a_zombie_is_refused_and_the_step_completes_once(engine, connection):
    results, tough_began = [], asyncio.Event()

    @worker
    async def tough(ctx: Context) -> str:
        if ctx.attempt == 1:
            tough_began.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await connection_has_moved.wait()
        results.append(ctx.attempt)
        return f"by attempt {ctx.attempt}"

    connection_has_moved = asyncio.Event()
    async with WorkerPool(engine, lease=1) as pool:
        run = await tough.new().insert()
        await asyncio.wait_for(tough_began.wait(), 5)
        await connection.execute("update pools set dead_at = clock_timestamp() where id = $1", pool.id)
        await eventually(lambda: connection.fetchval("select count(*) = 1 from queue where state = 'retryable'"))
        connection_has_moved.set()

        assert await run.result(timeout=20) == "by attempt 2"

    assert results == [1, 2]


@pytest.mark.slow
async def test_a_long_attempt_is_not_rescued(engine):
    @worker
    async def long(ctx: Context) -> int:
        await asyncio.sleep(3)
        return ctx.attempt

    async with WorkerPool(engine, lease=1), WorkerPool(engine, lease=1, queues={"other": 1}):
        run = await long.new().insert()

        assert await run.result(timeout=20) == 1


@pytest.mark.slow
async def test_a_pool_with_a_blocked_loop_keeps_its_lease(database, lonely, engine, caplog):
    """The step that blocks it is named in the log."""

    @worker
    async def blocks(ctx: Context) -> int:
        time.sleep(3)  # noqa: ASYNC251  # what is tried here
        return ctx.attempt

    # The other pool is in another process: its loop is free to find what seems dead.
    lonely(lease=1, queues={"other": 1})
    async with WorkerPool(engine, lease=1):
        run = await blocks.new().insert()
        assert await run.result(timeout=20) == 1

    (named,) = [record.getMessage() for record in caplog.records if "for 1 s" in record.getMessage()]
    assert f"baton step {run.id}/blocks has blocked the event loop" in named
    assert "time.sleep(3)" in named


@pytest.mark.slow
async def test_the_steps_of_a_killed_process_are_rescued(lonely, engine, effects):
    process = lonely(lease=1)
    run = await single_pool.hang_at_first.new().insert()
    await eventually(lambda: effects.read(event="start"), deadline=20)
    process.send_signal(signal.SIGKILL)

    async with WorkerPool(engine, lease=1):
        assert await run.result(timeout=20) == 2

    record = await record_of(run, "hang_at_first")
    assert [(error["attempt"], error["kind"]) for error in record.errors] == [(1, "lost")]
    assert "the worker pool that ran it was lost" in record.errors[0]["error"]


@pytest.mark.slow
async def test_a_loop_blocked_beyond_max_block_ends_the_process(lonely, engine, effects, tmp_path):
    """Its steps are rescued."""
    process = lonely(lease=1, max_block=1.5)
    run = await single_pool.block_at_first.new().insert()
    await eventually(lambda: effects.read(event="start"), deadline=20)

    assert await has_ended(process) == 70
    assert "longer than max_block" in (tmp_path / "0.log").read_text()
    async with WorkerPool(engine, lease=1):
        assert await run.result(timeout=20) == 2


@pytest.mark.slow
async def test_a_step_that_kills_its_process_is_discarded_at_last(lonely, engine, effects, connection):
    """When its attempts are used up."""
    run = await single_pool.kills_its_process.new().insert()
    await has_ended(lonely(lease=1))
    lonely(lease=1)
    await eventually(
        lambda: connection.fetchval("update queue set scheduled_at = now() where state = 'retryable' returning 1")
    )

    async with WorkerPool(engine, lease=1, queues={"other": 1}):
        assert await run.wait(timeout=30) == "failed"
    assert [event["attempt"] for event in effects.read(event="start")] == [1, 2]


@pytest.mark.slow
async def test_a_stopped_process_comes_back_as_another_pool(lonely, engine, effects, connection):
    process = lonely(lease=1)
    run = await single_pool.hang_at_first.new().insert()
    await eventually(lambda: effects.read(event="start"), deadline=20)
    process.send_signal(signal.SIGSTOP)
    async with WorkerPool(engine, lease=1, queues={"other": 1}):
        await eventually(lambda: connection.fetchval("select count(*) = 1 from queue where state = 'retryable'"))
    process.send_signal(signal.SIGCONT)

    assert await run.result(timeout=20) == 2
    assert {event["pid"] for event in effects.read(event="start")} == {process.pid}
    assert await connection.fetchval("select count(distinct id) from pools where pid = $1", process.pid) == 2


@pytest.mark.slow
async def test_a_process_that_was_stopped_for_longer_than_max_block_goes_on(lonely, engine, effects, connection):
    """It was stopped, not blocked: nothing hangs in it."""
    process = lonely(lease=1, max_block=2)
    await eventually(lambda: connection.fetchval("select count(*) from pools"), deadline=20)
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(3)
    process.send_signal(signal.SIGCONT)

    # In one transaction: the pool may claim the step before the next statement.
    async with connection.transaction():
        run = await single_pool.hang_at_first.new().insert(using=connection)
        await connection.execute("update queue set attempt = 1")
    assert await run.result(timeout=20) == 2
    assert process.poll() is None


async def test_sigterm_drains_and_the_process_exits_with_0(lonely, engine, effects):
    process = lonely(grace=0)
    run = await single_pool.hang_at_first.new().insert()
    await eventually(lambda: effects.read(event="start"), deadline=20)
    process.send_signal(signal.SIGTERM)

    assert await has_ended(process) == 0
    record = await record_of(run, "hang_at_first")
    assert (record.state, record.attempt) == ("available", 0)


@pytest.mark.slow
async def test_a_second_sigterm_cuts_the_grace_short(lonely, engine, effects, tmp_path):
    process = lonely(grace=60)
    run = await single_pool.hang_at_first.new().insert()
    await eventually(lambda: effects.read(event="start"), deadline=20)
    process.send_signal(signal.SIGTERM)
    await eventually(lambda: "drains" in (tmp_path / "0.log").read_text())
    process.send_signal(signal.SIGTERM)

    assert await has_ended(process) == 0
    record = await record_of(run, "hang_at_first")
    assert (record.state, record.attempt) == ("available", 0)


async def test_a_pool_that_cannot_renew_its_lease_stops_what_it_runs(engine, connection, caplog):
    """It must not go on with what others may take over, even though nobody tells it so."""
    cancelled, began = asyncio.Event(), asyncio.Event()

    @worker
    async def long() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async with WorkerPool(engine, lease=1, grace=0) as pool:
        await long.new().insert()
        await asyncio.wait_for(began.wait(), 5)
        async with connection.transaction():
            await connection.execute("select from pools where id = $1 for update", pool.id)
            await asyncio.wait_for(cancelled.wait(), 5)

    assert "could not be renewed in time" in caplog.text
