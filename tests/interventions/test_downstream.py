"""`run.retry(..., downstream=True)`: a step and all that follows runs again, however it ended."""

from __future__ import annotations

import pytest

from baton import Baton, RetryRefused, each, result_of, worker
from tests.waiting import eventually

SECONDS = 30


async def completed(flow) -> object:
    run = await flow.insert()
    assert await run.wait(timeout=SECONDS) == "completed"
    return run


async def test_a_completed_step_and_all_downstream_of_it_runs_again(pool, program):
    flow = Baton.new().add("a", program.act.new(1))
    flow.add("b", program.act.new(2), deps=["a"]).add("c", program.act.new(3), deps=["a"])
    run = await completed(flow.add("d", program.act.new(4), deps=["b", "c"]).add("e", program.act.new(5), deps=["d"]))

    assert await run.retry("b", downstream=True) == 3

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 1, "b": 2, "c": 1, "d": 2, "e": 2}


async def test_without_names_all_that_failed_and_what_follows_runs(pool, program):
    program.failing = {"b"}
    flow = Baton.new().add("a", program.act.new(1)).add("b", program.act.new(2))
    flow.add("c", program.act.new([result_of("a"), result_of("b", default=0)]))
    run = await flow.insert()
    await run.wait(timeout=SECONDS)
    assert await run.result("c") == [1, 0]
    program.failing = set()

    assert await run.retry(downstream=True) == 2

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("c") == [1, 2]


async def test_a_map_downstream_expands_anew(pool, program):
    sizes = [3, 2]

    @worker
    async def listing() -> list[int]:
        return list(range(sizes.pop(0)))

    flow = Baton.new().add("list", listing.new()).add("map", program.act.new(each(result_of("list"))))
    run = await completed(flow.add("sum", program.act.new(result_of("map"))))
    assert await run.result("sum") == [0, 1, 2]

    tried = await run.retry("list", downstream=True, dry_run=True)
    assert list(tried.by_state()[None]) == ["map[0]", "map[1]", "map[2]"]
    await run.retry("list", downstream=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("sum") == [0, 1]
    assert program.runs == {"map[0]": 2, "map[1]": 2, "map[2]": 1, "sum": 2}


async def test_a_returned_graph_downstream_is_made_anew(pool, program):
    made = []

    @worker
    async def plan(number: int) -> Baton:
        made.append(number)
        return Baton.new().add(f"part {len(made)}", program.act.new(len(made)))

    flow = Baton.new().add("a", program.act.new(1)).add("plan", plan.new(result_of("a")))
    run = await completed(flow.add("end", program.act.new(result_of("plan"))))

    await run.retry("a", downstream=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("end") == 2
    assert list(await program.states(run)) == ["a", "plan", "plan/part 2", "end"]


async def test_a_child_runs_again_with_what_waits_for_its_map(pool, program):
    flow = Baton.new().add("map", program.act.new(each([1, 2, 3])))
    run = await completed(flow.add("sum", program.act.new(result_of("map"))))

    assert await run.retry("map[1]", downstream=True) == 3

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"map[0]": 1, "map[1]": 2, "map[2]": 1, "sum": 2}


async def test_of_a_named_group_what_failed_runs_again(pool, program):
    program.failing = {"map[1]"}
    flow = Baton.new().add("map", program.act.new(each([1, 2, 3])))
    run = await flow.add("sum", program.act.new(result_of("map")), ignore_discarded=True).insert()
    await run.wait(timeout=SECONDS)
    program.failing = set()

    await run.retry("map", downstream=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("sum") == [1, 2, 3]
    assert program.runs == {"map[0]": 1, "map[1]": 2, "map[2]": 1, "sum": 2}


@pytest.mark.parametrize("kind", ["map", "sub-workflow"])
async def test_a_named_group_in_which_nothing_failed_runs_again(pool, program, kind):
    inner = Baton.new().add("x", program.act.new(1)).add("y", program.act.new(2), deps=["x"])
    flow = Baton.new().add("g", program.act.new(each([1, 2])) if kind == "map" else inner)
    run = await completed(flow.add("after", program.act.new(result_of("g"))))

    await run.retry("g", downstream=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert set(program.runs.values()) == {2}


async def test_a_sub_workflow_downstream_runs_again_as_a_whole(pool, program):
    inner = Baton.new().add("x", program.act.new(1)).add("y", program.act.new(2), deps=["x"])
    flow = Baton.new().add("a", program.act.new(1)).add("g", inner, deps=["a"])
    run = await completed(flow.add("after", program.act.new(result_of("g"))))

    await run.retry("a", downstream=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 2, "g/x": 2, "g/y": 2, "after": 2}


async def test_what_executes_downstream_refuses_and_names_it(pool, program, held):
    flow = Baton.new().add("a", program.act.new(1)).add("b", held.worker.new(), deps=["a"])
    run = await flow.insert()
    await held.has_begun()

    with pytest.raises(RetryRefused, match="'b' is executing; wait for them, or cancel them first"):
        await run.retry("a", downstream=True)

    held.may_end.set()
    assert await run.wait(timeout=SECONDS) == "completed"
    assert program.runs == {"a": 1}


async def test_what_waits_for_its_next_attempt_downstream_begins_anew(pool, program):
    program.failing = {"b"}
    flow = Baton.new().add("a", program.act.new(1))
    flow.add("b", program.act.new(result_of("a")).with_options(max_attempts=2, backoff=86400))
    run = await flow.insert()
    await eventually(lambda: _is(run, program, "b", "retryable"))
    program.failing = set()

    assert await run.retry("a", downstream=True) == 2

    assert await run.wait(timeout=SECONDS) == "completed"
    (_, b) = await run.steps()
    assert (b.attempt, len(b.errors)) == (1, 1)
    assert program.runs == {"a": 2, "b": 2}


async def test_a_map_that_is_not_final_downstream_refuses(pool, program, held):
    flow = Baton.new().add("a", program.act.new(1)).add("map", held.worker.new(each([1, 2])), deps=["a"])
    run = await flow.insert()
    await held.has_begun(2)

    with pytest.raises(RetryRefused, match="'map' is suspended"):
        await run.retry("a", downstream=True)

    held.may_end.set()
    assert await run.wait(timeout=SECONDS) == "completed"


async def test_closing_steps_and_conditions_are_decided_again(pool, program):
    flow = Baton.new().add("check", program.act.new({"score": 1}))
    flow.add("deep", program.act.new(1), when=result_of("check")["score"] > 5)
    run = await completed(flow.add("close", program.act.new(2), runs="always"))

    await run.retry("check", downstream=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await program.states(run) == {"check": "completed", "deep": "skipped", "close": "completed"}
    assert program.runs == {"check": 2, "close": 2}


async def test_what_needed_some_of_its_dependencies_counts_anew(pool, program):
    program.is_checked = False
    program.failing = {"a"}
    flow = Baton.new()
    for name in "abc":
        flow.add(name, program.act.new(name))
    flow.add("merge", program.act.new([result_of(name) for name in "abc"]), needs=2)
    run = await flow.insert()
    await run.wait(timeout=SECONDS)
    assert await run.result("merge") == ["b", "c"]
    program.failing = {"c"}

    await run.retry("a", "c", downstream=True)

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("merge") == ["a", "b"]


async def test_undone_steps_run_again_with_their_undos_armed(pool, program):
    program.failing = {"flight"}
    flow = Baton.new().add("hotel", program.act.new(1), undo=program.act.new(2))
    run = await flow.add("flight", program.act.new(3), deps=["hotel"]).insert()
    assert await run.wait(timeout=SECONDS) == "failed"

    await run.retry("hotel", downstream=True)

    assert await run.wait(timeout=SECONDS) == "failed"
    assert program.runs == {"hotel": 2, "flight": 2, "hotel[undo]": 2}


async def _is(run, program, step, state):
    return (await program.states(run)).get(step) == state
