"""The names of pools, and the worker of a step as the type of its result."""

from __future__ import annotations

import pytest

from baton import Baton, InvalidOption, StepNotFound, WorkerPool, each, worker

UNSTORABLE = ["a\x00b", "a\ud800b"]


@pytest.mark.parametrize("name", [*UNSTORABLE, "x" * 201])
def test_a_pool_name_that_cannot_be_stored_is_refused(name):
    with pytest.raises(InvalidOption, match="name="):
        WorkerPool(name=name)


# --- results of a worker


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


@pytest.fixture
def length():
    @worker
    async def length(text: str) -> int:
        return len(text)

    return length


async def test_the_result_of_a_single_job_is_asked_of_its_worker(pool, length):
    run = await length.new(text="abc").insert()
    assert await run.result(length, timeout=20) == 3


async def test_the_worker_of_a_step_is_checked(pool, length, quick):
    run = await Baton.new().add("a", length.new(text="abc")).insert()
    assert await run.result("a", timeout=20, worker=length) == 3
    with pytest.raises(TypeError, match="step 'a' is run by worker 'length', not by 'quick'"):
        await run.result("a", worker=quick)
    with pytest.raises(StepNotFound):
        await run.result(length)


async def test_a_group_has_no_worker_of_its_own(pool, length):
    run = await Baton.new().add("a", length.new(text=each(["a", "bc"]))).insert()
    assert await run.result("a", timeout=20) == [1, 2]
    with pytest.raises(TypeError, match="step 'a' is a map, whose result is put together; leave out the worker"):
        await run.result("a", worker=length)
