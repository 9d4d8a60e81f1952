"""Pauses of runs, workers and lanes, limits and rates: what holds a step up, and until when."""

from __future__ import annotations

import re

from baton import Baton, Run, WorkerPool, causes
from tests.waiting import eventually


async def said(run: Run, step: str) -> str:
    return re.sub(r"\b\d+ s\b", "N s", str(await run.explain(step)))


async def is_in_state(run: Run, step: str, state: str) -> bool:
    return any(one.name == step and one.state == state for one in await run.steps())


async def test_a_paused_run(engine, quick):
    run = await Baton.new(workflow_id="w").add("a", quick.new()).insert()
    await run.pause()
    paused = "and its workflow has been paused for N s: resume it with `baton resume --run w`"

    assert await said(run, "a") == f"step 'a' is available, {paused}"
    async with WorkerPool(engine):
        await eventually(lambda: is_in_state(run, "a", "waiting"))
        assert await said(run, "a") == f"step 'a' is waiting, {paused}"


async def test_a_paused_worker(engine, quick):
    run = await Baton.new().add("a", quick.new()).insert()
    await engine.pause(worker="quick")

    assert await said(run, "a") == (
        "step 'a' is available, and worker 'quick' has been paused for N s: resume it with "
        "`baton resume --worker quick`"
    )


async def test_a_paused_lane(engine, quick):
    await engine.limit("default", lane_running=2)
    run = await Baton.new().add("a", quick.new().with_options(lane="red")).insert()
    await engine.pause("default", lane="red")

    assert await said(run, "a") == (
        "step 'a' is available, and lane 'red' of queue 'default' has been paused for N s: resume it with "
        "`baton resume default --lane red`"
    )


async def test_the_limit_of_a_queue_and_who_holds_it(engine, held, quick):
    await engine.limit("default", running=1)
    async with WorkerPool(engine, grace=0):
        await Baton.new(workflow_id="first").add("long", held.worker.new()).insert()
        await held.has_begun()
        run = await Baton.new().add("a", quick.new()).insert()

        assert await said(run, "a") == (
            "step 'a' waits for the limit of queue 'default', 1 step that executes, the longest step 'long' of "
            "workflow 'first' for N s"
        )


async def test_the_limit_of_a_lane(engine, held, quick):
    await engine.limit("default", lane_running=1)
    async with WorkerPool(engine, grace=0):
        await Baton.new(workflow_id="first").add("long", held.worker.new().with_options(lane="red")).insert()
        await held.has_begun()
        run = await Baton.new().add("a", quick.new().with_options(lane="red")).insert()
        found = (await run.explain("a")).path[0].cause

    assert isinstance(found, causes.QueueLimited)
    assert (found.lane, found.limit, found.most) == ("red", "lane_running", 1)


async def test_a_rate(engine, quick):
    await engine.limit("default", starts=1, per=3600, burst=1)
    async with WorkerPool(engine):
        await (await quick.new().insert()).wait(20)
        run = await Baton.new().add("a", quick.new()).insert()

        assert await said(run, "a") == (
            "step 'a' waits for the limit of queue 'default', 1 starts in 60 min, which are used up; the next "
            "may start in 60 min"
        )


async def test_the_rate_of_a_lane(engine, quick):
    await engine.limit("default", lane_starts=1, lane_per=3600, lane_burst=1)
    async with WorkerPool(engine):
        await (await quick.new().with_options(lane="red").insert()).wait(20)
        run = await Baton.new().add("a", quick.new().with_options(lane="red")).insert()
        found = (await run.explain("a")).path[0].cause

    assert isinstance(found, causes.QueueLimited)
    assert (found.lane, found.limit, found.most, found.per) == ("red", "lane_starts", 1, 3600)
