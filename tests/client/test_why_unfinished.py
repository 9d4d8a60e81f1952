"""An error that time is up says why the workflow is not final."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from baton import Baton, Context, Engine, WorkerPool, worker
from baton.core import registry
from baton.database.messages import ClaimRequest
from tests.waiting import eventually

START = "start one with `baton worker MODULE --queues default=N`"


async def why(run, *step: str) -> str:
    """What the error says after the time that was waited, with N for each number of seconds."""
    with pytest.raises(TimeoutError) as failed:
        await (run.result(*step, timeout=0.05) if step else run.wait(timeout=0.05))
    said, _, why = str(failed.value).partition(" is not final after 0.05 s")
    assert said == (f"step {step[0]!r} of workflow {run.id!r}" if step else f"workflow {run.id!r}")
    return re.sub(r"\b\d+ (s|min)\b", r"N \1", why)


async def in_pool(engine, *, queues=("default",), workers=("quick", "held"), limit=1) -> int:
    """Register a pool that does nothing by itself."""
    return await engine.store.register(
        name="idle", host="here", pid=1, limits=dict.fromkeys(queues, limit), workers=workers, lease_seconds=600
    )


async def claimed(engine, pool: int, count: int = 1) -> None:
    await engine.store.claim(pool, ClaimRequest(uuid4(), {"default": count}))


async def test_a_queue_that_nobody_serves(engine, quick):
    run = await Baton.new(workflow_id="w").add("a step", quick.new()).insert()

    expected = f": step 'a step' is available, and no living worker pool serves queue 'default': {START}"
    assert await why(run) == await why(run, "a step") == expected


async def test_a_worker_that_nobody_knows(engine, quick):
    await in_pool(engine, workers=["other"])
    run = await quick.new().insert()

    assert await why(run) == (
        ": step 'quick' is available, and no living worker pool that serves queue 'default' can run worker 'quick'; "
        "start one with the module that defines it"
    )


async def test_a_paused_queue(engine, quick):
    await in_pool(engine)
    await engine.pause("default")

    assert await why(await quick.new().insert()) == (
        ": step 'quick' is available, and queue 'default' has been paused for N s: resume it with "
        "`baton resume default`"
    )


async def test_a_queue_whose_slots_are_taken(engine, quick):
    pool = await in_pool(engine)
    await Baton.new(workflow_id="first").add("a", quick.new()).insert()
    await claimed(engine, pool)

    run = await quick.new().insert()
    assert await why(run) == (
        ": step 'quick' waits for a slot in queue 'default', whose only one is taken, the longest by step 'a' of "
        "workflow 'first' for N s"
    )


async def test_a_step_that_is_about_to_start(engine, quick):
    await in_pool(engine)

    run = await quick.new().insert()
    assert await why(run) == ": step 'quick' is available in queue 'default', and is about to start"


async def test_what_executes_and_what_waits_for_it(engine, held, quick):
    flow = (
        Baton.new(workflow_id="w")
        .add("a", held.worker.new())
        .add("b", quick.new())
        .add("c", quick.new(), deps=["a", "b"])
    )
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await flow.insert()
        await run.result("b", timeout=20)
        running = "step 'a' has been executing for N s (attempt 1 of 20) in worker pool 'pool 1'"

        assert await why(run) == f": {running}; 1 more step is not final"
        assert await why(run, "c") == f": step 'c' waits for 'a'; {running}"


async def test_a_pool_that_is_gone(engine, held):
    pool = await in_pool(engine)
    run = await held.worker.new().insert()
    await claimed(engine, pool)
    await engine.store.deregister(pool)

    assert await why(run) == (
        ": step 'held' has been executing for N s (attempt 1 of 20) in worker pool 'idle', which is gone, and no "
        f"other one can run it: {START}"
    )


async def test_a_failed_attempt_and_a_time(engine, quick):
    @worker(backoff=600, max_attempts=3)
    async def fails(ctx: Context) -> None:
        raise ValueError("no luck")

    async with WorkerPool(engine):
        run = await fails.new().insert()
        await eventually(lambda: is_in_state(run, "retryable"))
        later = await quick.new().with_options(schedule_in=3600).insert()

        assert (
            await why(run) == ": step 'fails' failed in attempt 1 of 3 (ValueError: no luck), and starts again in N min"
        )
        assert await why(later) == ": step 'quick' is scheduled, and starts in N min"


async def is_in_state(run, state: str) -> bool:
    (step,) = await run.steps()
    return step.state == state


async def test_a_step_that_was_put_back(engine):
    with registry.isolated():

        @worker(name="stranger")
        async def stranger() -> None: ...

        run = await stranger.new().insert()
    async with WorkerPool(engine):
        await eventually(lambda: is_in_state(run, "scheduled"))
        await in_pool(engine, workers=["stranger"])

        assert await why(run) == (
            ": step 'stranger' was put back (no worker named 'stranger' is registered here), and is tried again in N s"
        )


async def test_children_of_a_group(engine, held):
    inner = Baton.new().add("x", held.worker.new()).add("y", held.worker.new())
    run = await Baton.new(workflow_id="w").add("group", inner).insert()

    assert (await why(run, "group")).startswith(": step 'group' waits for 2 of its 2 children")


async def test_of_many_steps_the_first_are_named_and_the_rest_is_counted(engine, quick):
    flow = Baton.new(workflow_id="w")
    for number in range(50):
        flow.add(f"s{number}", quick.new())
    run = await flow.add("last", quick.new(), deps=[f"s{number}" for number in range(50)]).insert()

    whole, last = await why(run), await why(run, "last")
    assert [f"'s{number}'" in whole for number in range(5)] == [True, True, True, False, False]
    assert whole.endswith("; 48 more steps are not final")
    assert last.startswith(
        ": step 'last' waits for 's0', 's1', 's2' and 47 other steps; step 's0' is available, and no"
    )


async def test_a_workflow_of_many_steps_is_explained_at_once(engine, connection, quick):
    """Nothing is read but the entries of this workflow and three of its steps."""
    flow = Baton.new(workflow_id="w")
    for number in range(5_000):
        flow.add(f"s{number}", quick.new(), deps=[f"s{number - 1}"] if number else [])
    run = await flow.insert()

    explained = await run.explain()
    assert [step.step for step in explained.roots] == ["s0"]
    assert explained.others == 4_999
    last = await run.explain("s4999")
    assert [step.step for step in last.path] == [f"s{4999 - number}" for number in range(20)]
    assert [step.step for step in last.roots] == ["s0"]
    assert (last.between, last.is_more) == (130, True)


async def test_a_database_that_does_not_answer_delays_the_error_little(database, connection, quick, monkeypatch):
    monkeypatch.setattr("baton.client.explaining.EXPLANATION_SECONDS", 0.2)
    async with Engine(database, connections=1) as engine:
        run = await quick.new().insert()
        async with engine.connections.acquire():  # the one there is
            with pytest.raises(
                TimeoutError, match=r"is not final after 0\.05 s; the database does not answer the question"
            ):
                await run.wait(timeout=0.05)


async def test_a_wait_that_may_never_end_is_logged(engine, own_workers, quick, caplog):
    """A worker waits for another workflow, which needs the slot that the worker holds."""

    @worker
    async def outer() -> str:
        run = await quick.new().insert()
        return await run.wait()

    async with WorkerPool(engine, queues={"default": 1}, lease=1, grace=0):
        await Baton.new(workflow_id="w").add("waits", outer.new()).insert()
        await eventually(lambda: "wait like that" in caplog.text, deadline=20)
        (warning,) = [record.getMessage() for record in caplog.records if "wait like that" in record.getMessage()]

    assert warning.startswith("step 'waits' of workflow 'w' waits for workflow ")
    assert "whose step 'quick' waits for a slot in queue 'default', whose only one is taken" in warning
    assert "The waiting step holds one of these slots" in warning


async def test_a_wait_for_another_queue_is_not_warned_of(engine, own_workers, quick, caplog):
    @worker
    async def outer() -> str:
        run = await quick.new().with_options(queue="other", schedule_in=3).insert()
        return await run.wait()

    async with WorkerPool(engine, queues={"default": 1, "other": 1}, lease=1):
        run = await outer.new().insert()
        assert await run.result(timeout=30) == "completed"

    assert "wait like that" not in caplog.text
