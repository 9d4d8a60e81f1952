"""Each way to wait is a cause, made by a real situation."""

from __future__ import annotations

from datetime import timedelta

from baton import Baton, Receive, Run, Signal, Snooze, Timer, WorkerPool, causes, each, worker
from tests.waiting import eventually


async def is_in_state(run: Run, step: str, state: str) -> bool:
    return any(one.name == step and one.state == state for one in await run.steps())


async def test_a_chain_is_followed_to_its_root(engine, held, quick):
    flow = (
        Baton.new(workflow_id="w")
        .add("a", held.worker.new())
        .add("b", quick.new(), deps=["a"])
        .add("c", quick.new(), deps=["b"])
    )
    async with WorkerPool(engine, name="pool 1", grace=0):
        run = await flow.insert()
        await held.has_begun()
        explained = await run.explain("c")

    assert [step.step for step in explained.path] == ["c", "b", "a"]
    assert isinstance(explained.root.cause, causes.Executing)
    assert explained.root.cause.pool == "pool 1"
    assert str(explained).startswith("step 'c' waits for 'b', that for 'a'; step 'a' has been executing for 0 s")


async def test_a_signal(engine):
    run = await Baton.new(workflow_id="w").add("ok", Signal(bool, timeout=timedelta(hours=3))).insert()

    assert str(await run.explain("ok")) == (
        "step 'ok' waits for a signal; without one it is discarded in 3 h: send it with run.signal('ok', ...)"
    )


async def test_a_message(engine):
    run = await Baton.new(workflow_id="w").add("chat", Receive("talk", str)).insert()

    assert str(await run.explain("chat")) == (
        "step 'chat' waits for a message of topic 'talk': send one with run.send('talk', ...)"
    )


async def test_a_timer(engine):
    run = await Baton.new(workflow_id="w").add("cool", Timer(hours=4)).insert()

    assert str(await run.explain("cool")) == "step 'cool' waits for its time, which comes in 4 h"


async def test_runs_that_wait_for_each_other_are_a_circle(engine):
    await Baton.new(workflow_id="a").add("x", Run("b", may_come_within=60)).insert()
    await Baton.new(workflow_id="b").add("y", Run("c", may_come_within=60)).insert()
    run = await Baton.new(workflow_id="c").add("z", Run("a")).insert()

    cause = (await run.explain("z")).cause
    assert isinstance(cause, causes.WaitsForRun)
    assert cause.circle == ("c", "a", "b")
    assert str(cause) == (
        "waits for workflow 'a', but 'c' waits for 'a' waits for 'b' waits for 'c': cancel one of them"
    )


async def test_a_slot_of_a_map(engine, held):
    flow = Baton.new(workflow_id="w").add("m", held.worker.new(each([1, 2, 3])).with_options(concurrency=1))
    async with WorkerPool(engine, grace=0):
        run = await flow.insert()
        await held.has_begun()
        explained = await run.explain("m[2]")

    assert explained.cause == causes.WaitsForMapSlot(map="m", concurrency=1, holders=("m[0]",))
    assert explained.root.step == "m[0]"


async def test_a_snooze_with_its_reason(engine, own_workers):
    @worker
    async def polls() -> Snooze | None:
        return Snooze(3600, reason="the batch is not there yet")

    async with WorkerPool(engine):
        run = await polls.new().insert()
        await eventually(lambda: is_in_state(run, "polls", "scheduled"))

        assert str(await run.explain("polls")) == (
            "step 'polls' snoozes (the batch is not there yet), and starts again in 60 min"
        )


async def test_a_signal_that_was_sent_and_not_seen_by_a_pool(engine):
    run = await Baton.new(workflow_id="w").add("ok", Signal(bool)).insert()
    await run.signal("ok", True)

    assert str(await run.explain("ok")) == "step 'ok' has all that it waits for, and is about to end"
