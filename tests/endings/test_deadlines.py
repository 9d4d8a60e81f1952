"""Deadlines of steps, of their first start, of sub-workflows and of whole workflows, kept by a real pool."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from baton import Baton, Context, Snooze, WorkerPool, each, result_of, worker
from tests.waiting import eventually

SECONDS = 20
SOON = 0.3

calls: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine, queues={"default": 20}) as pool:
        yield pool


@worker(name="deadline note")
async def note(ctx: Context, given: object = None) -> str:
    calls.append(ctx.step)
    return ctx.step


@worker(name="deadline hang")
async def hang(given: object = None) -> None:
    await asyncio.sleep(600)


@worker(name="deadline snooze")
async def snooze() -> Snooze:
    calls.append("snooze")
    return Snooze(0.01)


@worker(name="deadline snooze long")
async def snooze_long() -> Snooze:
    return Snooze(600)


@worker(name="deadline fail", max_attempts=1000, backoff=0.01)
async def fail() -> None:
    raise ValueError("again")


@worker(name="deadline graph")
async def graph() -> Baton:
    return Baton.new().add("a", hang.new()).add("close", note.new(), runs="always")


@worker(name="deadline bounded graph")
async def bounded_graph() -> Baton:
    return Baton.new(deadline=SOON).add("a", hang.new())


async def states(run):
    return {step.name: step.state for step in await run.steps()}


async def reason(run, name):
    (found,) = [step.reason for step in await run.steps() if step.name == name]
    return found


@pytest.mark.parametrize("job", [hang, snooze, fail])
async def test_a_step_is_discarded_at_its_deadline_whatever_it_does(engine, pool, job):
    """It runs, snoozes again and again, or fails and is tried again: none of that begins the deadline anew."""
    run = await Baton.new().add("a", job.new().with_options(deadline=SOON)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "discarded"}
    assert await reason(run, "a") == f"it did not end within its deadline of {SOON} s"


async def test_a_paused_queue_does_not_stop_a_deadline(engine, pool):
    await engine.pause("default")
    run = await Baton.new().add("a", note.new().with_options(deadline=SOON)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == []
    await engine.resume("default")


async def test_a_step_that_ends_in_time_is_left_alone(engine, pool, connection):
    run = await Baton.new().add("a", note.new().with_options(deadline=SOON)).add("b", hang.new()).insert()
    assert await run.result("a", timeout=SECONDS) == "a"

    await eventually(lambda: no_deadlines(connection))

    assert await states(run) == {"a": "completed", "b": "executing"}
    await run.cancel()


async def no_deadlines(connection):
    return not await connection.fetchval("select count(*) from baton.deadlines")


async def test_a_deadline_counts_from_the_release_of_its_step(engine, pool, connection):
    flow = Baton.new().add("a", hang.new()).add("b", note.new().with_options(deadline=0.001), deps=["a"])
    run = await flow.insert()
    await eventually(lambda: executes(run, "a"))

    assert await no_deadlines(connection)
    await run.cancel()


async def executes(run, name):
    return (await states(run))[name] == "executing"


async def test_dependents_follow_a_step_that_passed_its_deadline(engine, pool):
    flow = Baton.new().add("a", hang.new().with_options(deadline=SOON))
    flow.add("b", note.new(), deps=["a"]).add("c", note.new(result_of("a", default=None)))

    run = await flow.insert()

    await run.wait(timeout=SECONDS)
    assert await states(run) == {"a": "discarded", "b": "cancelled", "c": "completed"}


async def test_a_step_that_does_not_start_in_time_is_discarded(engine, pool):
    await engine.pause("default")
    run = await Baton.new().add("a", note.new().with_options(start_within=SOON)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await reason(run, "a") == f"it did not start within {SOON} s"
    await engine.resume("default")


async def test_a_step_that_started_in_time_may_take_longer(engine, pool, connection):
    run = await Baton.new().add("a", hang.new().with_options(start_within=SOON)).insert()
    await eventually(lambda: executes(run, "a"))

    await eventually(lambda: no_deadlines(connection))

    assert await states(run) == {"a": "executing"}
    await run.cancel()


async def test_a_step_that_snoozed_has_started(engine, pool, connection):
    run = await Baton.new().add("a", snooze_long.new().with_options(start_within=SOON)).insert()

    await eventually(lambda: no_deadlines(connection))

    assert "discarded" not in (await states(run)).values()
    await run.cancel()


async def test_the_deadline_of_a_map_is_that_of_each_child(engine, pool):
    """With two at a time the last children are released when the first ones ended, and have their full time then."""
    job = hang.new(each([0, 1, 2, 3])).with_options(deadline=SOON, concurrency=2)
    run = await Baton.new().add("m", job).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    (group,) = await run.steps()
    assert [child.state for child in group.children] == ["discarded"] * 4
    assert group.children[3].finished_at - group.children[0].finished_at >= timedelta(seconds=SOON)


async def test_a_workflow_that_passes_its_deadline_fails(engine, pool):
    flow = Baton.new(deadline=timedelta(seconds=SOON)).add("a", hang.new()).add("b", note.new(), deps=["a"])

    run = await flow.add("close", note.new(), runs="always").insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "cancelled", "b": "cancelled", "close": "completed"}
    assert await reason(run, "a") == f"the workflow was ended: it did not end within its deadline of {SOON} s"


async def test_a_retry_begins_the_deadline_of_a_workflow_anew(engine, pool):
    run = await Baton.new(deadline=SOON).add("a", hang.new()).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.retry()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await reason(run, "a") == f"the workflow was ended: it did not end within its deadline of {SOON} s"


async def test_a_retry_begins_the_deadline_of_a_step_anew(engine, pool):
    run = await Baton.new().add("a", hang.new().with_options(deadline=SOON)).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.retry()

    assert (await states(run))["a"] != "discarded"
    assert await run.wait(timeout=SECONDS) == "failed"
    (step,) = await run.steps()
    assert [error["kind"] for error in step.errors] == ["deadline", "deadline"]


tries: list[float] = []


@worker(name="deadline try twice", max_attempts=1)
async def try_twice() -> None:
    """Fails late the first time, and hangs the second time."""
    tries.append(0.0)
    await asyncio.sleep(SOON if len(tries) == 1 else 600)
    raise ValueError("first")


async def test_a_retry_before_the_deadline_begins_it_anew_as_well(engine, pool):
    tries.clear()
    run = await Baton.new().add("a", try_twice.new().with_options(deadline=2 * SOON)).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.retry()

    assert await run.wait(timeout=SECONDS) == "failed"
    (step,) = await run.steps()
    assert step.finished_at - step.attempted_at >= timedelta(seconds=1.5 * SOON)


async def test_a_sub_workflow_has_a_deadline_from_its_beginning(engine, pool):
    inner = Baton.new(deadline=SOON).add("a", hang.new()).add("close", note.new(), runs="always")
    flow = Baton.new().add("first", note.new()).add("group", inner, deps=["first"])

    run = await flow.add("after", note.new(), deps=["group"], ignore_discarded=True).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"first": "completed", "group": "discarded", "after": "completed"}
    assert calls == ["first", "group/close", "after"]


async def test_a_sub_workflow_that_waits_for_nothing_begins_at_insert(engine, pool):
    inner = Baton.new(deadline=SOON).add("a", note.new()).add("b", hang.new(), deps=["a"])

    run = await Baton.new().add("group", inner).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == ["group/a"]
    assert await reason(run, "group") == f"it did not end within its deadline of {SOON} s"


async def test_the_deadline_of_a_step_holds_for_the_graph_it_returned(engine, pool):
    run = await Baton.new().add("a", graph.new().with_options(deadline=SOON)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "discarded"}
    assert calls == ["a/close"]


async def test_a_returned_graph_may_have_a_deadline(engine, pool):
    run = await Baton.new().add("a", bounded_graph.new()).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await reason(run, "a") == f"it did not end within its deadline of {SOON} s"


async def test_a_closing_step_has_a_deadline_of_its_own(engine, pool):
    flow = Baton.new().add("a", note.new())

    run = await flow.add("close", hang.new().with_options(deadline=SOON), runs="always").insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "completed", "close": "discarded"}


async def test_a_locked_workflow_is_ended_once_it_is_free(engine, pool, connection):
    run = await Baton.new().add("a", hang.new().with_options(deadline=SOON)).insert()
    other = await Baton.new().add("a", hang.new().with_options(deadline=SOON)).insert()
    async with connection.transaction():
        await connection.execute("select from baton.workflows where id = $1 for no key update", run.id)
        assert await other.wait(timeout=SECONDS) == "failed"
        assert await states(run) == {"a": "executing"}

    assert await run.wait(timeout=SECONDS) == "failed"
