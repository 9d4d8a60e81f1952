"""Groups wait like any step, and end by their direct children alone: docs/graphs.md, "Every case"."""

from __future__ import annotations

import json

import pytest

from baton import each, result_of
from tests.database.raw_groups import (
    IGNORING,
    chain,
    delivered_to,
    expand_map,
    finish,
    flow,
    held,
    insert,
    insert_map,
    part,
    reader,
    return_graph,
    settle_all,
    states_below,
)
from tests.database.raw_pool import state, states, steps

# A dependency of a group fails


@pytest.mark.parametrize(
    ("ended", "becomes"), [("cancelled", "cancelled"), ("discarded", "cancelled"), ("skipped", "skipped")]
)
async def test_a_map_ends_without_children_if_a_dependency_failed(pool, psql, ended, becomes):
    await insert(pool, flow().add("a", part.new()).add("m", part.new(value=each(result_of("a")))))

    await pool.end("w", **{ended: "a"})

    assert await states(psql, "w") == {"a": ended, "m": becomes}
    assert (await steps(psql, "w"))["m"]["children"] is None


@pytest.mark.parametrize(
    ("ended", "becomes"), [("cancelled", "cancelled"), ("discarded", "cancelled"), ("skipped", "skipped")]
)
async def test_the_end_of_a_dependency_goes_through_a_sub_workflow(pool, psql, ended, becomes):
    await insert(
        pool, flow().add("a", part.new()).add("g", chain("x", "y"), deps=["a"]).add("z", part.new(), deps=["g"])
    )

    await pool.end("w", **{ended: "a"})
    assert await states_below(psql, "g") == {"/x": becomes, "/y": becomes}
    assert (await states(psql, "w"))["z"] == "suspended"
    await pool.end("w", joined="g")

    assert await states(psql, "w") == {"a": ended, "g": becomes, "z": becomes, "g/x": becomes, "g/y": becomes}
    assert await state(psql, "w") == ("completed" if ended == "skipped" else "failed")


@pytest.mark.parametrize("ended", ["cancelled", "discarded", "skipped"])
async def test_a_sub_workflow_that_ignores_the_end_of_its_dependency_begins(pool, psql, ended):
    made = flow().add("a", part.new()).add("g", chain("x", "y"), deps=["a"], **IGNORING)
    await insert(pool, made)

    await pool.end("w", **{ended: "a"})
    assert await states_below(psql, "g") == {"/x": "available", "/y": "suspended"}
    await finish(pool)

    assert (await states(psql, "w"))["g"] == "completed"
    assert await state(psql, "w") == "completed"


async def test_flags_inside_say_how_far_the_end_of_a_dependency_goes(pool, psql):
    inside = flow().add("x", part.new()).add("y", part.new(), deps=["x"], ignore_cancelled=True)
    await insert(pool, flow().add("a", part.new()).add("g", inside, deps=["a"]).add("z", part.new(), deps=["g"]))

    await pool.end("w", discarded="a")
    assert await states_below(psql, "g") == {"/x": "cancelled", "/y": "available"}
    await finish(pool)

    # What is ignored inside fails no group.
    assert {name: (await states(psql, "w"))[name] for name in ("g", "z")} == {"g": "completed", "z": "completed"}


async def test_only_the_entry_steps_of_a_sub_workflow_inherit_its_dependencies(pool, psql):
    inside = flow().add("x", part.new()).add("y", part.new()).add("z", part.new(), deps=["x", "y"])
    await insert(pool, flow().add("a", part.new()).add("b", part.new()).add("g", inside, deps=["a", "b"]))

    found = await steps(psql, "w")

    assert {name: sorted(found[f"g/{name}"]["dependencies"]) for name in "xyz"} == {
        "x": ["a", "b"],
        "y": ["a", "b"],
        "z": ["g/x", "g/y"],
    }


async def test_a_step_inside_that_names_one_outside_keeps_its_own_flags(pool, psql):
    inside = flow().add("x", part.new()).add("y", part.new(value=result_of("a")), deps=["x"], ignore_discarded=True)
    await insert(pool, flow().add("a", part.new()).add("g", inside))

    await pool.end("w", discarded="a", completed="g/x")

    assert (await states(psql, "w"))["g/y"] == "available"
    assert await delivered_to(pool, "g/y") == {}
    await finish(pool)
    assert await state(psql, "w") == "completed"


# A group waits for its children


async def test_the_siblings_of_a_failed_child_run_on(pool, psql):
    await insert_map(pool, 3)

    await settle_all(pool, discarded="m[1]")

    assert await states(psql, "w") == {
        "m": "suspended",
        "after": "suspended",
        "m[0]": "executing",
        "m[1]": "discarded",
        "m[2]": "executing",
    }
    await settle_all(pool, completed="m[2] m[0]")
    assert (await states(psql, "w"))["m"] == "available"
    await pool.end("w", joined="m")
    assert await state(psql, "w") == "failed"


async def test_a_group_becomes_available_when_its_last_child_ended(pool, psql):
    """Not before."""
    await insert_map(pool, 2)
    await settle_all(pool, completed="m[0]")
    assert [claimed.step for claimed in await pool.claim()] == []

    await settle_all(pool, completed="m[1]")

    (join,) = await pool.claim()
    assert (join.step, join.is_join) == ("m", True)


@pytest.mark.parametrize(
    ("ends", "becomes"),
    [
        ({"completed": "m[0] m[1] m[2]"}, "completed"),
        ({"completed": "m[0]", "skipped": "m[1] m[2]"}, "completed"),
        ({"skipped": "m[0] m[1] m[2]"}, "skipped"),
        ({"completed": "m[0] m[1]", "discarded": "m[2]"}, "discarded"),
        ({"cancelled": "m[0]", "completed": "m[1]", "discarded": "m[2]"}, "discarded"),
        ({"cancelled": "m[0]", "completed": "m[1]", "skipped": "m[2]"}, "cancelled"),
        ({"cancelled": "m[0]", "skipped": "m[1] m[2]"}, "cancelled"),
    ],
)
async def test_the_outcome_of_a_group_follows_from_its_children(pool, psql, ends, becomes):
    await insert_map(pool, 3)

    await settle_all(pool, **ends, joined="m")

    after = {"completed": "available", "skipped": "skipped"}.get(becomes, "cancelled")
    found = await states(psql, "w")
    assert (found["m"], found["after"]) == (becomes, after)


@pytest.mark.parametrize("failing", ["discarded", "cancelled"])
@pytest.mark.parametrize(("first", "second", "becomes"), [(True, True, "completed"), (True, False, None)])
async def test_a_failed_child_that_each_of_its_dependents_ignores_fails_no_group(
    pool, psql, failing, first, second, becomes
):
    flags = [{f"ignore_{failing}": ignores} for ignores in (first, second)]
    inside = flow().add("x", part.new()).add("y", part.new(), deps=["x"], **flags[0])
    inside.add("z", part.new(), deps=["x"], **flags[1])
    await insert(pool, flow().add("g", inside))

    await settle_all(pool, **{failing: "g/x"})
    await finish(pool)

    # The dependent that does not ignore it is cancelled; a discarded child decides before a
    # cancelled one.
    assert (await states(psql, "w"))["g"] == (becomes or failing)


async def test_only_direct_children_decide_the_outcome_of_a_group(pool, psql):
    inner = chain("x")
    outer = flow().add("inner", inner).add("y", part.new(), deps=["inner"], ignore_discarded=True)
    await insert(pool, flow().add("g", outer))

    await settle_all(pool, discarded="g/inner/x", joined="g/inner")
    assert (await states(psql, "w"))["g/inner"] == "discarded"
    await finish(pool)

    assert (await states(psql, "w"))["g"] == "completed"
    assert await state(psql, "w") == "completed"


@pytest.mark.parametrize("ended", ["discarded", "cancelled", "skipped"])
async def test_a_dependent_that_ignores_the_end_of_a_group_counts_it_as_done(pool, psql, ended):
    await insert(pool, flow().add("g", chain("x")).add("z", part.new(), deps=["g"], **{f"ignore_{ended}": True}))

    await settle_all(pool, **{ended: "g/x"}, joined="g")

    assert await states(psql, "w") == {"g": ended, "z": "available", "g/x": ended}
    await finish(pool)
    assert await state(psql, "w") == "completed"


async def test_a_failed_child_counts_for_the_workflow_through_its_group(pool, psql):
    await insert(pool, flow().add("g", chain("x")))

    await settle_all(pool, discarded="g/x")
    assert await psql.fetchval("select failed from workflows") == 0
    await settle_all(pool, joined="g")

    assert await psql.fetchval("select failed from workflows") == 1


async def test_a_group_spends_no_attempt_on_its_join(pool, psql):
    await insert(pool, flow().add("g", chain("x")).add("t", part.new()))
    await return_graph(pool, "t", chain("x"))

    await settle_all(pool, completed="g/x t/x", joined="g t")

    found = await steps(psql, "w")
    assert {name: found[name]["attempt"] for name in ("g", "t")} == {"g": 0, "t": 1}


async def test_a_child_that_no_pool_can_run_keeps_its_group_waiting(pool, psql):
    await insert_map(pool, 2)

    await settle_all(pool, completed="m[0]", unknown_worker="m[1]")

    found = await states(psql, "w")
    assert (found["m"], found["m[1]"]) == ("suspended", "scheduled")


# What dependents receive


async def test_a_map_results_in_the_results_that_exist_in_item_order(pool):
    await insert_map(pool, 4)

    await settle_all(pool, completed="m[3] m[0]", skipped="m[1]")
    await settle_all(pool, completed="m[2]", joined="m")

    assert await delivered_to(pool, "after") == {"m": ["m[0]", "m[2]", "m[3]"]}


async def test_a_dependent_that_ignores_a_failed_map_gets_its_results(pool):
    job = part.new(value=each([1, 2, 3]))
    await insert(pool, flow().add("m", job).add("z", part.new(value=result_of("m")), ignore_discarded=True))
    await expand_map(pool, "m", 3)

    await settle_all(pool, discarded="m[0]", completed="m[1] m[2]", joined="m")

    assert await delivered_to(pool, "z") == {"m": ["m[1]", "m[2]"]}


async def test_a_map_of_skipped_children_has_no_result_for_its_dependents(pool, psql):
    """They ignore that it was skipped."""
    job = part.new(value=each([1]))
    await insert(pool, flow().add("m", job).add("z", part.new(value=result_of("m")), ignore_skipped=True))
    await expand_map(pool, "m", 1)

    await settle_all(pool, skipped="m[0]", joined="m")

    assert (await states(psql, "w"))["z"] == "available"
    assert await delivered_to(pool, "z") in ({}, {"m": []})


async def test_a_sub_workflow_results_in_what_its_only_last_step_results_in(pool):
    await insert(pool, flow().add("g", chain("x", "y")).add("z", part.new(value=result_of("g"))))

    await settle_all(pool, completed="g/x g/y", joined="g")

    assert await delivered_to(pool, "z") == {"g": "g/y"}


async def test_a_sub_workflow_with_several_last_steps_results_in_a_mapping(pool):
    inside = chain("x", "y").add("apart", part.new())
    await insert(pool, flow().add("g", inside).add("z", part.new(value=result_of("g"))))

    await settle_all(pool, completed="g/x g/y g/apart", joined="g")

    assert await delivered_to(pool, "z") == {"g": {"y": "g/y", "apart": "g/apart"}}


async def test_what_a_sub_workflow_returns_is_its_result(pool):
    await insert(pool, flow().add("g", chain("x", "y").returns("x")).add("z", part.new(value=result_of("g"))))

    await settle_all(pool, completed="g/x g/y", joined="g")

    assert await delivered_to(pool, "z") == {"g": "g/x"}


async def test_a_dependent_that_ignores_a_failed_sub_workflow_gets_its_result(pool):
    """If the step that it returns has one."""
    for name, returned in (("has", "x"), ("lacks", "y")):
        made = flow(name).add("g", chain("x", "y").returns(returned))
        await insert(pool, made.add("z", part.new(value=result_of("g")), ignore_discarded=True))

    for name in ("has", "lacks"):
        await settle_all(pool, name, completed="g/x", discarded="g/y", joined="g")

    assert await delivered_to(pool, "z", "has") == {"g": "g/x"}
    assert await delivered_to(pool, "z", "lacks") == {}


async def test_results_are_put_together_through_groups_in_groups(pool):
    inside = flow().add("m", part.new(value=each([1, 2])))
    await insert(pool, flow().add("g", inside).add("z", part.new(value=result_of("g"))))
    await expand_map(pool, "g/m", 2)
    await return_graph(pool, "g/m[1]", chain("x"))

    await settle_all(pool, completed="g/m[0] g/m[1]/x", joined="g/m[1] g/m g")

    assert await delivered_to(pool, "z") == {"g": ["g/m[0]", "g/m[1]/x"]}


async def test_a_context_has_the_outcome_of_each_child(pool):
    made = flow().add("m", part.new(value=each([1, 2]))).add("z", reader.new(), deps=["m"], ignore_discarded=True)
    await insert(pool, made)
    await expand_map(pool, "m", 2)

    await settle_all(pool, discarded="m[0]", completed="m[1]", joined="m")

    delivered = json.loads((await held(pool, "z")).outcomes or "{}")
    assert delivered["m"][0] == "discarded"
    assert [child[:2] for child in delivered["m"][3]] == [["m[0]", "discarded"], ["m[1]", "completed"]]


# Groups inside groups


async def test_sub_workflows_three_deep_end_from_the_inside(pool, psql):
    inside = flow().add("b", flow().add("c", chain("x")))
    await insert(pool, flow().add("a", inside).add("z", part.new(value=result_of("a"))))

    for name, kind in (("a/b/c/x", "completed"), ("a/b/c", "joined"), ("a/b", "joined"), ("a", "joined")):
        assert [claimed.step for claimed in await pool.claim()] == [name]
        await settle_all(pool, **{kind: name})

    assert await delivered_to(pool, "z") == {"a": "a/b/c/x"}
