"""Retrying groups and their children (docs/graphs.md, "Every case")."""

from __future__ import annotations

import pytest

from baton import each, result_of
from tests.database.raw_groups import (
    chain,
    delivered_to,
    expand_map,
    finish,
    flow,
    insert,
    insert_map,
    part,
    return_graph,
    settle_all,
    states_below,
)
from tests.database.raw_pool import state, states, steps


async def completed(pool, psql):
    """Let everything run, and check the end."""
    await finish(pool)
    found = await states(psql, "w")
    return set(found.values()) == {"completed"} and await state(psql, "w") == "completed"


@pytest.mark.parametrize("names", [(), ("m",)], ids=["the run", "the group"])
async def test_only_the_failed_children_are_opened_and_the_group_waits_for_them(pool, psql, names):
    await insert_map(pool, 3)
    await settle_all(pool, completed="m[0]", discarded="m[1]", cancelled="m[2]", joined="m")

    await pool.retry("w", *names)

    assert await states(psql, "w") == {
        "m": "suspended",
        "after": "suspended",
        "m[0]": "completed",
        "m[1]": "available",
        "m[2]": "available",
    }
    assert await completed(pool, psql)


async def test_the_worker_that_returned_a_graph_does_not_run_again(pool, psql):
    await insert(pool, flow().add("t", part.new()).add("z", part.new(value=result_of("t"))))
    await return_graph(pool, "t", chain("x", "y"))
    await settle_all(pool, discarded="t/x", joined="t")

    await pool.retry("w")

    assert [(claimed.step, claimed.is_join) for claimed in await pool.claim()] == [("t/x", False)]
    assert await completed(pool, psql)
    assert (await steps(psql, "w"))["t"]["attempt"] == 1


async def test_a_retried_map_that_had_failed_to_expand_expands(pool, psql):
    await insert(pool, flow().add("m", part.new(value=each([1]))).add("after", part.new(value=result_of("m"))))
    await settle_all(pool, discarded="m")

    await pool.retry("w")

    await expand_map(pool, "m", 1)
    assert await completed(pool, psql)


async def test_failed_children_are_opened_however_deep(pool, psql):
    inside = flow().add("b", flow().add("c", chain("x", "y")).add("d", part.new()))
    await insert(pool, flow().add("a", inside).add("z", part.new(value=result_of("a"))))
    await settle_all(pool, discarded="a/b/c/x", completed="a/b/d", joined="a/b/c a/b a")

    await pool.retry("w", "a")

    assert await states(psql, "w") == {
        "a": "suspended",
        "z": "suspended",
        "a/b": "suspended",
        "a/b/c": "suspended",
        "a/b/d": "completed",
        "a/b/c/x": "available",
        "a/b/c/y": "suspended",
    }
    assert await completed(pool, psql)


async def test_the_skipped_children_of_a_skipped_group_are_opened(pool, psql):
    await insert_map(pool, 2)
    await settle_all(pool, skipped="m[0] m[1]", joined="m")

    await pool.retry("w", "m")

    assert await states(psql, "w") == {
        "m": "suspended",
        "after": "suspended",
        "m[0]": "available",
        "m[1]": "available",
    }
    assert await completed(pool, psql)


async def test_the_skipped_children_of_another_group_stay_skipped(pool, psql):
    await insert_map(pool, 2)
    await settle_all(pool, skipped="m[0]", discarded="m[1]", joined="m")

    await pool.retry("w", "m")

    assert await states_below(psql, "m") == {"[0]": "skipped", "[1]": "available"}


async def test_a_retried_child_opens_its_groups_and_what_ended_downstream(pool, psql):
    """Of its siblings none is opened."""
    inside = flow().add("x", part.new()).add("y", part.new(), deps=["x"]).add("apart", part.new())
    made = flow().add("g", inside).add("after", part.new(), deps=["g"]).add("last", part.new(), deps=["after"])
    await insert(pool, made)
    await settle_all(pool, discarded="g/x g/apart", joined="g")

    await pool.retry("w", "g/x")

    assert await states(psql, "w") == {
        "g": "suspended",
        "after": "suspended",
        "last": "suspended",
        "g/x": "available",
        "g/y": "suspended",
        "g/apart": "discarded",
    }
    await finish(pool)
    assert {name: (await states(psql, "w"))[name] for name in ("g", "after")} == {
        "g": "discarded",
        "after": "cancelled",
    }


async def test_a_child_of_a_group_that_still_waits_is_opened_beside_its_siblings(pool, psql):
    await insert_map(pool, 2)
    await settle_all(pool, discarded="m[0]")

    assert (await pool.retry("w", "m[0]")).count == 1

    assert (await steps(psql, "w"))["m"]["pending"] == 2
    assert await completed(pool, psql)


async def test_a_retry_while_a_group_waits_for_its_join_takes_the_join_back(pool, psql):
    await insert_map(pool, 2)
    await settle_all(pool, discarded="m[0]", completed="m[1]")
    assert (await states(psql, "w"))["m"] == "available"

    await pool.retry("w", "m[0]")

    assert (await states(psql, "w"))["m"] == "suspended"
    assert await completed(pool, psql)


async def test_retrying_a_waiting_group_retries_the_children_failed_so_far(pool, psql):
    await insert_map(pool, 3)
    await settle_all(pool, discarded="m[0]")

    assert (await pool.retry("w", "m")).count == 1

    assert (await states(psql, "w"))["m[0]"] in ("available", "executing")
    assert await completed(pool, psql)


async def test_a_group_cancelled_by_name_goes_on_where_it_was(pool, psql):
    inside = flow().add("x", part.new()).add("deep", chain("y", "z"), deps=["x"])
    await insert(pool, flow().add("g", inside).add("after", part.new(), deps=["g"]))
    await settle_all(pool, completed="g/x")
    await pool.cancel("w", "g")

    await pool.retry("w", "g")

    assert await states(psql, "w") == {
        "g": "suspended",
        "after": "suspended",
        "g/x": "completed",
        "g/deep": "suspended",
        "g/deep/y": "available",
        "g/deep/z": "suspended",
    }
    assert await completed(pool, psql)


@pytest.mark.parametrize("names", [(), ("m",)], ids=["the run", "the group"])
async def test_a_group_cancelled_after_all_children_completed_is_joined_again(pool, psql, names):
    await insert_map(pool, 2)
    await settle_all(pool, completed="m[0] m[1]")
    await pool.cancel("w", "m")

    assert (await pool.retry("w", *names)).count > 0

    assert (await states(psql, "w"))["m"] == "available"
    assert await completed(pool, psql)


async def test_a_cancelled_run_with_groups_of_every_sort_goes_on_where_it_was(pool, psql):
    made = flow().add("t", part.new()).add("m", part.new(value=each([1, 2, 3])).with_options(concurrency=1), deps=["t"])
    await insert(pool, made.add("g", chain("x", "y"), deps=["m"]).add("z", part.new(value=result_of("g"))))
    await return_graph(pool, "t", chain("x", "y"))
    await settle_all(pool, completed="t/x")
    await pool.cancel("w")

    await pool.retry("w")

    await settle_all(pool, completed="t/y", joined="t")
    await expand_map(pool, "m", 3)
    await settle_all(pool, completed="m[0]")
    await pool.cancel("w")
    await pool.retry("w")
    assert await states_below(psql, "m") == {"[0]": "completed", "[1]": "available", "[2]": "suspended"}
    assert await completed(pool, psql)


async def test_a_group_that_failed_upstream_lets_the_groups_downstream_be_opened(pool, psql):
    await insert(
        pool, flow().add("a", part.new()).add("g", chain("x", "y"), deps=["a"]).add("z", part.new(), deps=["g"])
    )
    await settle_all(pool, discarded="a", joined="g")
    assert set((await states(psql, "w")).values()) == {"discarded", "cancelled"}

    await pool.retry("w", "a")

    assert await states(psql, "w") == {
        "a": "available",
        "g": "suspended",
        "z": "suspended",
        "g/x": "suspended",
        "g/y": "suspended",
    }
    assert await completed(pool, psql)


async def test_retrying_a_skipped_step_opens_the_groups_skipped_downstream(pool, psql):
    await insert(
        pool, flow().add("a", part.new()).add("g", chain("x", "y"), deps=["a"]).add("z", part.new(), deps=["g"])
    )
    await settle_all(pool, skipped="a", joined="g")
    assert set((await states(psql, "w")).values()) == {"skipped"}

    await pool.retry("w", "a")

    assert {name: state for name, state in (await states(psql, "w")).items() if state != "suspended"} == {
        "a": "available"
    }
    assert await completed(pool, psql)


async def test_a_step_of_a_returned_graph_is_opened_with_the_failed_outer_step(pool, psql):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"], ignore_discarded=True))
    await settle_all(pool, discarded="a")
    await return_graph(pool, "t", flow().add("x", part.new(value=result_of("a"))))
    await settle_all(pool, joined="t")
    assert set((await states(psql, "w")).values()) == {"discarded", "cancelled"}

    await pool.retry("w", "a")

    assert await states(psql, "w") == {"a": "available", "t": "suspended", "t/x": "suspended"}
    assert await completed(pool, psql)


async def test_a_dependent_that_ignored_the_failed_group_keeps_its_run(pool, psql):
    """It had begun."""
    await insert(pool, flow().add("g", chain("x")).add("z", part.new(), deps=["g"], ignore_discarded=True))
    await settle_all(pool, discarded="g/x", joined="g")
    await pool.claim()

    await pool.retry("w", "g")

    assert await states(psql, "w") == {"g": "suspended", "z": "executing", "g/x": "available"}
    assert await completed(pool, psql)


async def test_a_dependent_that_ignored_the_failed_group_waits_again(pool, psql):
    """It had been released and had not begun."""
    await insert(pool, flow().add("g", chain("x")).add("z", part.new(), deps=["g"], ignore_discarded=True))
    await settle_all(pool, discarded="g/x", joined="g")

    await pool.retry("w", "g")

    assert await states(psql, "w") == {"g": "suspended", "z": "suspended", "g/x": "available"}


async def test_a_failed_child_that_was_ignored_is_opened_with_its_group(pool, psql):
    """The group had completed."""
    inside = flow().add("x", part.new()).add("y", part.new(), deps=["x"], ignore_discarded=True)
    await insert(pool, flow().add("g", inside).add("z", part.new(value=result_of("g"))))
    await settle_all(pool, discarded="g/x", completed="g/y", joined="g")
    assert (await states(psql, "w"))["g"] == "completed"

    await pool.retry("w", "g")

    assert {name: (await states(psql, "w"))[name] for name in ("g", "g/x", "g/y")} == {
        "g": "suspended",
        "g/x": "available",
        "g/y": "completed",
    }
    assert await completed(pool, psql)


async def test_a_child_of_an_executing_group_that_executes_is_refused(pool, psql):
    await insert_map(pool, 2)
    await pool.claim()

    assert list((await pool.retry("w", "m[0]")).refused) == ["m[0]"]

    assert await states_below(psql, "m") == {"[0]": "executing", "[1]": "executing"}


async def test_results_after_a_retry_are_those_of_all_children(pool):
    await insert_map(pool, 3)
    await settle_all(pool, completed="m[0] m[2]", discarded="m[1]", joined="m")
    await pool.retry("w", "m")

    await settle_all(pool, completed="m[1]", joined="m")

    assert await delivered_to(pool, "after") == {"m": ["m[0]", "m[1]", "m[2]"]}
