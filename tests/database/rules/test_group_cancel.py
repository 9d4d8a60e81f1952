"""Cancelling groups and their children (docs/graphs.md, "Every case")."""

from __future__ import annotations

import pytest

from baton import each, result_of
from tests.database.raw_groups import (
    chain,
    finish,
    flow,
    held,
    insert,
    insert_map,
    part,
    return_graph,
    settle_all,
    states_below,
)
from tests.database.raw_pool import outcome, state, states, steps


async def test_a_group_cancelled_by_name_is_cancelled_with_all_below_it(pool, psql):
    """Its dependents are cancelled too."""
    inside = flow().add("x", part.new()).add("deep", chain("y", "z"), deps=["x"])
    await insert(pool, flow().add("g", inside).add("after", part.new(), deps=["g"]).add("apart", part.new()))

    cancelled = await pool.cancel("w", "g")

    found = await states(psql, "w")
    assert found.pop("apart") == "available"
    assert set(found.values()) == {"cancelled"}
    # The dependent is ended by the rules, and not by this call.
    assert cancelled.count == 5


async def test_what_ended_below_a_cancelled_group_stays_as_it_is(pool, psql):
    await insert_map(pool, 3)
    await settle_all(pool, completed="m[0]", discarded="m[1]")

    await pool.cancel("w", "m")

    assert await states_below(psql, "m") == {"[0]": "completed", "[1]": "discarded", "[2]": "cancelled"}
    assert {name: (await states(psql, "w"))[name] for name in ("m", "after")} == {
        "m": "cancelled",
        "after": "cancelled",
    }


async def test_the_claims_below_a_cancelled_group_are_void(pool):
    await insert_map(pool, 2)
    await pool.claim()

    await pool.cancel("w", "m")

    assert await pool.settle(*pool.outcomes("w", completed="m[0] m[1]")) == [False, False]


async def test_a_dependent_that_ignores_it_goes_on_when_a_group_is_cancelled(pool, psql):
    made = flow().add("g", chain("x", "y")).add("z", part.new(value=result_of("g")), ignore_cancelled=True)
    await insert(pool, made)

    await pool.cancel("w", "g")
    await finish(pool)

    assert {name: (await states(psql, "w"))[name] for name in "gz"} == {"g": "cancelled", "z": "completed"}
    assert await state(psql, "w") == "completed"


@pytest.mark.parametrize("began", ["suspended", "available", "executing"])
async def test_a_map_cancelled_before_its_expansion_never_has_children(pool, psql, began):
    made = flow().add("a", part.new()).add("m", part.new(value=each([1, 2])), deps=["a"])
    await insert(pool, made)
    if began != "suspended":
        await settle_all(pool, completed="a")
    if began == "executing":
        await pool.claim()

    await pool.cancel("w", "m")

    assert (await steps(psql, "w"))["m"]["children"] is None
    assert (await states(psql, "w"))["m"] == "cancelled"


async def test_a_group_that_waits_for_its_join_can_still_be_cancelled(pool, psql):
    await insert_map(pool, 1)
    await settle_all(pool, completed="m[0]")
    join = await held(pool, "m")

    assert (await pool.cancel("w", "m")).count == 1

    assert await pool.settle(outcome(join, "joined")) == [False]
    assert await states(psql, "w") == {"m": "cancelled", "after": "cancelled", "m[0]": "completed"}


async def test_a_child_cancelled_by_name_counts_as_a_cancelled_child(pool, psql):
    await insert_map(pool, 2)

    await pool.cancel("w", "m[0]")
    assert (await states(psql, "w"))["m"] == "suspended"
    await settle_all(pool, completed="m[1]", joined="m")

    assert {name: (await states(psql, "w"))[name] for name in ("m", "after")} == {
        "m": "cancelled",
        "after": "cancelled",
    }


async def test_the_last_child_cancelled_by_name_makes_its_group_available(pool, psql):
    await insert_map(pool, 2)
    await settle_all(pool, completed="m[0]")

    await pool.cancel("w", "m[1]")

    assert (await states(psql, "w"))["m"] == "available"
    await settle_all(pool, joined="m")
    assert (await states(psql, "w"))["m"] == "cancelled"


async def test_an_inner_group_cancelled_by_name_counts_for_the_outer_one(pool, psql):
    await insert(pool, flow().add("g", flow().add("a", chain("x", "y")).add("b", part.new())))

    await pool.cancel("w", "g/a")
    assert (await steps(psql, "w"))["g"]["pending"] == 1
    await settle_all(pool, completed="g/b", joined="g")

    assert (await states(psql, "w"))["g"] == "cancelled"


async def test_a_group_and_a_step_below_it_cancelled_in_one_call_count_once(pool, psql):
    await insert(pool, flow().add("o", flow().add("g", chain("x", "y")).add("b", part.new())))

    assert (await pool.cancel("w", "o/g", "o/g/x", "o/g/y")).count == 3

    assert (await steps(psql, "w"))["o"]["pending"] == 1


async def test_a_step_cancelled_inside_a_sub_workflow_ends_its_dependents_there(pool, psql):
    await insert(pool, flow().add("g", chain("x", "y", "z")).add("after", part.new(), deps=["g"]))

    await pool.cancel("w", "g/y")
    assert await states_below(psql, "g") == {"/x": "available", "/y": "cancelled", "/z": "cancelled"}
    await settle_all(pool, completed="g/x", joined="g")

    assert {name: (await states(psql, "w"))[name] for name in ("g", "after")} == {
        "g": "cancelled",
        "after": "cancelled",
    }


async def test_a_cancelled_run_leaves_nothing_that_is_not_final(pool, psql):
    await insert_map(pool, 3, 1)
    await return_graph(pool, "m[0]", chain("x", "y"))

    await pool.cancel("w")

    assert set((await states(psql, "w")).values()) == {"cancelled"}
    assert await state(psql, "w") == "cancelled"
    assert await pool.claim() == []


async def test_the_end_of_a_cancelled_child_goes_on_inside_the_groups_beside_it(pool, psql):
    deep = flow().add("y", part.new(value=result_of("x")))
    await insert(pool, flow().add("g", flow().add("x", part.new()).add("deep", deep)))

    await pool.cancel("w", "g/x")

    assert await states_below(psql, "g") == {"/x": "cancelled", "/deep": "available", "/deep/y": "cancelled"}
    await settle_all(pool, joined="g/deep g")
    assert await state(psql, "w") == "failed"


async def test_a_closing_group_whose_join_is_claimed_ends_when_it_is_named(pool, psql):
    """It is the closing step itself, and not a group that waits for a closing step below it."""
    inside = flow().add("work", part.new()).add("tidy", part.new(), runs="always")
    await insert(pool, flow().add("g", inside))
    await pool.end("w", completed="g/work")
    await held(pool, "g/tidy")
    await return_graph(pool, "g/tidy", chain("x"))
    await pool.end("w", completed="g/tidy/x")
    assert (await held(pool, "g/tidy")).is_join

    await pool.cancel("w", "g/tidy")

    assert (await states(psql, "w"))["g/tidy"] == "cancelled"
    assert await psql.fetchval("select count(*) from queue where state = 'executing'") == 0
