"""What travels along the edges: results into arguments, contexts and hands, typed as they were."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest

from baton import Baton, Context, Skip, StepCancelled, StepFailed, WorkerPool, result_of, worker
from tests.programs import pool_workers


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Order:
    id: uuid.UUID
    at: datetime
    price: Decimal
    colour: Colour
    lasts: timedelta


class Point(msgspec.Struct, frozen=True):
    x: float
    y: float = 0.0


ORDER = Order(
    uuid.UUID(int=7), datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC), Decimal("1.50"), Colour.BLUE, timedelta(hours=1)
)


async def test_results_come_as_arguments_in_lists_and_in_mappings(pool):
    @worker
    async def one(value: Any) -> Any:
        return value

    @worker
    async def gather(plain: Any, listed: list[Any], mapped: dict[str, Any]) -> Any:
        return [plain, listed, mapped]

    run = await (
        Baton.new()
        .add("a", one.new(value=1))
        .add("b", one.new(value={"deep": [None]}))
        .add(
            "all",
            gather.new(
                plain=result_of("a"),
                listed=[0, result_of("b"), [result_of("a")]],
                mapped={"x": {"y": result_of("b")}, "z": "as it is"},
            ),
        )
        .insert()
    )

    assert await run.result("all", timeout=10) == [
        1,
        [0, {"deep": [None]}, [1]],
        {"x": {"y": {"deep": [None]}}, "z": "as it is"},
    ]


async def test_a_context_has_the_results_of_declared_dependencies_and_no_others(pool):
    @worker
    async def number(value: int) -> int:
        return value

    @worker
    async def look(ctx: Context) -> list[str]:
        with pytest.raises(KeyError, match="'far' is not a declared dependency of step 'look'"):
            ctx.results["far"]
        return sorted(ctx.results)

    run = await (
        Baton.new()
        .add("far", number.new(value=0))
        .add("near", number.new(value=1), deps=["far"])
        .add("also near", number.new(value=2))
        .add("look", look.new(), deps=["near", "also near"])
        .insert()
    )

    assert await run.result("look", timeout=10) == ["also near", "near"]


async def test_none_is_a_result(pool):
    @worker
    async def nothing() -> None:
        return None

    @worker
    async def look(ctx: Context, given: Any = "the default") -> list[Any]:
        return [given, dict(ctx.results)]

    run = await Baton.new().add("a", nothing.new()).add("look", look.new(given=result_of("a"))).insert()

    assert await run.result("a", timeout=10) is None
    assert await run.result("look", timeout=10) == [None, {"a": None}]


async def test_an_ignored_dependency_that_failed_gives_the_default_and_no_key(pool):
    @worker(max_attempts=1)
    async def fails() -> str:
        raise ValueError("no")

    @worker
    async def look(ctx: Context, given: str = "the default") -> list[Any]:
        return [given, dict(ctx.results)]

    run = await (
        Baton.new().add("a", fails.new()).add("look", look.new(given=result_of("a")), ignore_discarded=True).insert()
    )

    assert await run.result("look", timeout=10) == ["the default", {}]
    assert await run.wait() == "completed"


async def test_a_list_and_a_mapping_leave_out_what_has_no_result(pool):
    """One step that failed does not take the results of the others with it."""

    @worker(max_attempts=1)
    async def number(value: int) -> int:
        if value < 0:
            raise ValueError(value)
        return value

    @worker
    async def gather(listed: list[int], mapped: dict[str, list[int]]) -> list[Any]:
        return [listed, mapped]

    flow = Baton.new()
    for name, value in (("a", 1), ("b", -1), ("c", 3)):
        flow.add(name, number.new(value=value))
    results = [result_of("a"), result_of("b"), result_of("c")]
    mapped = {"a": [result_of("a")], "b": [result_of("b")], "c": [result_of("c"), 7]}
    run = await flow.add("all", gather.new(results, mapped), ignore_discarded=True).insert()

    assert await run.result("all", timeout=20) == [[1, 3], {"a": [1], "b": [], "c": [3, 7]}]


@pytest.mark.parametrize(
    "value",
    [ORDER, Point(1.5), [ORDER, ORDER], {"a": Point(0.1, 2e30)}],
    ids=["dataclass", "struct", "list", "mapping"],
)
async def test_a_typed_result_comes_back_typed_to_workers_and_callers(engine, value):
    kind = {Order: Order, Point: Point, list: list[Order], dict: dict[str, Point]}[type(value)]

    async def make():
        return value

    async def same(given):
        assert given == value
        return given

    make.__annotations__ = {"return": kind}
    same.__annotations__ = {"given": kind, "return": kind}
    make, same = worker(make), worker(same)
    async with WorkerPool(engine):
        run = await Baton.new().add("a", make.new()).add("b", same.new(given=result_of("a"))).insert()

        assert await run.result("a", timeout=10) == value
        assert await run.result("b", timeout=10) == value


async def test_what_python_put_in_is_what_python_gets_back(pool):
    values = [
        "a \x00 b",
        "\ud800 alone",
        1e22,
        -0.0,
        2**70,
        {"b": 1, "a": 2},
        "é 🜁",
        [[]],
        "",
        {"": None},
        True,
        1,
        1.0,
    ]

    @worker
    async def same(given: Any) -> Any:
        return given

    flow = Baton.new()
    for number, value in enumerate(values):
        flow.add(f"{number} in", same.new(given=value)).add(f"{number}", same.new(given=result_of(f"{number} in")))
    run = await flow.insert()

    back = [await run.result(f"{number}", timeout=10) for number in range(len(values))]
    assert [repr(value) for value in back] == [repr(value) for value in values]


async def test_results_cross_to_threads_and_processes_and_back(engine):
    @worker
    def in_a_thread(number: int) -> int:
        return number + 1

    async with WorkerPool(engine, processes=1):
        run = await (
            Baton.new()
            .add("a", pool_workers.double.new(number=1))
            .add("b", in_a_thread.new(number=result_of("a")))
            .add("c", pool_workers.described.new(number=result_of("b")))
            .insert()
        )

        assert await run.result("c", timeout=20) == {"step": "c", "attempt": 1, "results": {"b": 3}, "number": 3}


async def test_the_result_of_a_run_is_that_of_its_last_steps(pool):
    """Of one, its value; of several, a mapping by name."""

    @worker
    async def number(value: int) -> int | Skip:
        return value or Skip("nothing to do")

    chain = await Baton.new().add("a", number.new(value=1)).add("b", number.new(value=2), deps=["a"]).insert()
    fan = await (
        Baton.new()
        .add("root", number.new(value=1))
        .add("left", number.new(value=2), deps=["root"])
        .add("right", number.new(value=3), deps=["root"])
        .add("none", number.new(value=0), deps=["root"])
        .insert()
    )

    assert await chain.result(timeout=10) == 2
    assert await fan.result(timeout=10) == {"left": 2, "right": 3}


async def test_the_context_names_the_step_and_the_attempt(pool):
    seen = []

    @worker(max_attempts=3, backoff=0)
    async def tell(ctx: Context) -> None:
        seen.append((ctx.workflow_id, ctx.workflow_name, ctx.step, ctx.attempt, ctx.max_attempts, ctx.idempotency_key))
        if ctx.attempt < 2:
            raise ValueError("again")

    run = await Baton.new(workflow_id="w", workflow_name="named").add("s", tell.new()).insert()
    await run.result(timeout=10)

    assert seen == [("w", "named", "s", attempt, 3, "w/s") for attempt in (1, 2)]


@pytest.mark.parametrize("meta", [None, {"tenant": "red", "\x00": [1, 2.5, None]}])
async def test_a_context_has_what_was_attached_to_the_workflow(pool, meta):
    @worker
    async def attached(ctx: Context) -> Any:
        return ctx.meta

    inner = Baton.new().add("c", attached.new())
    run = await (
        Baton.new(meta=meta)
        .add("a", attached.new())
        .add("b", pool_workers.attached_as_seen_elsewhere.new())
        .add("inner", inner)
        .insert()
    )

    assert await run.result(timeout=20) == {"a": meta, "b": meta, "inner": meta}


async def test_a_workers_result_under_a_failed_dependency_names_the_first_cause(pool):
    @worker(max_attempts=1)
    async def fails() -> int:
        raise ValueError("the first cause")

    @worker
    async def never(given: int) -> int:
        return given

    run = await Baton.new().add("a", fails.new()).add("b", never.new(given=result_of("a"))).insert()

    with pytest.raises(StepCancelled, match="step 'a' upstream was discarded: ValueError: the first cause"):
        await run.result("b", timeout=10)
    with pytest.raises(StepFailed, match=r"step 'a' of workflow '.*' failed: ValueError: the first cause"):
        await run.result("a", timeout=10)
