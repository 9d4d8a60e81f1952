"""When calls leave for the database, seen from the points they pass."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from baton import Baton, WorkerPool, worker
from baton.runtime import failpoints
from tests.runtime.pool_calls import PoolCalls


class LoopIterations:
    """Counts the iterations of the event loop, and notes in which one each point was passed."""

    def __init__(self):
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._iterate)
        self.passed = []

    def _iterate(self):
        self._number += 1
        self._next = self._loop.call_soon(self._iterate)

    async def reached(self, point):
        self.passed.append((point, self._number))

    def stop(self):
        self._next.cancel()

    def between(self, first, second):
        """How many iterations lay between each `first` and the `second` right after it."""
        points = [passed for passed in self.passed if passed[0] in (first, second)]
        return [then - turn for (point, turn), (other, then) in pairwise(points) if (point, other) == (first, second)]


@pytest.fixture
async def iterations(monkeypatch):
    iterations = LoopIterations()
    monkeypatch.setattr(failpoints, "reached", iterations.reached)
    yield iterations
    iterations.stop()


@worker
async def at_once() -> None:
    pass


@pytest.fixture
async def idle_pool(engine):
    """A pool that listens, has run a step, and has no call under way."""
    calls = PoolCalls()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "reached", calls.reached)
        async with WorkerPool(engine) as pool:
            await engine.listener.listening()
            await (await at_once.new().insert()).wait(timeout=10)
            await calls.idle(2)
            patch.undo()
            yield pool


async def test_a_step_that_ends_at_once_is_settled_in_the_turn_it_ran_in(idle_pool, iterations):
    chain = Baton.new().add("0", at_once.new())
    for number in range(1, 4):
        chain.add(str(number), at_once.new(), deps=[str(number - 1)])
    run = await chain.insert()
    assert await run.wait(timeout=10) == "completed"

    assert iterations.between("after the worker", "before settle") == [0] * 4
    assert iterations.between("after settle", "before the worker") == [1] * 3


async def test_what_ends_in_one_turn_leaves_in_one_call(idle_pool, iterations):
    flow = Baton.new()
    for number in range(10):
        flow.add(str(number), at_once.new())
    run = await flow.insert()
    assert await run.wait(timeout=10) == "completed"

    assert [point for point, _ in iterations.passed].count("before settle") == 1


async def test_what_ends_later_is_settled_in_the_next_turn(idle_pool, iterations):
    began, may_end = asyncio.Event(), asyncio.Event()

    @worker
    async def waits() -> None:
        began.set()
        await may_end.wait()

    run = await waits.new().insert()
    await began.wait()
    may_end.set()
    assert await run.wait(timeout=10) == "completed"

    assert iterations.between("after the worker", "before settle") == [1]
