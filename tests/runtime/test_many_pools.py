"""Many pools on one queue: one goes on claiming new steps, and the others claim when it does not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from baton import WorkerPool, worker
from baton.runtime import wakeups
from tests.waiting import eventually

POOLS = 8
"""More than the few that wake at once."""
JOBS = 20


def backed_off(pools):
    return [pool for pool in pools if pool._running.claim_planner._staggered._positions]


async def many_pools(stack, engine, job, calls):
    """Enter pools of one slot that know their number. All but one back off, and have the last position."""
    pools = [
        await stack.enter_async_context(WorkerPool(engine, queues={"default": 1}, lease=3, poll=60))
        for _ in range(POOLS)
    ]
    for pool in pools:
        pool._running.claim_planner._staggered._draw = lambda: 1.0
    await eventually(
        lambda: all(pool._running.claim_planner._staggered._others == {"default": POOLS - 1} for pool in pools)
    )
    await calls.idle(POOLS)
    await (await job.insert()).wait(timeout=10)
    await eventually(lambda: len(backed_off(pools)) == POOLS - 1)
    await calls.idle(POOLS)
    return pools


async def test_a_heartbeat_tells_a_pool_how_many_pools_serve_its_queues(engine):
    async with (
        WorkerPool(engine, queues={"a": 1, "b": 1}, lease=3) as one,
        WorkerPool(engine, queues={"b": 1, "c": 1}, lease=3) as two,
    ):
        await eventually(lambda: one._running.claim_planner._staggered._others == {"a": 0, "b": 1})
        await eventually(lambda: two._running.claim_planner._staggered._others == {"b": 1, "c": 0})


async def test_many_pools_do_not_all_call_for_each_single_job(engine, quick, calls, monkeypatch):
    """No wakeup comes during this test, so no job can have waited for one."""
    monkeypatch.setattr(wakeups, "SPACING_SECONDS", 600)
    monkeypatch.setattr(wakeups, "LONGEST_DELAY_SECONDS", 600)
    async with AsyncExitStack() as stack:
        await many_pools(stack, engine, quick.new(), calls)
        before = calls.answered
        for _ in range(JOBS):
            assert await (await quick.new().insert()).wait(timeout=10) == "completed"

    assert calls.answered - before <= 2 * JOBS


async def test_another_pool_claims_when_the_first_one_is_full(engine, quick, calls):
    may_end = asyncio.Event()

    @worker
    async def waits() -> None:
        await may_end.wait()

    async with AsyncExitStack() as stack:
        pools = await many_pools(stack, engine, quick.new(), calls)
        long = await waits.new().insert()
        assert await (await quick.new().insert()).wait(timeout=10) == "completed"
        # The one that is full, and the one that claimed.
        await eventually(lambda: len(backed_off(pools)) == POOLS - 2)
        may_end.set()
        await long.wait(timeout=10)


async def test_another_pool_claims_when_the_first_one_has_left(engine, quick, calls):
    async with AsyncExitStack() as stack:
        pools = await many_pools(stack, engine, quick.new(), calls)
        (first,) = [pool for pool in pools if pool not in backed_off(pools)]
        await first.drain()

        assert await (await quick.new().insert()).wait(timeout=10) == "completed"
        await eventually(lambda: len(backed_off(pools)) == POOLS - 2)


async def test_all_pools_claim_when_there_is_a_step_for_each(engine, quick, calls):
    running, all_run = set(), asyncio.Event()

    @worker
    async def together(number: int) -> None:
        running.add(number)
        if len(running) == POOLS:
            all_run.set()
        await all_run.wait()

    async with AsyncExitStack() as stack:
        await many_pools(stack, engine, quick.new(), calls)
        runs = [await together.new(number=number).insert() for number in range(POOLS)]

        assert [await run.wait(timeout=10) for run in runs] == ["completed"] * POOLS
