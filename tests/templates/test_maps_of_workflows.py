"""Maps of a workflow: each item becomes the workflow, with the item in its holes."""

from __future__ import annotations

import asyncio
import json

import pytest

from baton import (
    Again,
    Baton,
    Context,
    Fail,
    InvalidOption,
    InvalidWorkflow,
    Signal,
    StepFailed,
    WorkerPool,
    each,
    param,
    result_of,
    worker,
)
from tests.waiting import eventually

SECONDS = 30
effects: list[str] = []


@pytest.fixture(autouse=True)
def _no_effects():
    effects.clear()


@worker(name="map list")
async def names(count: int = 3) -> list[str]:
    return [chr(97 + number) for number in range(count)]


@worker(name="map note", max_attempts=1)
async def note(what: str, more: object = None) -> str:
    effects.append(what)
    return what if more is None else f"{what}+{more}"


@worker(name="map fail", max_attempts=1)
async def fail_on(item: str, bad: str = "b") -> str | Fail:
    return Fail("bad item") if item == bad else item


@worker(name="map close")
async def close(item: str, result: str | None) -> None:
    effects.append(f"close {item} {result}")


@worker(name="map undo")
async def undo(item: str) -> None:
    effects.append(f"undo {item}")


@worker(name="map again")
async def count_up(item: int, limit: int = 3) -> int | Again:
    return item if item >= limit else Again(item=item + 1)


async def ended(engine, flow, **pool):
    run = await flow.insert()
    async with WorkerPool(engine, **pool):
        state = await run.wait(timeout=SECONDS)
    return run, state


async def tree(run):
    """The states of all steps by name, also those in groups."""
    found = {}
    waiting = list(await run.steps())
    while waiting:
        step = waiting.pop()
        found[step.name] = step.state
        waiting += step.children
    return found


def two() -> Baton:
    return (
        Baton.new()
        .add("first", note.new(param("item")))
        .add("second", note.new(result_of("first"), more=param("item")))
        .returns("second")
    )


async def test_each_item_becomes_a_workflow_and_its_result_an_item(engine):
    flow = Baton.new().add("list", names.new()).add("items", two(), each={"item": result_of("list")})

    run, state = await ended(engine, flow)

    assert state == "completed"
    assert await run.result("items") == ["a+a", "b+b", "c+c"]
    states = await tree(run)
    assert set(states) == {
        *("list", "items"),
        *(f"items[{n}]{below}" for n in range(3) for below in ("", "/first", "/second")),
    }


async def test_lists_that_are_known_and_several_holes_are_taken_in_parallel(engine):
    inner = Baton.new().add("a", note.new(param("x"), more=[param("y"), {"z": param("x")}]))
    flow = Baton.new().add("m", inner, each={"x": ["p", "q"], "y": [1, None]})

    run, _ = await ended(engine, flow)

    assert await run.result("m") == ["p+[1, {'z': 'p'}]", "q+[None, {'z': 'q'}]"]


async def test_names_in_the_workflow_stand_for_steps_around_the_map(engine):
    """The map waits for them, without being said so."""
    inner = Baton.new().add("a", note.new(param("x"), more=result_of("late")))
    flow = (
        Baton.new()
        .add("m", inner, each={"x": ["p", "q"]})
        .add("late", note.new("later"), deps=["before"])
        .add("before", note.new("before"))
    )

    run, _ = await ended(engine, flow)

    assert await run.result("m") == ["p+later", "q+later"]


async def test_what_the_workflow_may_do_without_does_not_cancel_the_map(engine):
    inner = Baton.new().add("a", note.new(param("x"), more=result_of("broken", default="none")))
    flow = (
        Baton.new()
        .add("broken", fail_on.new("b"))
        .add("m", inner, each={"x": ["p"]})
        .add("end", note.new("end"), deps=["m"])
    )

    run, state = await ended(engine, flow)

    assert state == "completed"
    assert await run.result("m") == ["p+none"]


async def test_a_slot_is_held_until_the_item_is_final(engine):
    """With one slot the steps of one item all come before those of the next."""
    flow = Baton.new().add("m", two().with_options(concurrency=1), each={"item": ["a", "b", "c"]})

    await ended(engine, flow)

    assert effects == ["a", "a", "b", "b", "c", "c"]


async def test_failures_of_items_are_tolerated_and_counted(engine):
    inner = Baton.new().add("f", fail_on.new(param("x"))).add("g", note.new(result_of("f")))
    flow = (
        Baton.new()
        .add("some", inner.with_options(tolerate=1), each={"x": ["a", "b", "c"]})
        .add("all", inner, each={"x": ["a", "b"]})
        .add("one", inner.with_options(needs=1, concurrency=1), each={"x": ["a", "b"]})
    )

    run, state = await ended(engine, flow)

    assert state == "failed"
    assert await run.result("some") == ["a", "c"]
    assert await run.result("one") == ["a"]
    with pytest.raises(StepFailed, match=r"step 'all\[1\]/f' was discarded: bad item"):
        await run.result("all")


async def test_closing_steps_run_once_for_each_item(engine):
    inner = (
        Baton.new()
        .add("f", fail_on.new(param("x")))
        .add("close", close.new(param("x"), result_of("f", default=None)), runs="always")
        .returns("f")
    )
    flow = Baton.new().add("m", inner, each={"x": ["a", "b"]})

    _, state = await ended(engine, flow)

    assert state == "failed"
    assert sorted(effects) == ["close a a", "close b None"]


async def test_undos_take_the_item_and_run_when_the_workflow_fails(engine):
    inner = Baton.new().add("n", note.new(param("x")), undo=undo.new(param("x")))
    flow = Baton.new().add("m", inner, each={"x": ["a", "b"]}).add("f", fail_on.new("b"), deps=["m"])

    _, state = await ended(engine, flow)

    assert state == "failed"
    assert sorted(effects) == ["a", "b", "undo a", "undo b"]


async def test_conditions_hold_for_each_item(engine):
    inner = Baton.new().add("n", note.new(param("x"))).add("only", note.new("only"), when=result_of("n") == "b")
    flow = Baton.new().add("m", inner, each={"x": ["a", "b"]})

    run, _ = await ended(engine, flow)

    states = await tree(run)
    assert (states["m[0]/only"], states["m[1]/only"]) == ("skipped", "completed")


async def test_each_item_has_its_own_signal(engine):
    inner = Baton.new().add("ok", Signal(str)).add("n", note.new(param("x"), more=result_of("ok")))
    run = await Baton.new().add("m", inner, each={"x": ["a", "b"]}).insert()

    async with WorkerPool(engine):
        for number in range(2):
            await eventually(lambda number=number: waits(run, f"m[{number}]/ok"))
            await run.signal(f"m[{number}]/ok", f"yes {number}")
        assert await run.result("m", timeout=SECONDS) == ["a+yes 0", "b+yes 1"]


async def waits(run, name):
    return (await tree(run)).get(name) == "waiting"


async def test_maps_of_workflows_hold_maps_of_jobs_and_of_workflows(engine):
    innermost = Baton.new().add("n", note.new(param("word"), more=[param("x"), param("y")]))
    inner = (
        Baton.new()
        .add("jobs", note.new(each([param("x"), "c"])))
        .add(
            "group", Baton.new().add("flows", innermost, each={"word": result_of("jobs"), "y": [1, 2]}).returns("flows")
        )
        .returns("group")
    )
    flow = Baton.new().add("m", inner, each={"x": ["a", "b"]})

    run, state = await ended(engine, flow)

    assert state == "completed"
    assert await run.result("m") == [["a+['a', 1]", "c+['a', 2]"], ["b+['b', 1]", "c+['b', 2]"]]


async def test_the_innermost_map_fills_a_hole(engine):
    """A map inside takes items of its own for a hole whose name the map around it has as well."""
    innermost = Baton.new().add("n", note.new(param("x")))
    inner = Baton.new().add("deep", innermost, each={"x": ["p", param("x")]})
    flow = Baton.new().add("m", inner, each={"x": ["a", "b"]})

    run, _ = await ended(engine, flow)

    assert await run.result("m") == [["p", "a"], ["p", "b"]]


async def test_a_step_around_the_map_that_fails_cancels_it(engine):
    inner = Baton.new().add("a", note.new(param("x"), more=result_of("broken")))
    flow = Baton.new().add("broken", fail_on.new("b")).add("m", inner, each={"x": ["p"]})

    run, _ = await ended(engine, flow)

    assert await tree(run) == {"broken": "discarded", "m": "cancelled"}


async def test_a_map_over_no_items_is_completed_at_once(engine):
    flow = Baton.new().add("list", names.new(0)).add("m", two(), each={"item": result_of("list")})

    run, _ = await ended(engine, flow)

    assert await run.result("m") == []


async def test_a_map_of_a_workflow_may_be_in_a_returned_graph(engine):
    run = await graph.new().insert()

    async with WorkerPool(engine):
        assert await run.result(timeout=SECONDS) == ["a+outer", "b+outer"]


@worker(name="map graph")
async def graph() -> Baton:
    inner = Baton.new().add("n", note.new(param("x"), more=result_of("outer")))
    flow = Baton.new().add("outer", note.new("outer")).add("m", inner, each={"x": ["a", "b"]})
    return flow.returns("m")


async def test_retry_opens_what_failed_in_an_item(engine):
    inner = Baton.new().add("n", note.new(param("x"))).add("f", fail_on.new(result_of("n")))
    run, state = await ended(engine, Baton.new().add("m", inner, each={"x": ["a", "b"]}))
    assert state == "failed"

    with_fix = fail_on.function.__defaults__
    fail_on.function.__defaults__ = ("none",)
    try:
        assert await run.retry() > 0
        async with WorkerPool(engine):
            assert await run.result("m", timeout=SECONDS) == ["a", "b"]
    finally:
        fail_on.function.__defaults__ = with_fix
    assert effects == ["a", "b"] or effects == ["b", "a"]


async def test_a_map_is_reused_if_its_workflow_is_the_same(engine):
    def flow(inner):
        return Baton.new().add("m", inner, each={"item": ["a", "b"]}).add("end", note.new("end"), deps=["m"])

    first, _ = await ended(engine, flow(two()))
    effects.clear()
    same = await flow(two()).insert(reusing=first)
    other = await flow(two().add("third", note.new("third"))).insert(reusing=first)
    async with WorkerPool(engine):
        assert await same.result("m", timeout=SECONDS) == ["a+a", "b+b"]
        await other.wait(timeout=SECONDS)

    assert sorted(effects) == ["a", "a", "b", "b", "end", "third", "third"]


async def test_an_item_is_cancelled_with_all_below_it(engine):
    inner = Baton.new().add("ok", Signal(str)).add("n", note.new(param("x")), deps=["ok"])
    run = await Baton.new().add("m", inner, each={"x": ["a", "b"]}).insert()

    async with WorkerPool(engine):
        await eventually(lambda: waits(run, "m[0]/ok"))
        await eventually(lambda: waits(run, "m[1]/ok"))
        await run.cancel("m[0]")
        await run.signal("m[1]/ok", "yes")
        assert await run.wait(timeout=SECONDS) == "failed"

    states = await tree(run)
    assert (states["m[0]"], states["m[0]/n"], states["m[1]"], states["m[1]/n"]) == (
        *("cancelled", "cancelled"),
        *("completed", "completed"),
    )


async def test_a_step_of_an_item_may_ask_for_another_round(engine):
    inner = Baton.new().add("n", count_up.new(param("item")))
    flow = Baton.new().add("m", inner, each={"item": [1, 2]})

    run, _ = await ended(engine, flow)

    assert await run.result("m") == [3, 3]


async def test_outcomes_name_the_items(engine):
    inner = Baton.new().add("f", fail_on.new(param("x")))
    flow = (
        Baton.new().add("m", inner, each={"x": ["a", "b"]}).add("look", look.new(), deps=["m"], ignore_discarded=True)
    )

    run, _ = await ended(engine, flow)

    assert await run.result("look") == {"m[0]": "completed", "m[1]": "discarded"}


@worker(name="map look")
async def look(ctx: Context) -> dict[str, str]:
    return {name: child.state for name, child in ctx.outcomes["m"].children.items()}


async def test_many_pools_share_the_items(engine):
    flow = Baton.new().add("m", two().with_options(concurrency=4), each={"item": [str(n) for n in range(40)]})
    run = await flow.insert()

    async with WorkerPool(engine), WorkerPool(engine), WorkerPool(engine):
        assert await run.result("m", timeout=SECONDS) == [f"{n}+{n}" for n in range(40)]

    assert sorted(effects) == sorted([str(n) for n in range(40)] * 2)


def faults(flow) -> str:
    with pytest.raises(InvalidWorkflow) as refused:
        flow.validate()
    return str(refused.value)


def test_a_hole_of_another_name_is_named_with_those_that_there_are() -> None:
    said = faults(Baton.new().add("m", two(), each={"itme": ["a"]}))
    assert "each= of step 'm' names 'itme', which is no hole of its workflow; did you mean 'item'?" in said
    assert "step 'm[]/first' has the hole 'item', and no value for it" in said


def test_items_that_do_not_fit_their_place_are_named() -> None:
    said = faults(Baton.new().add("m", two(), each={"item": ["a", 3]}))
    assert "item 1 of 'item' of step 'm' does not fit: in step 'first', map note: in `$.what`: Expected `str`" in said


def test_a_result_that_is_no_list_of_such_items_is_a_fault() -> None:
    flow = Baton.new().add("one", note.new("x")).add("m", two(), each={"item": result_of("one")})
    assert "takes each item of the result of 'one', which is str and not a list" in faults(flow)
    wrong = Baton.new().add("n", count_up.new(param("item")))
    flow = Baton.new().add("list", names.new()).add("m", wrong, each={"item": result_of("list")})
    assert "step 'm'" in faults(flow)


def test_faults_inside_the_workflow_are_those_of_its_map() -> None:
    inner = Baton.new().add("a", note.new(param("x")), deps=["b"]).add("b", note.new("b"), deps=["a"])
    assert "in the workflow that step 'm' maps: " in faults(Baton.new().add("m", inner, each={"x": ["a"]}))


def test_unknown_names_inside_are_unknown_dependencies_of_the_map() -> None:
    inner = Baton.new().add("a", note.new(param("x"), more=result_of("lst")))
    flow = Baton.new().add("list", names.new()).add("m", inner, each={"x": ["a"]})
    assert "step 'm' depends on 'lst', which is not in the workflow" in faults(flow)


def test_a_workflow_cannot_map_itself() -> None:
    flow = Baton.new()
    flow.add("m", flow, each={"x": ["a"]})
    assert "'m'" in faults(flow)


def test_lists_of_unequal_length_are_refused() -> None:
    inner = Baton.new().add("a", note.new(param("x"), more=param("y")))
    with pytest.raises(TypeError, match="must agree in length: 'x' has 1 items and 'y' has 2 items"):
        Baton.new().add("m", inner, each={"x": ["a"], "y": [1, 2]})


def test_options_of_a_map_need_a_map() -> None:
    with pytest.raises(InvalidOption, match="it is for a map, and step 'g' is none; give each= as well"):
        Baton.new().add("g", two().with_options(concurrency=2))
    with pytest.raises(TypeError, match="a job takes each"):
        Baton.new().add("g", note.new("x"), each={"x": [1]})  # type: ignore[arg-type]


def test_items_of_options_are_checked_if_they_are_known() -> None:
    inner = Baton.new().add("a", note.new(param("x")).with_options(queue=param("q")))
    flow = Baton.new().add("m", inner, each={"x": ["a", "b"], "q": ["b", ""]})
    assert "item 1 of 'q' of step 'm' does not fit: in step 'a', queue='' cannot be used" in faults(flow)


async def test_options_of_an_item_s_steps_and_undos_may_be_its_own(engine):
    """A lane for each tenant, for example; what does not fit is found when the item becomes steps."""
    inner = Baton.new().add(
        "n",
        note.new(param("x")).with_options(queue=param("q")),
        undo=undo.new(param("x")).with_options(queue=param("q")),
    )
    flow = (
        Baton.new()
        .add("list", names.new(2))
        .add("m", inner, each={"x": result_of("list"), "q": ["one", "two"]})
        .add("wrong", inner, each={"x": result_of("list"), "q": result_of("m")}, deps=["m"])
        .add("bad", inner, each={"x": ["c"], "q": result_of("numbers")})
        .add("numbers", numbers.new())
    )

    run, state = await ended(engine, flow, queues={"default": 5, "one": 1, "two": 1, "a": 1, "b": 1})

    assert state == "failed"
    queues = {step.name: step.queue for step in flat(await run.steps())}
    assert (queues["m[0]/n"], queues["m[1]/n"], queues["wrong[1]/n"]) == ("one", "two", "b")
    assert (queues["m[0]/n[undo]"], queues["m[1]/n[undo]"]) == ("one", "two")
    with pytest.raises(StepFailed, match="the workflow of this item cannot be made: queue=3 cannot be used"):
        await run.result("bad")


@worker(name="map numbers")
async def numbers() -> list[int]:
    return [3]


def flat(steps):
    return [one for step in steps for one in (step, *flat(step.children))]


def test_a_template_keeps_the_map_and_the_holes_that_are_left() -> None:
    inner = Baton.new().add("a", note.new(param("x"), more=param("site")))
    flow = Baton.new().add("m", inner.with_options(concurrency=2), each={"x": ["a", param("last")]})
    text = flow.to_template()
    back = Baton.from_template(text, site="s", last="z")
    step = back.spec().steps[0]
    assert json.loads(step.args) == {"x": ["a", "z"]}
    assert json.loads(text)["steps"][0]["options"] == {"concurrency": 2}
    assert "site" not in back.to_template()


def test_the_workflow_decides_the_fingerprint() -> None:
    def fingerprint(inner: Baton) -> str:
        return Baton.new().add("m", inner, each={"item": ["a"]}).spec().fingerprint

    assert fingerprint(two()) == fingerprint(two())
    assert fingerprint(two()) != fingerprint(two().add("third", note.new("x")))


async def test_a_client_inserts_it_as_the_owner_does(engine, database):
    """The text for other drivers holds it as well."""
    flow = Baton.new(workflow_id="w").add("m", two(), each={"item": ["a", "b"]})

    async with engine.connections.acquire() as connection:
        await connection.fetch("select * from baton.insert_workflow_json($1)", flow.to_json())
        async with asyncio.timeout(SECONDS), WorkerPool(engine):
            run = await flow.insert()
            assert await run.result("m", timeout=SECONDS) == ["a+a", "b+b"]
