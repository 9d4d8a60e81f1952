"""Steps that need only some of their dependencies, sentence by sentence, run by a real pool."""

from __future__ import annotations

import asyncio

import pytest

from baton import Baton, Context, InvalidWorkflow, Run, WorkerPool, each, result_of, worker
from tests.waiting import eventually

SECONDS = 20

calls: list[tuple[str, object]] = []
healed: list[bool] = []


@pytest.fixture(autouse=True)
def _fresh():
    calls.clear()
    healed.clear()


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine, queues={"default": 20}) as pool:
        yield pool


@worker(name="needs answer")
async def answer(value: int) -> int:
    return value


@worker(name="needs fail", max_attempts=1)
async def fail() -> int:
    raise ValueError("no")


@worker(name="needs heal", max_attempts=1)
async def heal(value: int) -> int:
    if not healed:
        raise ValueError("down")
    return value


@worker(name="needs hang")
async def hang(given: object = None) -> int:
    await asyncio.sleep(600)
    return 0


@worker(name="needs note")
async def note(ctx: Context, given: object = None) -> object:
    calls.append((ctx.step, given))
    return given


@worker(name="needs late")
async def late(value: int) -> int:
    await eventually(lambda: calls, deadline=SECONDS)
    return value


@worker(name="needs fail after the third", max_attempts=2, backoff=0)
async def fail_after_the_third(ctx: Context, given: object = None) -> None:
    calls.append((ctx.step, given))
    if ctx.attempt == 1:
        await eventually(lambda: is_state(Run(ctx.workflow_id), "c", "completed"), deadline=SECONDS)
        raise ValueError("once")


@worker(name="needs outcomes")
async def outcomes(ctx: Context, given: list[int]) -> dict[str, str]:
    return {name: outcome.state for name, outcome in ctx.outcomes.items()}


@worker(name="needs two")
async def two(left: int, right: int) -> int:
    return left + right


async def states(run):
    return {step.name: step.state for step in await run.steps()}


async def is_state(run, name, state):
    return (await states(run))[name] == state


def three(first, second, third):
    return Baton.new().add("a", first).add("b", second).add("c", third)


RESULTS = [result_of("a"), result_of("b"), result_of("c")]


async def test_a_failure_is_forgiven_by_a_step_that_did_without_it(engine, pool):
    run = await three(answer.new(1), fail.new(), answer.new(3)).add("merge", note.new(RESULTS), needs=2).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == [("merge", [1, 3])]


async def test_a_failure_is_forgiven_by_a_sub_workflow_that_did_without_it(engine, pool):
    inner = Baton.new().add("x", note.new())
    flow = three(answer.new(1), fail.new(), answer.new(3))
    run = await flow.add("group", inner, deps=["a", "b", "c"], needs=2).insert()

    assert await run.wait(timeout=SECONDS) == "completed"


async def test_a_skipped_dependency_does_not_count(engine, pool):
    flow = three(answer.new(1), answer.new(2), answer.new(3))
    flow.add("no", note.new(), when=result_of("a") > 5).add("neither", note.new(), when=result_of("a") > 6)

    run = await flow.add("merge", note.new(), deps=["no", "neither", "b"], needs=2).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await is_state(run, "merge", "skipped")


async def test_a_second_attempt_sees_the_same_arguments(engine, pool):
    """The third dependency ends between the two attempts: that does not change what was fixed."""
    flow = three(answer.new(1), answer.new(2), late.new(3))

    run = await flow.add("merge", fail_after_the_third.new(RESULTS), needs=2).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == [("merge", [1, 2]), ("merge", [1, 2])]


async def test_the_rest_goes_on_unless_it_is_to_be_cancelled(engine, pool):
    run = await three(answer.new(1), answer.new(2), hang.new()).add("merge", note.new(RESULTS), needs=2).insert()
    await run.result("merge", timeout=SECONDS)

    assert await is_state(run, "c", "executing")
    await run.cancel()


async def test_the_rest_upstream_is_cancelled_through_sub_workflows(engine, pool):
    inner = Baton.new().add("x", note.new(), deps=["slow"])
    flow = Baton.new().add("a", answer.new(1)).add("slow", hang.new()).add("group", inner)

    run = await flow.add("merge", note.new(), deps=["a", "group"], needs=1, rest="cancel").insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"a": "completed", "slow": "cancelled", "group": "cancelled", "merge": "completed"}


async def test_what_another_step_still_needs_goes_on(engine, pool):
    flow = Baton.new().add("a", answer.new(1)).add("b", hang.new()).add("other", note.new(), deps=["b"])

    run = await flow.add("merge", note.new(), deps=["a", "b"], needs=1, rest="cancel").insert()
    await run.result("merge", timeout=SECONDS)

    assert await is_state(run, "b", "executing")
    await run.cancel()


async def test_a_step_whose_condition_does_not_hold_cancels_no_rest(engine, pool):
    flow = Baton.new().add("a", answer.new(1)).add("b", hang.new())

    run = await flow.add("merge", note.new(), deps=["a", "b"], needs=1, rest="cancel", when=result_of("a") > 5).insert()
    await eventually(lambda: is_state(run, "merge", "skipped"))

    assert await is_state(run, "b", "executing")
    await run.cancel()


async def test_what_was_not_needed_and_had_begun_is_undone(engine, pool):
    """A booking that may have happened is taken back, although the run completes."""
    flow = Baton.new().add("b", hang.new(), undo=note.new("taken back")).add("a", answer.new(1), deps=["first"])
    flow.add("first", answer.new(0))

    run = await flow.add("merge", note.new(), deps=["a", "b"], needs=1, rest="cancel").insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert ("b[undo]", "taken back") in calls


async def test_what_was_not_needed_and_had_not_begun_is_not_undone(engine, pool):
    later = answer.new(2).with_options(schedule_in=600)
    flow = Baton.new().add("a", answer.new(1)).add("b", later, undo=note.new("taken back"))

    run = await flow.add("merge", note.new(), deps=["a", "b"], needs=1, rest="cancel").insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == [("merge", None)]


async def test_children_that_a_map_did_not_need_are_undone(engine, pool):
    flow = Baton.new().add("m", race.new(each([0, 1])).with_options(needs=1), undo=note.new("taken back"))

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == [("m[1][undo]", "taken back")]


@worker(name="needs race")
async def race(number: int) -> int:
    if number:
        await asyncio.sleep(600)
    await asyncio.sleep(0.2)
    return number


async def test_retry_passes_over_what_was_not_needed(engine, pool):
    flow = three(answer.new(1), answer.new(2), hang.new()).add("d", heal.new(4))
    run = await flow.add("merge", note.new(RESULTS), needs=2, rest="cancel").insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    healed.append(True)

    assert await run.retry() == 1

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await is_state(run, "c", "cancelled")


async def test_a_retried_step_reads_what_completes_this_time(engine, pool):
    flow = three(answer.new(1), heal.new(2), heal.new(3)).add("merge", note.new(RESULTS), needs=2)
    run = await flow.insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    healed.append(True)

    await run.retry("c")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == [("merge", [1, 3])]


async def test_a_step_retried_by_itself_that_is_out_of_reach_ends_again(engine, pool):
    run = await three(answer.new(1), fail.new(), fail.new()).add("merge", note.new(RESULTS), needs=2).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.retry("merge")

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await is_state(run, "merge", "cancelled")


async def test_the_context_names_every_dependency(engine, pool):
    run = await three(answer.new(1), fail.new(), hang.new()).add("merge", outcomes.new(RESULTS), needs=1).insert()

    found = await run.result("merge", timeout=SECONDS)

    assert found.keys() == {"a", "b", "c"}
    assert found["a"] == "completed"
    await run.cancel()


def test_a_parameter_that_may_lack_its_result_is_a_fault():
    flow = three(answer.new(1), answer.new(2), answer.new(3))
    flow.add("merge", two.new(result_of("a"), right=result_of("b")), deps=["c"], needs=2)

    with pytest.raises(InvalidWorkflow) as refused:
        flow.validate()

    assert str(refused.value.faults[0]) == (
        "step 'merge' starts when 2 of its dependencies have completed, and its parameter 'left' takes the result of "
        "'a', which may not be there; write result_of('a', default=None), or pass the results in a list"
    )


def test_a_step_that_needs_all_may_take_each_result():
    flow = Baton.new().add("a", answer.new(1)).add("b", answer.new(2))

    flow.add("merge", two.new(result_of("a"), right=result_of("b")), needs=2).validate()
