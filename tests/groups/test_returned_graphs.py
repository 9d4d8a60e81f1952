"""Workers that return a graph: it takes the place of their step."""

from __future__ import annotations

from typing import Any

import pytest

from baton import (
    Baton,
    Context,
    Engine,
    Limits,
    Skip,
    StepFailed,
    WorkerPool,
    each,
    result_of,
    worker,
)
from tests.programs import folder_walk


async def discarded(run, step):
    """Why a step was discarded, which it must be at its first attempt."""
    assert await run.wait(timeout=20) == "failed"
    with pytest.raises(StepFailed) as caught:
        await run.result(step)
    (found,) = [one for one in await run.steps() if one.name == step]
    assert (found.state, found.attempt, len(found.errors)) == ("discarded", 1, 1)
    return str(caught.value)


async def test_each_of_its_steps_keeps_its_own_options(pool, give, connection):
    @worker
    async def plan(size: int) -> Baton:
        flow = Baton.new()
        for n in range(size):
            flow.add(f"part {n}", give.new(n).with_options(priority=n, timeout=n + 1))
        return flow

    run = await Baton.new().add("plan", plan.new(20)).insert()
    assert await run.wait(timeout=20) == "completed"

    found = await connection.fetch("select name, priority, timeout from steps where parent is not null order by id")
    assert [tuple(row) for row in found] == [(f"plan/part {n}", n, n + 1) for n in range(20)]


async def test_it_takes_the_steps_place_and_its_result_is_the_steps(pool, give):
    @worker
    async def plan(size: int) -> Baton:
        flow = Baton.new()
        for n in range(size):
            flow.add(f"part {n}", give.new(n))
        return flow.add("all", give.new([result_of(f"part {n}") for n in range(size)]))

    run = await Baton.new().add("plan", plan.new(3)).add("after", give.new(result_of("plan"))).insert()
    assert await run.result(timeout=20) == [0, 1, 2]
    group, _ = await run.steps()
    assert (group.grouping, group.attempt, group.result) == ("graph", 1, [0, 1, 2])
    assert [child.name for child in group.children] == ["plan/part 0", "plan/part 1", "plan/part 2", "plan/all"]


async def test_recursion_ends_and_every_level_can_be_seen(pool, give):
    @worker
    async def fibonacci(n: int) -> int | Baton:
        if n < 2:
            return n
        return (
            Baton.new()
            .add("one", fibonacci.new(n - 1))
            .add("two", fibonacci.new(n - 2))
            .add("sum", total.new([result_of("one"), result_of("two")]))
        )

    @worker
    async def total(numbers: list[int]) -> int:
        return sum(numbers)

    run = await fibonacci.new(6).insert()
    assert await run.result(timeout=30) == 8
    assert await run.result("fibonacci/one/one/two/sum") == 1


async def test_names_mean_the_dependencies_of_the_step_that_returned_it(pool, give):
    @worker
    async def look(ctx: Context, from_outside: Any) -> Any:
        return [from_outside, dict(ctx.results)]

    @worker
    async def plan() -> Baton:
        return Baton.new().add("look", look.new(result_of("config")), deps=["order"])

    run = await (
        Baton.new()
        .add("config", give.new({"a": 1}))
        .add("order", give.new("o"))
        .add("plan", plan.new(), deps=["config", "order"])
        .insert()
    )
    assert await run.result("plan", timeout=20) == [{"a": 1}, {"config": {"a": 1}, "order": "o"}]


async def test_a_child_of_a_map_knows_what_the_map_declares(pool, give):
    @worker
    async def plan(number: int) -> Baton:
        return Baton.new().add("x", give.new([number, result_of("config"), result_of("numbers")]))

    run = await (
        Baton.new()
        .add("config", give.new("c"))
        .add("numbers", give.new([1, 2]))
        .add("m", plan.new(each(result_of("numbers"))), deps=["config"])
        .insert()
    )
    assert await run.result("m", timeout=20) == [[1, "c", [1, 2]], [2, "c", [1, 2]]]


async def test_a_step_inside_ends_with_a_failed_outer_step_unless_ignored(pool, give):
    """The step that returned the graph ignored that failure; each step inside has to ignore it itself."""

    @worker(max_attempts=1)
    async def fail() -> None:
        raise ValueError("outside")

    @worker
    async def plan() -> Baton:
        return (
            Baton.new()
            .add("no", give.new(), deps=["f"])
            .add("below", give.new(), deps=["no"])
            .add("yes", give.new(5), deps=["f"], ignore_discarded=True)
        )

    run = await Baton.new().add("f", fail.new()).add("plan", plan.new(), deps=["f"], ignore_discarded=True).insert()
    assert await run.wait(timeout=20) == "failed"
    _, group = await run.steps()
    assert {child.name: child.state for child in group.children} == {
        "plan/no": "cancelled",
        "plan/below": "cancelled",
        "plan/yes": "completed",
    }
    assert group.state == "cancelled"


async def test_a_step_ignores_an_outer_end_only_if_its_group_does_too(pool, give):
    """A skipped step outside is named by a sub-workflow of the returned graph, and by the entry step of that."""

    @worker
    async def skip() -> Skip:
        return Skip("none")

    @worker
    async def plan() -> Baton:
        inner = Baton.new().add("entry", give.new(), deps=["outside"], ignore_skipped=True)
        return Baton.new().add("inner", inner, deps=["outside"])

    flow = Baton.new().add("outside", skip.new())
    run = await flow.add("plan", plan.new(), deps=["outside"], ignore_skipped=True).insert()

    assert await run.wait(timeout=20) == "completed"
    _, returned = await run.steps()
    (entry,) = returned.children[0].children
    assert (entry.name, entry.state) == ("plan/inner/entry", "skipped")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda job: Baton.new().add("a", job, deps=["b"]).add("b", job, deps=["a"]), "cycle: 'a' -> 'b' -> 'a'"),
        (lambda job: Baton.new().add("a", job).add("a", job), "there is a step named 'a' already"),
        (lambda job: Baton.new().add("a/b", job), "'/' is reserved for the children of a step"),
        (lambda job: Baton.new(), "the workflow has no steps"),
        (lambda job: Baton.new().add("aa", job).add("b", job, deps=["ab"]), "'ab', which is not in the workflow; did"),
        (lambda job: Baton.new().add("a", job, deps=["beside"]), "nor is it a declared dependency of the step"),
    ],
    ids=["cycle", "taken", "reserved", "empty", "unknown", "not declared"],
)
async def test_a_faulty_graph_discards_the_step_at_once_and_the_rest_goes_on(pool, give, build, message):
    @worker
    async def plan() -> Baton:
        return build(give.new(1))

    run = await Baton.new().add("beside", give.new(2)).add("plan", plan.new()).insert()
    assert message in await discarded(run, "plan")
    assert await run.result("beside") == 2


async def test_a_graph_beyond_the_limits_discards_the_step(database, give):
    @worker
    async def plan(size: int) -> Baton:
        flow = Baton.new()
        for n in range(size):
            flow.add(f"{n}", give.new("x" * 100 if size == 2 else 1))
        return flow

    async with Engine(database, limits=Limits(steps=5, argument_bytes=50)) as engine, WorkerPool(engine):
        large, wide = await plan.new(5).insert(), await plan.new(2).insert()
        assert "the workflow would have 6 steps, and the limit is 5" in await discarded(large, "plan")
        assert "step '0' has arguments of 112 bytes as JSON, and the limit is 50" in await discarded(wide, "plan")


async def test_runaway_recursion_ends_at_the_limit_of_nesting(pool):
    @worker
    async def down() -> Baton:
        return Baton.new().add("d", down.new())

    run = await down.new().insert()
    assert await run.wait(timeout=30) == "failed"
    with pytest.raises(StepFailed, match="has more than 100 groups around it; that is the limit"):
        await run.result()


@pytest.mark.parametrize("executor", ["thread", "process"])
async def test_workers_in_threads_and_processes_return_graphs_as_well(engine, tmp_path, executor):
    names = ("a", "b/c", "b/d/e")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * len(name))
    count = folder_walk.count_in_thread if executor == "thread" else folder_walk.count_in_process
    from baton.core import registry

    for known in (folder_walk.count_in_thread, folder_walk.count_in_process, folder_walk.add_up):
        registry.add(known)
    async with WorkerPool(engine, processes=1):
        run = await count.new(str(tmp_path)).insert()
        assert await run.result(timeout=60) == sum(map(len, names))


async def test_three_levels_of_returned_graphs_agree_with_plain_recursion(pool):
    """The same function as plain Python and as steps; some of its leaves fail."""

    def plain(number: int, depth: int) -> int | None:
        if depth == 0:
            return None if number % 5 == 3 else number
        values = [plain(2 * number + side, depth - 1) for side in (0, 1)]
        return sum(value for value in values if value is not None)

    @worker(max_attempts=1)
    async def node(number: int, depth: int) -> int | Baton:
        if depth == 0:
            if number % 5 == 3:
                raise ValueError(number)
            return number
        return (
            Baton.new()
            .add("left", node.new(2 * number, depth - 1))
            .add("right", node.new(2 * number + 1, depth - 1))
            .add("sum", total.new(result_of("left"), result_of("right")), ignore_discarded=True)
        )

    @worker
    async def total(left: int = 0, right: int = 0) -> int:
        return left + right

    inner = Baton.new().add("nodes", node.new(each(list(range(12))), depth=3))
    run = await Baton.new().add("inner", inner).insert()
    assert await run.wait(timeout=60) == "completed"
    assert await run.result("inner") == [plain(number, 3) for number in range(12)]
