"""No step of a paused run or worker starts, in any pool, until it is resumed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import Baton, InvalidOption, Run, WorkerPool, WorkflowNotFound, worker
from tests.waiting import eventually


@worker(name="paused starts: other")
async def other() -> str:
    return "other"


def flow(quick, name="w", **options):
    return Baton.new(workflow_id=name, **options).add("a", quick.new()).add("b", quick.new(), deps=["a"])


async def put_aside(connection):
    return await connection.fetchval("select count(*) from paused_steps p join queue q using (step_id)")


async def test_a_paused_run_starts_nothing_and_others_go_on(engine, quick, connection):
    paused = await flow(quick).insert()
    assert (await paused.pause(), await paused.pause()) == (True, False)
    async with WorkerPool(engine, poll=600):
        await (await flow(quick, "free").insert()).wait(timeout=10)
        await eventually(lambda: put_aside(connection))
        assert [step.state for step in await paused.steps()] == ["waiting", "suspended"]

        assert (await paused.resume(), await paused.resume()) == (True, False)
        assert await paused.wait(timeout=10) == "completed"

    assert [step.attempt for step in await paused.steps()] == [1, 1]
    assert await connection.fetchval("select count(*) from paused_steps") == 0


async def test_what_runs_ends_and_what_follows_waits(engine, held, quick, connection):
    async with WorkerPool(engine, poll=600):
        run = await Baton.new().add("a", held.worker.new()).add("b", quick.new(), deps=["a"]).insert()
        await held.has_begun()
        await run.pause()
        held.may_end.set()
        await run.result("a", timeout=10)
        await eventually(lambda: put_aside(connection))

        await run.resume()
        assert await run.wait(timeout=10) == "completed"


async def test_a_paused_worker_starts_nothing_in_any_queue(engine, quick, connection):
    """However many of its steps come first in a queue, those of others behind them start."""
    await engine.pause(worker="quick")
    blocked = [await quick.new().insert() for _ in range(25)]
    free = await other.new().with_options(priority=9).insert()
    async with WorkerPool(engine, queues={"default": 2}, poll=600):
        assert await free.result(timeout=10) == "other"

        assert await engine.resume(worker="quick")
        assert [await run.wait(timeout=10) for run in blocked] == ["completed"] * 25


async def test_two_pauses_of_a_step_both_have_to_end(engine, quick, connection):
    run = await flow(quick).insert()
    await run.pause()
    await engine.pause(worker="quick")
    async with WorkerPool(engine, poll=600):
        await eventually(lambda: put_aside(connection))
        await run.resume()
        await eventually(lambda: put_aside(connection))
        await engine.resume(worker="quick")
        assert await run.wait(timeout=10) == "completed"


async def test_steps_of_a_queue_with_limits_are_put_aside_too(engine, quick, connection):
    await engine.limit("default", running=1)
    paused = await flow(quick).insert()
    await paused.pause()
    async with WorkerPool(engine, poll=600):
        assert await (await flow(quick, "free").insert()).wait(timeout=10) == "completed"
        await paused.resume()
        assert await paused.wait(timeout=10) == "completed"


async def test_a_paused_map_goes_on_with_its_children(engine, quick):
    from baton import each

    run = await Baton.new().add("m", quick.new(each([1, 2, 3]))).insert()
    await run.pause()
    async with WorkerPool(engine, poll=600):
        await run.resume()
        assert await run.result("m", timeout=10) == [1, 2, 3]


async def test_a_paused_run_can_be_cancelled_and_retried(engine, quick, connection):
    run = await flow(quick).insert()
    await run.pause()
    async with WorkerPool(engine, poll=600):
        await eventually(lambda: put_aside(connection))
        await run.cancel()
        assert await connection.fetchval("select count(*) from paused_starts") == 0
        await run.retry()
        assert await run.wait(timeout=10) == "completed"


async def test_a_pruned_run_leaves_no_pause(engine, quick, connection):
    run = await quick.new().insert()
    async with WorkerPool(engine):
        await run.wait(timeout=10)
    await run.pause()
    await engine.store.prune(timedelta(0), limit=10)

    assert await connection.fetchval("select count(*) from paused_starts") == 0


async def test_what_cannot_be_paused_is_refused(engine):
    with pytest.raises(WorkflowNotFound):
        await Run("none").pause()
    with pytest.raises(InvalidOption, match="not both"):
        await engine.pause("default", worker="quick")
    with pytest.raises(InvalidOption, match="name a queue or a worker"):
        await engine.pause()


async def test_pauses_are_noted(engine, quick):
    run = await quick.new().insert()
    await run.pause(actor="me")
    await engine.pause(worker="quick", actor="me")

    assert [(one.action, one.actor) for one in await engine.interventions()] == [("pause", "me")] * 2


async def test_what_is_paused_is_listed(engine, quick, connection):
    run = await flow(quick, "one").insert()
    await run.pause()
    await engine.pause(worker="paused starts: other")
    async with WorkerPool(engine, poll=600):
        await eventually(lambda: put_aside(connection))

    listed = [(one.kind, one.name, one.put_aside) for one in await engine.pauses()]
    assert listed == [("run", "one", 1), ("worker", "paused starts: other", 0)]


async def test_a_step_that_is_put_aside_says_why(engine, quick, connection):
    run, job = await flow(quick).insert(), await other.new().insert()
    await run.pause()
    await engine.pause(worker=other.name)
    assert "its workflow has been paused" in str(await run.explain("a"))
    async with WorkerPool(engine, poll=600):
        await eventually(lambda: put_aside(connection))
        assert "its workflow has been paused" in str(await run.explain())
        why = f"worker {other.name!r} has been paused for 0 s: resume it with `baton resume --worker '{other.name}'`"
        assert why in str(await job.explain())
