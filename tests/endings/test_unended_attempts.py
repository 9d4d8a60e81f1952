"""Closing steps and undos wait for the code of what they clean up, also of a thread that is past its timeout."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from baton import Baton, Context, WorkerPool, worker
from tests.waiting import eventually

SECONDS = 20

calls: list[str] = []
release = threading.Event()
"""Set by a test to let the workers in threads return."""


@pytest.fixture(autouse=True)
def _fresh():
    calls.clear()
    release.clear()
    yield
    release.set()


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine, executors={"own": ThreadPoolExecutor(2)}) as pool:
        yield pool


@worker(name="unended note")
async def note(ctx: Context) -> None:
    calls.append(ctx.step)


@worker(name="unended block", max_attempts=1)
def block() -> None:
    calls.append("blocks")
    release.wait(3 * SECONDS)


@worker(name="unended block elsewhere", max_attempts=1, executor="own")
def block_elsewhere() -> None:
    calls.append("blocks")
    release.wait(3 * SECONDS)


async def states(run):
    return {step.name: step.state for step in await run.steps()}


async def is_state(run, name, state):
    return (await states(run))[name] == state


async def unended(connection):
    return await connection.fetchval("select count(*) from baton.unended_attempts")


@pytest.mark.parametrize("job", [block, block_elsewhere])
async def test_a_closing_step_waits_for_a_thread_past_its_timeout(engine, pool, connection, job):
    flow = Baton.new().add("a", job.new().with_options(timeout=0.1))
    run = await flow.add("close", note.new(), runs="always").insert()
    await eventually(lambda: is_state(run, "a", "discarded"))

    assert (await states(run))["close"] == "suspended"
    assert await unended(connection) == 1
    release.set()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == ["blocks", "close"]
    assert await unended(connection) == 0


async def test_an_undo_waits_for_a_thread_past_its_timeout(engine, pool, connection):
    run = await Baton.new().add("a", block.new().with_options(timeout=0.1), undo=note.new()).insert()
    await eventually(lambda: is_state(run, "a", "discarded"))

    assert (await states(run))["a[undo]"] == "suspended"
    release.set()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == ["blocks", "a[undo]"]


async def test_the_next_attempt_does_not_wait_for_the_one_that_runs_on(engine, pool):
    flow = Baton.new().add("a", block.new().with_options(timeout=0.1, max_attempts=2, backoff=0))
    run = await flow.add("close", note.new(), runs="always").insert()

    await eventually(blocked_twice)
    release.set()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls[-1] == "close"


async def blocked_twice():
    return calls.count("blocks") == 2


async def test_without_closing_steps_no_attempt_is_noted(engine, pool, connection):
    run = await Baton.new().add("a", block.new().with_options(timeout=0.1)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await unended(connection) == 0


async def test_a_closing_step_starts_when_the_pool_of_the_attempt_is_dead(engine, connection):
    async with WorkerPool(engine, name="first") as first:
        flow = Baton.new().add("a", block.new().with_options(timeout=0.1))
        run = await flow.add("close", note.new(), runs="always").insert()
        await eventually(lambda: is_state(run, "a", "discarded"))
        async with WorkerPool(engine, name="second", lease=2):
            await connection.execute(
                "update baton.pools set dead_at = clock_timestamp() where name = 'first' and dead_at is null"
            )

            assert await run.wait(timeout=SECONDS) == "failed"
        assert first is not None
        release.set()
    assert await unended(connection) == 0
