"""Many pools on one queue: one that takes what comes goes on taking it, and the others come when it does not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from baton import WorkerPool, worker
from baton.database.store import Store
from baton.runtime import turns
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_workers")

JOBS = 20


@pytest.fixture
def quick(own_workers):
    @worker
    async def quick() -> None: ...

    return quick


@pytest.fixture
def calls(monkeypatch):
    """The calls that settle and claim, of all the pools of this process."""
    made, advance = [], Store.advance

    async def counted(self, *arguments):
        made.append(arguments)
        return await advance(self, *arguments)

    monkeypatch.setattr(Store, "advance", counted)
    return made


def lazy(pools):
    return [pool for pool in pools if pool._producer._turns._places]


async def crowd(stack, engine, count, slots=1):
    """Enter so many pools, and wait until each knows how many they are and has nothing to do."""
    pools = [
        await stack.enter_async_context(WorkerPool(engine, queues={"default": slots}, lease=3, poll=60))
        for _ in range(count)
    ]
    await eventually(lambda: all(pool._producer._turns._others == {"default": count - 1} for pool in pools))
    await eventually(lambda: all(pool._exchange._unanswered == 0 for pool in pools))
    return pools


async def test_a_pool_hears_with_its_beat_how_many_serve_each_of_its_queues(engine):
    async with (
        WorkerPool(engine, queues={"a": 1, "b": 1}, lease=3) as one,
        WorkerPool(engine, queues={"b": 1, "c": 1}, lease=3) as two,
    ):
        await eventually(lambda: one._producer._turns._others == {"a": 0, "b": 1})
        await eventually(lambda: two._producer._turns._others == {"b": 1, "c": 0})


async def test_a_crowd_does_not_call_for_each_single_job(engine, quick, calls, monkeypatch):
    """No turn comes in the time of this test: so it is certain that it is not waited for."""
    monkeypatch.setattr(turns, "SPACING_SECONDS", 60)
    monkeypatch.setattr(turns, "LONGEST_SECONDS", 60)
    async with AsyncExitStack() as stack:
        pools = await crowd(stack, engine, 8)
        for pool in pools:
            pool._producer._turns._draw = lambda: 1.0
        await (await quick.new().insert()).wait(timeout=10)
        await eventually(lambda: len(lazy(pools)) == 7)
        await eventually(lambda: all(pool._exchange._unanswered == 0 for pool in pools))
        calls.clear()
        for _ in range(JOBS):
            assert await (await quick.new().insert()).wait(timeout=10) == "completed"

    assert len(calls) <= 2 * JOBS


async def test_a_lazy_pool_comes_when_the_eager_one_is_full(engine, quick):
    may_end = asyncio.Event()

    @worker
    async def waits() -> None:
        await may_end.wait()

    async with AsyncExitStack() as stack:
        pools = await crowd(stack, engine, 2)
        long = await waits.new().insert()
        await eventually(lambda: len(lazy(pools)) == 1)

        assert await (await quick.new().insert()).wait(timeout=10) == "completed"
        assert lazy(pools) == []
        may_end.set()
        await long.wait(timeout=10)


async def test_a_lazy_pool_comes_when_the_eager_one_has_left(engine, quick):
    async with AsyncExitStack() as stack:
        pools = await crowd(stack, engine, 2)
        await (await quick.new().insert()).wait(timeout=10)
        (left,) = await eventually(lambda: lazy(pools))
        (eager,) = [pool for pool in pools if pool is not left]
        await eager.drain()

        assert await (await quick.new().insert()).wait(timeout=10) == "completed"
        assert lazy(pools) == []


async def test_all_of_a_lazy_crowd_come_when_there_is_a_step_for_each(engine, quick):
    running, all_run = set(), asyncio.Event()

    @worker
    async def together(number: int) -> None:
        running.add(number)
        if len(running) == 8:
            all_run.set()
        await all_run.wait()

    async with AsyncExitStack() as stack:
        pools = await crowd(stack, engine, 8)
        await (await quick.new().insert()).wait(timeout=10)
        await eventually(lambda: len(lazy(pools)) == 7)
        runs = [await together.new(number=number).insert() for number in range(8)]

        assert [await run.wait(timeout=10) for run in runs] == ["completed"] * 8
