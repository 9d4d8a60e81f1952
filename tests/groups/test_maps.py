"""Maps: one child per item of a list that is known at insert, or only at run time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from baton import (
    Baton,
    Context,
    Engine,
    InvalidOption,
    InvalidWorkflow,
    Limits,
    Skip,
    Snooze,
    StepFailed,
    StepSkipped,
    WorkerPool,
    each,
    result_of,
    worker,
)


@pytest.fixture
def numbers():
    @worker
    async def numbers(size: int) -> list[int]:
        return list(range(size))

    return numbers


@pytest.fixture
def double():
    @worker(name="maps: double")
    async def double(number: int, plus: int = 0) -> int:
        return 2 * number + plus

    return double


@pytest.fixture
def picky():
    @worker(max_attempts=1)
    async def picky(number: int) -> int | Skip:
        if number % 3 == 0:
            raise ValueError(f"no {number}")
        return Skip("even") if number % 2 == 0 else number

    return picky


def names(steps):
    return [step.name for step in steps]


async def test_a_list_known_at_run_time_has_one_child_per_item(pool, numbers, double, give):
    """The result is in the order of the items."""
    run = await (
        Baton.new()
        .add("n", numbers.new(12))
        .add("m", double.new(each(result_of("n")), plus=1))
        .add("sum", give.new(result_of("m")))
        .insert()
    )

    assert await run.result("sum", timeout=20) == [2 * n + 1 for n in range(12)]
    group = (await run.steps())[1]
    assert (group.grouping, group.state, group.result) == ("map", "completed", [2 * n + 1 for n in range(12)])
    assert names(group.children) == [f"m[{n}]" for n in range(12)]
    assert [child.args for child in group.children] == [{"number": n, "plus": 1} for n in range(12)]
    assert await run.result("m[3]") == 7


async def test_a_literal_list_may_hold_results_of_other_steps(pool, give, double):
    run = await Baton.new().add("a", give.new(5)).add("m", double.new(each([1, result_of("a"), 3]))).insert()
    assert await run.result("m", timeout=20) == [2, 10, 6]


async def test_several_lists_go_in_step(pool, numbers, double):
    run = await (
        Baton.new()
        .add("n", numbers.new(3))
        .add("m", double.new(each(result_of("n")), plus=each([10, 20, 30])))
        .insert()
    )
    assert await run.result(timeout=20) == [10, 22, 34]


async def test_a_single_map_needs_no_workflow_around_it(pool, double):
    run = await double.new(each([1, 2])).insert()
    assert await run.result(timeout=20) == [2, 4]


@pytest.mark.parametrize("size", [0])
async def test_an_empty_list_is_a_result_at_once(pool, numbers, double, give, size):
    run = await (
        Baton.new()
        .add("n", numbers.new(size))
        .add("m", double.new(each(result_of("n"))))
        .add("after", give.new(result_of("m")))
        .insert()
    )
    assert await run.result(timeout=20) == []
    group = (await run.steps())[1]
    assert (group.state, group.result, group.children) == ("completed", [], [])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1}, "each(...) for 'number' takes a list, and this is an object"),
        ("abc", "each(...) for 'number' takes a list, and this is a string"),
        (None, "each(...) for 'number' takes a list, and this is null"),
        (True, "each(...) for 'number' takes a list, and this is a boolean"),
        ([1], "the lists of several each(...) must agree in length: 'number' has 1 items and 'plus' has 2 items"),
    ],
)
async def test_a_map_over_no_list_is_discarded_and_the_rest_goes_on(pool, give, double, value, message):
    """At once: no attempt is repeated."""
    run = await (
        Baton.new()
        .add("v", give.new(value))
        .add("m", double.new(each(result_of("v")), plus=each([1, 2])))
        .add("after", give.new(result_of("m")))
        .add("apart", give.new(1))
        .insert()
    )
    assert await run.wait(timeout=20) == "failed"
    with pytest.raises(StepFailed) as caught:
        await run.result("m")
    assert message in str(caught.value)
    states = {step.name: (step.state, step.attempt) for step in await run.steps()}
    assert states == {
        "v": ("completed", 1),
        "m": ("discarded", 1),
        "after": ("cancelled", 0),
        "apart": ("completed", 1),
    }


async def test_a_map_beyond_the_limit_of_steps_is_discarded(database, numbers, double):
    async with Engine(database, limits=Limits(steps=10)) as engine, WorkerPool(engine):
        run = await Baton.new().add("n", numbers.new(9)).add("m", double.new(each(result_of("n")))).insert()
        assert await run.wait(timeout=20) == "failed"
        with pytest.raises(StepFailed, match="the workflow would have 11 steps, and the limit is 10"):
            await run.result("m")
        fits = await Baton.new().add("n", numbers.new(8)).add("m", double.new(each(result_of("n")))).insert()
        assert await fits.wait(timeout=20) == "completed"


async def test_an_item_beyond_the_limit_of_arguments_discards_the_map(database, give, double):
    async with Engine(database, limits=Limits(argument_bytes=100)) as engine, WorkerPool(engine):

        @worker
        async def texts() -> list[str]:
            return ["a", "b" * 200]

        run = await Baton.new().add("t", texts.new()).add("m", give.new(each(result_of("t")))).insert()
        assert await run.wait(timeout=20) == "failed"
        with pytest.raises(StepFailed, match=r"step '\[1\]' has arguments of 21\d bytes as JSON, and the limit is 100"):
            await run.result("m")


async def test_a_failed_child_fails_the_map_after_its_siblings_ran_on(pool, numbers, picky, give):
    run = await (
        Baton.new()
        .add("n", numbers.new(6))
        .add("m", picky.new(each(result_of("n"))))
        .add("after", give.new(result_of("m")))
        .insert()
    )
    assert await run.wait(timeout=20) == "failed"
    _, group, after = await run.steps()
    assert [child.state for child in group.children] == [
        "discarded", "completed", "skipped", "discarded", "skipped", "completed",
    ]  # fmt: skip
    assert (group.state, after.state) == ("discarded", "cancelled")
    assert group.reason == "2 of its 6 children were discarded; first step 'm[0]' was discarded: ValueError: no 0"
    with pytest.raises(StepFailed):
        await run.result("m")


async def test_a_dependent_that_ignores_a_failed_map_gets_its_results(pool, numbers, picky):
    """Those that exist; which child failed is in `ctx.outcomes`."""

    @worker
    async def summary(ctx: Context, found: list[int] | None = None) -> Any:
        outcome = ctx.outcomes["m"]
        children = {name: (child.state, child.reason) for name, child in outcome.children.items()}
        return [found, outcome.state, children, ctx.outcomes["n"].state, dict(ctx.outcomes["n"].children)]

    run = await (
        Baton.new()
        .add("n", numbers.new(4))
        .add("m", picky.new(each(result_of("n"))))
        .add("s", summary.new(result_of("m")), deps=["n"], ignore_discarded=True)
        .insert()
    )
    assert await run.result("s", timeout=20) == [
        [1],
        "discarded",
        {
            "m[0]": ["discarded", "ValueError: no 0"],
            "m[1]": ["completed", None],
            "m[2]": ["skipped", "even"],
            "m[3]": ["discarded", "ValueError: no 3"],
        },
        "completed",
        {},
    ]
    assert (await run.status()).state == "completed"


async def test_a_map_whose_children_were_all_skipped_is_skipped(pool, picky, give):
    run = await Baton.new().add("m", picky.new(each([2, 4]))).add("after", give.new(result_of("m"))).insert()
    assert await run.wait(timeout=20) == "completed"
    assert [step.state for step in await run.steps()] == ["skipped", "skipped"]
    with pytest.raises(StepSkipped):
        await run.result("m")


async def test_children_get_the_results_that_the_map_refers_to(pool, give, numbers):
    """In arguments, and in the context."""

    @worker
    async def mixed(ctx: Context, number: int, other: Any) -> Any:
        return [number, other, dict(ctx.results), sorted(ctx.outcomes), ctx.step]

    run = await (
        Baton.new()
        .add("n", numbers.new(2))
        .add("o", give.new("other"))
        .add("d", give.new("declared"))
        .add("m", mixed.new(each(result_of("n")), result_of("o")), deps=["d"])
        .insert()
    )
    seen = {"o": "other", "d": "declared"}
    assert await run.result("m", timeout=20) == [
        [0, "other", seen, ["d", "o"], "m[0]"],
        [1, "other", seen, ["d", "o"], "m[1]"],
    ]


async def test_a_list_whose_ignored_dependency_failed_has_no_items(pool, double, give):
    @worker(name="maps: failing", max_attempts=1)
    async def failing() -> list[int]:
        raise ValueError

    @worker
    async def optional(number: int = 0) -> int:
        return number

    run = await (
        Baton.new()
        .add("n", failing.new())
        .add("m", optional.new(each(result_of("n"))), ignore_discarded=True)
        .add("after", give.new(result_of("m")))
        .insert()
    )
    assert await run.result("after", timeout=20) == []


async def test_a_snoozing_and_a_retried_child_keep_their_place(engine, connection):
    seen: list[tuple[int, int]] = []

    @worker(backoff=0.05, max_attempts=3)
    async def unsteady(ctx: Context, number: int) -> int | Snooze:
        seen.append((number, ctx.attempt))
        if number == 0 and len(seen) == 1:
            return Snooze(0.05)
        if number == 0 and ctx.attempt == 1:
            raise ValueError
        return number

    async with WorkerPool(engine, poll=0.5):
        run = await unsteady.new(each([0, 1, 2])).with_options(concurrency=1).insert()
        assert await run.result(timeout=20) == [0, 1, 2]
    assert seen == [(0, 1), (0, 1), (0, 2), (1, 1), (2, 1)]


async def test_results_are_typed_by_the_annotation_of_the_children(pool):
    @worker
    async def when(day: int) -> datetime:
        return datetime(2026, 1, day, tzinfo=UTC)

    run = await Baton.new().add("m", when.new(each([1, 2]))).insert()
    assert await run.result(timeout=20) == [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]


async def test_options_are_those_of_each_child(engine, connection, double):
    job = double.new(each([1, 2])).with_options(queue="slow", priority=3, max_attempts=7, timeout=9)
    async with WorkerPool(engine, queues={"slow": 2}):
        run = await job.insert()
        assert await run.wait(timeout=20) == "completed"
    rows = await connection.fetch("select queue, priority, max_attempts, timeout from steps where parent is not null")
    assert [tuple(row) for row in rows] == [("slow", 3, 7, 9.0)] * 2


def test_concurrency_belongs_to_a_job_with_children(double):
    with pytest.raises(InvalidOption, match=r"no argument of this job is each\(\.\.\.\), so it has no children"):
        double.new(1).with_options(concurrency=5)
    with pytest.raises(InvalidOption, match="it must be between 1 and"):
        double.new(each([1])).with_options(concurrency=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda: {"number": [each([1])]}, r"each\(\.\.\.\) cannot stand here; it must be an argument itself"),
        (lambda: {"number": each("abc")}, r"each takes a list of items or result_of\(\.\.\.\), not str"),
        (lambda: {"number": each({"a": 1})}, "not dict"),
        (lambda: {"number": each(5)}, "not int"),
        (lambda: {"number": each(["x"])}, r"an item of each\(\.\.\.\) for 'number' does not fit: Expected `int`"),
        (lambda: {"number": each([1]), "plus": each([1, 2])}, "'number' has 1 items and 'plus' has 2 items"),
    ],
    ids=["inside", "string", "mapping", "number", "type", "lengths"],
)
def test_a_wrong_each_is_a_type_error_where_it_was_written(double, arguments, message):
    with pytest.raises(TypeError, match=message):
        double.new(**arguments())


def test_an_each_over_a_single_value_is_another_graph_than_the_list_itself(give):
    listed = Baton.new().add("a", give.new([1, 2])).spec().fingerprint
    mapped = Baton.new().add("a", give.new(each([1, 2]))).spec().fingerprint
    bounded = Baton.new().add("a", give.new(each([1, 2])).with_options(concurrency=1)).spec().fingerprint
    assert len({listed, mapped, bounded}) == 3


def test_an_item_that_is_not_json_is_a_fault_of_the_workflow(give):
    with pytest.raises(InvalidWorkflow, match=r"step 'a' has an argument that is not JSON, at \$\.value"):
        Baton.new().add("a", give.new(each([1, float("nan")]))).validate()
