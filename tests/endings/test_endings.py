"""Conditions, closing steps, undos and steps that need only some of their dependencies, run by a real pool."""

from __future__ import annotations

import asyncio

import pytest

from baton import Baton, Context, InvalidWorkflow, WorkerPool, failed, result_of, state_of, worker
from tests.waiting import eventually

SECONDS = 20

calls: list[tuple[str, object]] = []


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


@worker(name="endings score")
async def score(value: int = 0) -> dict[str, int]:
    return {"score": value}


@worker(name="endings raise", max_attempts=1)
async def fail() -> int:
    raise ValueError("no")


@worker(name="endings hang")
async def hang() -> None:
    await asyncio.sleep(600)


@worker(name="endings note")
async def note(ctx: Context, given: object = None) -> str:
    calls.append((ctx.step, given))
    return ctx.idempotency_key


async def states(run):
    return {step.name: step.state for step in await run.steps()}


async def test_a_condition_that_does_not_hold_skips_its_step(engine, pool):
    flow = Baton.new().add("check", score.new(3))
    flow.add("deep", note.new(), when=result_of("check")["score"] > 2)
    flow.add("shallow", note.new(), when=result_of("check")["score"] <= 2)

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"check": "completed", "deep": "completed", "shallow": "skipped"}
    (shallow,) = [step for step in await run.steps() if step.name == "shallow"]
    assert shallow.reason == "its condition does not hold: result_of('check')['score'] is 3"


async def test_a_condition_that_cannot_be_evaluated_discards_its_step(engine, pool):
    flow = Baton.new().add("check", score.new(3)).add("odd", note.new(), when=result_of("check")["nothing"] == 1)

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"check": "completed", "odd": "discarded"}


async def test_what_only_observes_a_failure_does_not_ignore_it(engine, pool):
    run = await Baton.new().add("a", fail.new()).add("b", note.new(state_of("a"))).insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert calls == [("b", "discarded")]


async def test_an_optional_dependency_that_fails_leaves_its_default(engine, pool):
    run = await Baton.new().add("a", fail.new()).add("b", note.new(result_of("a", default="none"))).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == [("b", "none")]


async def test_a_failure_is_not_ignored_by_a_dependent_that_never_began(engine, pool):
    flow = Baton.new().add("a", fail.new()).add("c", score.new(1))
    flow.add("b", note.new(result_of("a", default=None)), when=result_of("c")["score"] > 5)

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert await states(run) == {"a": "discarded", "c": "completed", "b": "skipped"}


@pytest.mark.parametrize("job", [score, fail])
async def test_a_closing_step_runs_however_its_workflow_ends(engine, pool, job):
    run = await Baton.new().add("a", job.new()).add("close", note.new(), runs="always").insert()

    assert await run.wait(timeout=SECONDS) == ("completed" if job is score else "failed")
    assert calls == [("close", None)]


async def test_the_result_of_a_run_is_not_that_of_its_clean_up(engine, pool):
    run = await Baton.new().add("a", score.new(4)).add("close", note.new(), runs="always").insert()

    assert await run.result(timeout=SECONDS) == {"score": 4}


async def test_a_step_on_failure_is_skipped_where_nothing_failed(engine, pool):
    run = await Baton.new().add("a", score.new()).add("alert", note.new(), runs="on failure").insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"a": "completed", "alert": "skipped"}


async def test_a_cancel_leaves_closing_steps_to_run(engine, pool):
    run = await Baton.new().add("a", hang.new()).add("close", note.new(), runs="always").insert()
    await eventually(lambda: executes(run, "a"))

    assert await run.cancel(reason="enough") == 1

    assert await run.wait(timeout=SECONDS) == "cancelled"
    assert await states(run) == {"a": "cancelled", "close": "completed"}


async def executes(run, name):
    return (await states(run))[name] == "executing"


async def test_force_cancels_closing_steps_as_well(engine, pool):
    run = await Baton.new().add("a", hang.new()).add("close", note.new(), runs="always").insert()
    await eventually(lambda: executes(run, "a"))

    await run.cancel(force=True)

    assert await run.wait(timeout=SECONDS) == "cancelled"
    assert await states(run) == {"a": "cancelled", "close": "cancelled"}


def saga():
    flow = Baton.new()
    flow.add("flight", note.new("book"), undo=note.new(result_of("flight", default=None)))
    flow.add("hotel", note.new("book"), deps=["flight"], undo=note.new(result_of("hotel", default=None)))
    return flow.add("car", fail.new(), deps=["hotel"])


async def test_what_was_done_is_undone_the_last_first(engine, pool):
    run = await saga().insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert [name for name, _ in calls] == ["flight", "hotel", "hotel[undo]", "flight[undo]"]
    assert calls[2][1] == f"{run.id}/hotel"


async def test_a_retry_opens_what_was_undone_under_another_key(engine, pool):
    run = await saga().insert()
    await run.wait(timeout=SECONDS)
    calls.clear()

    await run.retry()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert [name for name, _ in calls] == ["flight", "hotel", "hotel[undo]", "flight[undo]"]
    assert calls[2][1] == f"{run.id}/hotel~2"


async def test_a_step_is_undone_by_a_worker_that_takes_no_context(engine, pool):
    flow = Baton.new().add("hotel", score.new(), undo=score.new(1)).add("pay", fail.new(), deps=["hotel"])

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await states(run))["hotel[undo]"] == "completed"


async def test_a_workflow_that_completes_undoes_nothing(engine, pool):
    run = await Baton.new().add("a", score.new(), undo=note.new()).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == []


async def test_a_step_starts_when_enough_completed_and_cancels_the_rest(engine, pool):
    flow = Baton.new().add("a", score.new(1)).add("b", score.new(2)).add("c", hang.new())
    flow.add("merge", note.new([result_of("a"), result_of("b"), result_of("c")]), needs=2, rest="cancel")

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert calls == [("merge", [{"score": 1}, {"score": 2}])]
    assert (await states(run))["c"] == "cancelled"


async def test_a_step_whose_need_is_out_of_reach_is_cancelled(engine, pool):
    flow = Baton.new().add("a", score.new(1)).add("b", fail.new()).add("c", fail.new())
    flow.add("merge", note.new([result_of("a"), result_of("b"), result_of("c")]), needs=2)

    run = await flow.insert()

    assert await run.wait(timeout=SECONDS) == "failed"
    assert (await states(run))["merge"] == "cancelled"


async def test_a_condition_holds_for_all_of_a_sub_workflow(engine, pool):
    inner = Baton.new().add("x", note.new()).add("close", note.new(), runs="always")
    flow = Baton.new().add("check", score.new(5)).add("off", inner, when=result_of("check")["score"] > 10)

    run = await flow.add("on", inner, when=result_of("check")["score"] < 10).insert()

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await states(run) == {"check": "completed", "off": "skipped", "on": "completed"}
    assert [name for name, _ in calls] == ["on/x", "on/close"]


def faults_of(flow):
    with pytest.raises(InvalidWorkflow) as refused:
        flow.validate()
    return [str(fault) for fault in refused.value.faults]


def test_what_decides_about_steps_is_checked_before_insert():
    flow = Baton.new().add("a", score.new()).add("close", note.new(result_of("a")), runs="always")
    flow.add("b", note.new(), deps=["close"]).add("c", note.new(), deps=["a"], needs=2)
    flow.add("d", note.new([result_of("a"), result_of("a", default=1)]))

    assert [fault.partition(";")[0] for fault in faults_of(flow)] == [
        "closing step 'close' takes the result of 'a', which may be missing",
        "step 'c' needs 2 of its dependencies and has 1 that count",
        "step 'd' takes the result of 'a' both with a default and without one",
        "step 'b' depends on 'close', which is a closing step",
    ]


ASKED = [bool, lambda condition: condition and True, lambda condition: not condition, lambda condition: 1 in condition]


@pytest.mark.parametrize("ask", ASKED)
def test_a_condition_has_no_truth_value(ask):
    with pytest.raises(TypeError, match="before the workflow runs"):
        ask(failed("a"))
