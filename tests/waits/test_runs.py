"""Steps that wait for the end of another workflow."""

from __future__ import annotations

import pytest

from baton import Baton, InvalidName, Run, WorkerPool, result_of, worker
from tests.waiting import eventually

SECONDS = 20


@worker(name="runs count")
async def count(value: int = 1) -> int:
    return value


@worker(name="runs fail", max_attempts=1)
async def fail() -> None:
    raise ValueError("no luck")


@worker(name="runs double")
async def double(value: int) -> int:
    return 2 * value


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


def waiting_for(run):
    return Baton.new().add("batch", run).add("double", double.new(result_of("batch")))


async def state(run, name="batch"):
    return {step.name: step.state for step in await run.steps()}[name]


async def reason(run, name="batch"):
    return {step.name: step.reason for step in await run.steps()}[name]


async def test_a_step_gets_the_result_of_a_run_that_has_ended(engine, pool):
    other = await count.new(21).insert(workflow_id="batch-7")
    await other.wait(timeout=SECONDS)

    run = await waiting_for(Run("batch-7")).insert()

    assert await run.result("double", timeout=SECONDS) == 42


async def test_a_step_waits_for_a_run_that_has_not_ended(engine, pool, held, connection):
    other = (
        await Baton.new(workflow_id="batch-7").add("a", held.worker.new()).add("b", count.new(4), deps=["a"]).insert()
    )
    run = await waiting_for(other).insert()
    await held.has_begun()
    await eventually(lambda: is_found(connection))

    held.may_end.set()

    assert await run.result("double", timeout=SECONDS) == 8


async def is_found(connection):
    """Whether upkeep has found the other run, which announces its end from then on."""
    return await connection.fetchval("select not is_new from awaited_runs")


async def state_is(run, wanted):
    return await state(run) == wanted


async def test_a_step_ends_as_the_run_that_failed(engine, pool):
    await fail.new().insert(workflow_id="batch-7")
    run = await waiting_for(Run("batch-7")).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await state(run) == "discarded"
    assert await reason(run) == "workflow 'batch-7' failed; step 'runs fail' was discarded: ValueError: no luck"


async def test_a_step_ends_as_the_run_that_was_cancelled(engine, pool, connection):
    other = await count.new().with_options(schedule_in=600).insert(workflow_id="batch-7")
    run = await waiting_for(other).insert()
    await eventually(lambda: is_found(connection))

    await other.cancel(reason="enough")

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await state(run) == "cancelled"
    assert await reason(run) == "workflow 'batch-7' was cancelled; step 'runs count' was cancelled: enough"


async def test_a_step_that_waits_for_no_run_is_discarded(engine, pool):
    run = await waiting_for(Run("nowhere")).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await reason(run) == "there is no workflow 'nowhere'"


async def test_a_step_may_wait_for_a_run_that_comes_later(engine, pool):
    run = await waiting_for(Run("batch-7", may_come_within=60)).insert()
    await eventually(lambda: state_is(run, "waiting"))

    await count.new(5).insert(workflow_id="batch-7")

    assert await run.result("double", timeout=SECONDS) == 10


async def test_a_run_that_does_not_come_in_time_discards_its_step(engine, pool):
    run = await waiting_for(Run("nowhere", may_come_within=0.2)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await reason(run) == "there is no workflow 'nowhere', and none came within 0.2 s"


async def test_a_step_waits_again_for_a_run_that_was_retried(engine, pool):
    other = await fail.new().insert(workflow_id="batch-7")
    run = await waiting_for(other).insert()
    await run.wait(timeout=SECONDS)

    await other.cancel()
    await run.retry()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await state(run) == "discarded"


def test_a_workflow_cannot_wait_for_itself():
    with pytest.raises(InvalidName, match="step 'batch' would wait for its own workflow"):
        Baton.new(workflow_id="batch-7").add("batch", Run("batch-7"))
