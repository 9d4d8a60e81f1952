"""`run.complete` and `run.skip`: a step ends as somebody says, and the run goes on from there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import (
    Baton,
    InterventionRefused,
    InvalidOption,
    Run,
    Signal,
    StepNotFound,
    WorkflowNotFound,
    each,
    result_of,
)
from tests.waiting import eventually

SECONDS = 30


def diamond(program) -> Baton:
    flow = Baton.new().add("a", program.act.new(1))
    flow.add("b", program.act.new(2), deps=["a"]).add("c", program.act.new(3), deps=["a"])
    return flow.add("d", program.act.new([result_of("b"), result_of("c")]))


async def failed_diamond(program) -> Run:
    program.failing = {"b"}
    run = await diamond(program).insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    return run


async def test_a_discarded_step_is_completed_and_what_it_held_up_runs(pool, program):
    run = await failed_diamond(program)

    assert await run.complete("b", 20) == 2

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("d", timeout=SECONDS) == [20, 3]
    assert program.runs == {"a": 1, "b": 1, "c": 1, "d": 1}


async def test_a_discarded_step_is_skipped_and_its_dependents_with_it(pool, program):
    run = await failed_diamond(program)

    assert await run.skip("b", reason="not needed this month") == 2

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await program.states(run) == {"a": "completed", "b": "skipped", "c": "completed", "d": "skipped"}
    (b,) = [step for step in await run.steps() if step.name == "b"]
    assert b.reason == "not needed this month"


async def test_a_dependent_that_ignores_a_skip_runs_after_it(pool, program):
    program.failing = {"b"}
    flow = Baton.new().add("b", program.act.new(2))
    flow.add("d", program.act.new(result_of("b", default="none")))
    flow.add("e", program.act.new(result_of("b")))
    run = await flow.insert()
    await run.wait(timeout=SECONDS)
    assert program.runs["d"] == 1

    await run.skip("b")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await program.states(run) == {"b": "skipped", "d": "completed", "e": "skipped"}


async def test_the_last_failure_of_a_run_completes_it_at_once(pool, program):
    program.failing = {"b"}
    run = await Baton.new().add("a", program.act.new(1)).add("b", program.act.new(2), deps=["a"]).insert()
    await run.wait(timeout=SECONDS)

    assert await run.complete("b", None) == 1

    assert (await run.status()).state == "completed"


async def test_a_suspended_step_is_completed_before_its_dependencies(engine, program):
    run = await diamond(program).insert()

    await run.complete("b", 20)
    await run.complete("c", 30)
    await run.complete("a", 10)

    assert await program.states(run) == {"a": "completed", "b": "completed", "c": "completed", "d": "available"}


@pytest.mark.parametrize("verb", ["complete", "skip"])
async def test_an_executing_step_is_left_alone(engine, pool, held, verb):
    run = await Baton.new().add("a", held.worker.new()).insert()
    await held.has_begun()

    with pytest.raises(InterventionRefused, match=r"it is executing; wait for it, or stop it with cancel\('a'\)"):
        await getattr(run, verb)("a")

    held.may_end.set()
    assert await run.wait(timeout=SECONDS) == "completed"


async def test_a_step_that_waits_for_its_next_attempt_is_completed(engine, pool, program):
    program.failing = {"a"}
    flow = Baton.new().add("a", program.act.new(1).with_options(max_attempts=5))
    run = await flow.add("b", program.act.new(result_of("a"))).insert()
    await eventually(lambda: _is(run, program, "a", "retryable"))

    await run.complete("a", 7)

    assert await run.result("b", timeout=SECONDS) == 7


async def _is(run, program, step, state):
    return (await program.states(run))[step] == state


async def test_a_waiting_signal_is_completed_and_takes_no_answer_after(pool, program):
    run = await Baton.new().add("ok", Signal(bool)).add("b", program.act.new(result_of("ok"))).insert()
    await eventually(lambda: _is(run, program, "ok", "waiting"))

    await run.complete("ok", True)

    assert await run.result("b", timeout=SECONDS) is True
    with pytest.raises(Exception, match="it is completed"):
        await run.signal("ok", False)


async def test_a_signal_that_was_accepted_counts(engine, program):
    """The caller of `signal` was promised that the step completes with the value."""
    run = await Baton.new().add("ok", Signal(bool)).insert()
    assert await run.signal("ok", False)

    with pytest.raises(InterventionRefused, match="a signal for it has come, and it completes with that"):
        await run.complete("ok", True)


@pytest.mark.parametrize("verb", ["complete", "skip"])
async def test_a_group_is_refused_and_its_steps_are_not(pool, program, verb):
    program.failing = {"map[1]"}
    run = await Baton.new().add("map", program.act.new(each([1, 2, 3]))).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    with pytest.raises(InterventionRefused, match="it is a group, which ends as its steps do; name the steps in it"):
        await getattr(run, verb)("map")
    await getattr(run, verb)("map[1]")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("map") == ([1, None, 3] if verb == "complete" else [1, 3])


async def test_a_completed_step_is_refused_with_the_way_to_run_it_again(pool, program):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    await run.wait(timeout=SECONDS)
    with pytest.raises(InterventionRefused, match=r"it is completed already; retry\('a', downstream=True\)"):
        await run.complete("a", 2)


async def test_an_unknown_step_and_an_unknown_run_are_named(engine, program):
    run = await Baton.new().add("alpha", program.act.new(1)).insert()
    with pytest.raises(StepNotFound, match="did you mean 'alpha'"):
        await run.complete("alhpa", 1)
    with pytest.raises(WorkflowNotFound):
        await Run("gone").skip("alpha")


async def test_a_value_that_is_too_large_is_refused(engine, program):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    with pytest.raises(InvalidOption, match="8,388,608 bytes"):
        await run.complete("a", "x" * (8 << 20))


async def test_a_result_of_any_json_comes_back_as_it_is(engine, program):
    run = await Baton.new().add("a", program.act.new(1)).insert()
    value = {"nul": "\0", "lone": "\ud800", "big": 1e22, "list": [None, -0.0]}
    await run.complete("a", value)
    assert await run.result("a") == value


async def test_a_completed_undo_counts_as_done(pool, program):
    """The undo failed for good and was made up for outside; a retry of the run then begins the step anew."""
    program.failing = {"hotel[undo]", "flight"}
    flow = Baton.new().add("hotel", program.act.new(1), undo=program.act.new(2).with_options(max_attempts=1))
    run = await flow.add("flight", program.act.new(3), deps=["hotel"]).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.complete("hotel[undo]", "refunded by phone")
    assert await run.wait(timeout=SECONDS) == "failed"

    program.failing = set()
    await run.retry()
    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs["hotel"] == 2
    assert len({key for key in program.keys if "/hotel" in key and "undo" not in key}) == 2


async def test_a_completed_step_of_an_undone_run_begins_what_was_undone_anew(pool, program):
    program.failing = {"flight"}
    flow = Baton.new().add("hotel", program.act.new(1), undo=program.act.new(2))
    run = await flow.add("flight", program.act.new(3), deps=["hotel"]).insert()
    assert await run.wait(timeout=SECONDS) == "failed"
    assert program.runs["hotel[undo]"] == 1

    await run.complete("flight", "booked by phone")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs["hotel"] == 2
    assert program.runs["flight"] == 1


async def test_closing_steps_run_again_over_a_completed_step(pool, program):
    program.failing = {"work"}
    flow = Baton.new().add("work", program.act.new(1)).add("more", program.act.new(1), deps=["work"])
    flow.add("close", program.act.new(2), runs="always").add("alert", program.act.new(3), runs="on failure")
    run = await flow.insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.complete("work", 1)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await program.states(run) == {
        "work": "completed",
        "more": "completed",
        "close": "completed",
        "alert": "skipped",
    }
    assert program.runs == {"work": 1, "more": 1, "close": 2, "alert": 1}


async def test_a_condition_reads_the_value_that_was_given(pool, program):
    program.failing = {"check"}
    flow = Baton.new().add("check", program.act.new({"score": 1}))
    flow.add("deep", program.act.new(1), when=result_of("check")["score"] > 5)
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    tried = await run.complete("check", {"score": 3}, dry_run=True)
    assert {step.name: step.after for step in tried.steps} == {"check": "completed", "deep": "skipped"}
    await run.complete("check", {"score": 9})

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs["deep"] == 1


async def test_a_child_of_a_limited_map_passes_its_slot_on(pool, program):
    program.failing = {"map[0]", "map[1]"}
    mapped = program.act.new(each([1, 2, 3, 4])).with_options(concurrency=1)
    run = await Baton.new().add("map", mapped).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.complete("map[0]", 10)
    await run.complete("map[1]", 20)

    assert await run.result("map", timeout=SECONDS) == [10, 20, 3, 4]


async def test_enough_is_reached_by_a_completed_dependency(pool, program):
    program.failing, program.is_checked = {"a", "b"}, False
    flow = Baton.new()
    for name in "abc":
        flow.add(name, program.act.new(name))
    flow.add("merge", program.act.new([result_of(name) for name in "abc"]), needs=2)
    run = await flow.insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.complete("a", "A")

    assert await run.result("merge", timeout=SECONDS) == ["A", "c"]
    assert await run.wait(timeout=SECONDS) == "completed"


async def test_a_step_of_a_timer_is_skipped(engine, program):
    run = await Baton.new().add("a", program.act.new(1).with_options(schedule_in=timedelta(days=1))).insert()
    await run.skip("a")
    assert (await run.status()).state == "completed"
