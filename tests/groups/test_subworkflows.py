"""Workflows as steps of workflows: names, results, flags, ends."""

from __future__ import annotations

from typing import Any

import pytest

from baton import (
    Baton,
    Cancel,
    Context,
    InvalidWorkflow,
    Skip,
    StepFailed,
    StepSkipped,
    WorkflowExists,
    each,
    result_of,
    worker,
)


@pytest.fixture
def fail():
    @worker(max_attempts=1)
    async def fail(value: Any = None) -> Any:
        raise ValueError("on purpose")

    return fail


async def states(run):
    """The states of all steps by name, however deep."""
    found, rest = {}, list(await run.steps())
    while rest:
        step = rest.pop()
        found[step.name] = step.state
        rest += step.children
    return found


async def test_its_steps_are_children_by_name_and_its_last_step_is_its_result(pool, give):
    inner = Baton.new().add("rows", give.new([1, 2])).add("clean", give.new(result_of("rows")))
    run = await Baton.new().add("extract", inner).add("load", give.new(result_of("extract"))).insert()

    assert await run.result(timeout=20) == [1, 2]
    group, _ = await run.steps()
    assert (group.name, group.grouping, group.result) == ("extract", "workflow", [1, 2])
    assert [(child.name, child.dependencies) for child in group.children] == [
        ("extract/rows", []),
        ("extract/clean", ["extract/rows"]),
    ]
    assert await run.result("extract/rows") == [1, 2]
    assert [step.name for step in run.jobs] == ["extract", "load", "extract/rows", "extract/clean"]


async def test_several_last_steps_are_a_mapping_and_returns_chooses_one(pool, give):
    inner = Baton.new().add("a", give.new(1)).add("b", give.new(2))
    chosen = Baton.new().add("a", give.new(1)).add("b", give.new(2)).returns("a")
    run = await Baton.new().add("all", inner).add("one", chosen).insert()
    assert await run.result(timeout=20) == {"all": {"a": 1, "b": 2}, "one": 1}


async def test_returns_holds_for_the_whole_run_as_well(pool, give):
    run = await Baton.new().add("a", give.new(1)).add("b", give.new(2), deps=["a"]).returns("a").insert()
    assert await run.result(timeout=20) == 1


async def test_names_mean_steps_inside_first_and_then_outer_ones(pool, give):
    @worker
    async def look(ctx: Context, x: Any, y: Any) -> Any:
        return [x, y, dict(ctx.results)]

    innermost = Baton.new().add("look", look.new(result_of("x"), result_of("y")))
    inner = Baton.new().add("x", give.new("inner x")).add("deep", innermost).returns("deep")
    run = await Baton.new().add("x", give.new("x")).add("y", give.new("y")).add("in", inner).returns("in").insert()
    assert await run.result(timeout=20) == ["inner x", "y", {"x": "inner x", "y": "y"}]


async def test_its_first_steps_wait_for_what_the_group_waits_for(engine, give):
    inner = Baton.new().add("a", give.new()).add("b", give.new(), deps=["a"]).add("c", give.new())
    flow = Baton.new().add("first", give.new()).add("sub", inner, deps=["first"])
    by_name = {step.name: step for step in flow.spec().steps}
    assert [by_name[name].dependencies for name in ("sub/a", "sub/b", "sub/c")] == [(0,), (2,), (0,)]
    assert flow.validate() == ["first", "sub/a", "sub/c", "sub/b", "sub"]


async def test_a_failed_dependency_ends_its_first_steps_and_so_the_group(pool, give, fail):
    inner = Baton.new().add("a", give.new()).add("b", give.new(), deps=["a"])
    run = (
        await Baton.new().add("f", fail.new()).add("sub", inner, deps=["f"]).add("z", give.new(), deps=["sub"]).insert()
    )
    assert await run.wait(timeout=20) == "failed"
    assert await states(run) == {
        "f": "discarded", "sub": "cancelled", "sub/a": "cancelled", "sub/b": "cancelled", "z": "cancelled",
    }  # fmt: skip


async def test_its_flags_are_those_of_its_first_steps(pool, give, fail):
    inner = Baton.new().add("a", give.new(1)).add("b", give.new(result_of("a")))
    run = await Baton.new().add("f", fail.new()).add("sub", inner, deps=["f"], ignore_discarded=True).insert()
    assert await run.wait(timeout=20) == "completed"
    assert await run.result("sub") == 1


async def test_a_failure_inside_that_is_ignored_inside_does_not_fail_it(pool, give, fail):
    inner = Baton.new().add("f", fail.new()).add("after", give.new(7), deps=["f"], ignore_discarded=True)
    run = await Baton.new().add("sub", inner).add("z", give.new(result_of("sub"))).insert()
    assert await run.result(timeout=20) == 7


async def test_a_failure_inside_fails_the_sub_workflow_at_its_end(pool, give, fail):
    """When all inside is final; a dependent outside may ignore it."""
    inner = Baton.new().add("f", fail.new()).add("g", give.new(1)).add("h", give.new(2), deps=["f"]).returns("g")
    run = await (
        Baton.new()
        .add("sub", inner)
        .add("no", give.new(result_of("sub")))
        .add("yes", give.new(result_of("sub")), ignore_discarded=True)
        .insert()
    )
    assert await run.wait(timeout=20) == "failed"
    found = await states(run)
    assert found == {
        "sub": "discarded", "sub/f": "discarded", "sub/g": "completed", "sub/h": "cancelled",
        "no": "cancelled", "yes": "completed",
    }  # fmt: skip
    assert await run.result("yes") == 1
    with pytest.raises(StepFailed, match="step 'sub/f' was discarded: ValueError: on purpose"):
        await run.result("sub")


async def test_a_cancelled_child_cancels_it_and_skipped_ones_skip_it(pool, give):
    @worker
    async def steer(how: str) -> Skip | Cancel:
        return Skip("no") if how == "skip" else Cancel("stop")

    run = await (
        Baton.new()
        .add("s", Baton.new().add("a", steer.new("skip")).add("b", give.new(), deps=["a"]))
        .add("c", Baton.new().add("a", steer.new("cancel")).add("b", give.new()))
        .add("half", Baton.new().add("a", give.new(1)).add("b", steer.new("skip"), deps=["a"]))
        .insert()
    )
    assert await run.wait(timeout=20) == "failed"
    found = await states(run)
    assert [found[name] for name in ("s", "c", "half")] == ["skipped", "cancelled", "completed"]
    with pytest.raises(StepSkipped, match="half/b"):
        await run.result("half")


async def test_the_same_workflow_may_stand_in_several_places_and_hold_maps(pool, give):
    inner = Baton.new().add("m", give.new(each([1, 2])))
    run = await Baton.new().add("a", inner).add("b", inner, deps=["a"]).insert()
    assert await run.result(timeout=20) == [1, 2]
    assert set(await states(run)) == {"a", "b", "a/m", "b/m", "a/m[0]", "a/m[1]", "b/m[0]", "b/m[1]"}


async def test_cancelling_a_group_cancels_all_below_it_and_nothing_beside_it(engine, give):
    inner = Baton.new().add("m", give.new(each([1, 2]))).add("x", give.new(), deps=["m"])
    run = await Baton.new().add("sub", inner).add("beside", give.new()).add("z", give.new(), deps=["sub"]).insert()
    assert await run.cancel("sub", reason="enough") == 3
    assert await states(run) == {
        "sub": "cancelled", "sub/m": "cancelled", "sub/x": "cancelled", "beside": "available", "z": "cancelled",
    }  # fmt: skip


async def test_retry_runs_only_the_failed_children_again(pool, give):
    heals: list[str] = []

    @worker(max_attempts=1)
    async def frail(ctx: Context) -> str:
        heals.append(ctx.step)
        if heals.count(ctx.step) == 1 and ctx.step.endswith("bad"):
            raise ValueError
        return ctx.step

    inner = Baton.new().add("good", frail.new()).add("bad", frail.new())
    run = await Baton.new().add("sub", inner).add("z", give.new(result_of("sub"))).insert()
    assert await run.wait(timeout=20) == "failed"

    assert await run.retry("sub") == 3
    assert await run.wait(timeout=20) == "completed"
    assert sorted(heals) == ["sub/bad", "sub/bad", "sub/good"]
    assert await run.result("z") == {"good": "sub/good", "bad": "sub/bad"}


def test_all_faults_of_nested_workflows_are_reported(give):
    endless = Baton.new().add("a", give.new())
    endless.add("again", endless)
    with pytest.raises(InvalidWorkflow) as caught:
        (
            Baton.new()
            .add("empty", Baton.new())
            .add("endless", endless)
            .add("lost", Baton.new().add("a", give.new(), deps=["outer", "nobody"]))
            .add("outer", give.new(), deps=["lost"])
            .add("gives", Baton.new().add("rows", give.new()).returns("row"))
            .validate()
        )
    assert str(caught.value).splitlines() == [
        "the workflow has 5 faults:",
        "- step 'empty' is a workflow without steps; add at least one",
        "- step 'endless/again' is a workflow that it is part of itself; build another one for it",
        "- step 'lost/a' depends on 'nobody', which is not in the workflow",
        "- steps wait for each other in a cycle: 'lost' -> 'outer' -> 'lost/a' -> 'lost'",
        "- step 'gives' returns 'row', which is no step of it; did you mean 'rows'?",
    ]


def test_nesting_is_met_without_recursion_up_to_its_limit(give):
    flow = Baton.new().add("x", give.new())
    for _ in range(100):
        flow = Baton.new().add("x", flow)
    assert len(flow.validate()) == 101
    with pytest.raises(InvalidWorkflow, match="has more than 100 groups around it; that is the limit"):
        Baton.new().add("x", flow).validate()


async def test_another_result_or_another_workflow_inside_is_another_graph(engine, give):
    def flow(value, returned):
        inner = Baton.new().add("a", give.new(value)).add("b", give.new()).returns(returned)
        return Baton.new(workflow_id="same").add("sub", inner)

    first = await flow(1, "a").insert()
    assert (await flow(1, "a").insert()).id == first.id
    for other in (flow(2, "a"), flow(1, "b")):
        with pytest.raises(WorkflowExists):
            await other.insert()
