"""Workflows and maps that end as soon as it is decided how: the first failure, too many failures, enough results."""

from __future__ import annotations

import asyncio

import pytest

from baton import Baton, Context, WorkerPool, each, result_of, worker
from tests.waiting import eventually

SECONDS = 20

calls: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine, queues={"default": 20}) as pool:
        yield pool


@worker(name="enough note")
async def note(ctx: Context, given: object = None) -> str:
    calls.append(ctx.step)
    return ctx.step


@worker(name="enough fail", max_attempts=1)
async def fail(ctx: Context, given: object = None) -> int:
    calls.append(ctx.step)
    raise ValueError("the key is revoked")


@worker(name="enough hang")
async def hang(given: object = None) -> None:
    await asyncio.sleep(600)


@worker(name="enough fail at", max_attempts=1)
async def fail_at(ctx: Context, number: int, bad: list[int]) -> int:
    calls.append(ctx.step)
    if number in bad:
        raise ValueError("no")
    return number


@worker(name="enough answer")
async def answer(number: int) -> int:
    if number < 0:
        await asyncio.sleep(600)
    return number


async def states(run):
    return {step.name: step.state for step in await run.steps()}


async def reason(run, name):
    (found,) = [step.reason for step in await run.steps() if step.name == name]
    return found


async def test_a_workflow_that_fails_fast_ends_with_its_first_failure(engine, pool):
    flow = Baton.new(fail_fast=True).add("a", fail.new()).add("b", hang.new()).add("c", note.new(), deps=["b"])

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "discarded", "b": "cancelled", "c": "cancelled"}
    assert "step 'a' was discarded" in await reason(run, "c")


async def test_without_fail_fast_the_other_branches_run_on(engine, pool):
    run = await Baton.new().add("a", fail.new()).add("b", note.new()).add("c", note.new(), deps=["b"]).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "discarded", "b": "completed", "c": "completed"}


async def test_a_failure_that_may_be_forgiven_ends_nothing(engine, pool):
    flow = Baton.new(fail_fast=True).add("a", fail.new())
    flow.add("b", note.new(result_of("a", default=None)))

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "completed"


async def test_a_failure_ends_all_once_nothing_can_forgive_it_any_more(engine, pool):
    """The only dependent that ignores it is skipped by its condition, which is decided later."""
    flow = Baton.new(fail_fast=True).add("a", fail.new()).add("b", hang.new()).add("slow", note.new(), deps=["x"])
    flow.add("x", note.new(), deps=["y"]).add("y", note.new())
    flow.add("c", note.new(result_of("a", default=None)), when=result_of("x") == "never")

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await states(run))["b"] == "cancelled"


async def test_closing_steps_run_after_a_workflow_failed_fast(engine, pool):
    flow = Baton.new(fail_fast=True).add("a", fail.new()).add("b", hang.new())

    run = await flow.add("close", note.new(), runs="always").insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "discarded", "b": "cancelled", "close": "completed"}


async def test_what_was_done_is_undone_after_a_workflow_failed_fast(engine, pool):
    flow = Baton.new(fail_fast=True).add("a", note.new(), undo=note.new()).add("b", hang.new())

    run = await flow.add("c", fail.new(), deps=["a"]).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == ["a", "c", "a[undo]"]


async def test_only_the_sub_workflow_that_fails_fast_is_ended(engine, pool):
    inner = Baton.new(fail_fast=True).add("a", fail.new()).add("b", hang.new())
    flow = Baton.new().add("group", inner).add("other", note.new())

    run = await flow.add("after", note.new(), deps=["group"], ignore_discarded=True).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"group": "discarded", "other": "completed", "after": "completed"}


@worker(name="enough graph")
async def graph() -> Baton:
    return Baton.new(fail_fast=True).add("a", fail.new()).add("b", hang.new())


async def test_a_returned_graph_may_fail_fast(engine, pool):
    run = await Baton.new().add("group", graph.new()).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await states(run))["group"] == "discarded"


async def test_a_failure_deep_inside_ends_the_workflow_that_fails_fast(engine, pool):
    inner = Baton.new().add("m", fail_at.new(each([0, 1, 2]), bad=[1]))
    flow = Baton.new(fail_fast=True).add("group", inner).add("b", hang.new())

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await states(run))["b"] == "cancelled"


async def test_a_workflow_of_many_steps_is_swept_by_upkeep(engine, pool):
    """Cancelling 1,500 steps is a call of its own; the settle that decided it does not wait for it."""
    flow = Baton.new(fail_fast=True).add("a", fail.new()).add("b", hang.new())
    for number in range(1500):
        flow.add(f"{number}", note.new(), deps=["b"])

    run = await flow.add("close", note.new(), runs="always").insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == ["a", "close"]


async def test_a_map_that_tolerates_nothing_stops_at_the_first_failure(engine, pool):
    """600 calls to a service that refuses all of them: only those under way at the first refusal are made."""
    run = await Baton.new().add("pages", fail.new(each(list(range(600)))).with_options(tolerate=0)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert len(calls) <= 20
    found = await reason(run, "pages")
    assert "of its 600 children failed, and it tolerates 0; first step 'pages[" in found
    assert found.endswith("was discarded: ValueError: the key is revoked")


async def test_a_map_with_few_at_a_time_starts_no_other_after_the_failure(engine, pool):
    job = fail.new(each(list(range(50)))).with_options(tolerate=0, concurrency=1)

    run = await Baton.new().add("pages", job).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == ["pages[0]"]


@pytest.mark.parametrize("tolerate", [2, "20%"])
async def test_a_map_completes_with_as_many_failures_as_it_tolerates(engine, pool, tolerate):
    job = fail_at.new(each(list(range(10))), bad=[3, 7]).with_options(tolerate=tolerate)
    run = await Baton.new().add("m", job).add("sum", note.new(result_of("m"))).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("m") == [0, 1, 2, 4, 5, 6, 8, 9]


@pytest.mark.parametrize("tolerate", [1, "19.9%"])
async def test_a_map_fails_with_one_failure_more_than_it_tolerates(engine, pool, tolerate):
    job = fail_at.new(each(list(range(10))), bad=[3, 7]).with_options(tolerate=tolerate)
    run = await Baton.new().add("m", job).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await reason(run, "m")).startswith(f"2 of its 10 children failed, and it tolerates {tolerate}")


async def test_a_map_that_needs_some_ends_when_these_completed(engine, pool):
    run = await Baton.new().add("m", answer.new(each([1, -1, 2, -2])).with_options(needs=2)).insert()

    assert await run.result("m", timeout=SECONDS) == [1, 2]
    assert await run.wait(timeout=SECONDS) == "completed"
    (group,) = await run.steps()
    assert [child.state for child in group.children] == ["completed", "cancelled", "completed", "cancelled"]


async def test_retry_passes_over_what_a_map_did_not_need(engine, pool):
    run = await Baton.new().add("m", answer.new(each([1, -1])).with_options(needs=1)).insert()
    await run.wait(timeout=SECONDS)

    assert await run.retry() == 0


async def test_a_map_fails_once_what_it_needs_is_out_of_reach(engine, pool):
    job = fail_at.new(each([0, 1, 2]), bad=[0, 2]).with_options(needs=2)

    run = await Baton.new().add("m", job).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert "it needs 2 of its 3 children, and only 1 can complete" in await reason(run, "m")


async def test_a_map_that_needs_more_than_its_list_has_is_discarded(engine, pool):
    run = await Baton.new().add("m", answer.new(each([1])).with_options(needs=2)).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await reason(run, "m") == "it needs 2 of its children to complete, and its list has 1 items"


healed: list[bool] = []


@worker(name="enough heal", max_attempts=1)
async def heal(number: int) -> int:
    if not healed:
        raise ValueError("down")
    return number


async def test_a_retried_map_counts_its_failures_anew(engine, pool):
    healed.clear()
    run = await Baton.new().add("m", heal.new(each(list(range(40)))).with_options(tolerate=1)).insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    healed.append(True)

    await run.retry()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("m") == list(range(40))


async def test_a_workflow_that_failed_fast_is_retried_as_a_whole(engine, pool):
    healed.clear()
    flow = Baton.new(fail_fast=True).add("a", heal.new(1)).add("b", note.new(), deps=["a", "c"]).add("c", heal.new(2))
    run = await flow.insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    healed.append(True)

    await run.retry()

    assert await run.wait(timeout=SECONDS) == "completed"


async def executes(run, name):
    return (await states(run))[name] == "executing"


async def test_a_step_cancelled_by_name_ends_a_workflow_that_fails_fast(engine, pool):
    run = await Baton.new(fail_fast=True).add("a", hang.new()).add("b", hang.new()).insert()
    await eventually(lambda: executes(run, "a"))

    await run.cancel("a")

    assert await run.wait(timeout=SECONDS) == "failed"
