"""A step expands once, fenced by its claim's token; all of its children are inserted with its outcome, or none."""

from __future__ import annotations

import json

import pytest

from baton import each, result_of
from baton.database.messages import Part
from tests.database.consistency import assert_consistent
from tests.database.raw_groups import (
    IGNORING,
    MOST,
    chain,
    delivered_to,
    expand,
    expand_map,
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

ITEMS = [json.dumps({"value": number}) for number in range(5)]


async def lose(pool, other):
    """Let the lease of a pool run out, and another pool rescue its steps."""
    await pool.connection.execute("update baton.pools set dead_at = now() where id = $1", pool.id)
    await other.run_upkeep()
    await other.connection.execute("update baton.queue set scheduled_at = now() where state = 'retryable'")
    await other.run_upkeep()


@pytest.fixture
async def graph_claim(pool):
    """The claim of the step "t", before its worker's graph is sent; "z" takes its result."""
    await insert(pool, flow().add("t", part.new()).add("z", part.new(value=result_of("t"))))
    return await held(pool, "t")


@pytest.fixture
async def map_claim(pool):
    """The claim of the map "m"."""
    await insert(pool, flow().add("m", part.new(value=each([0, 1, 2, 3, 4]))))
    return await held(pool, "m")


async def test_a_returned_graph_takes_the_place_of_its_step(pool, psql, graph_claim):
    await expand(pool, graph_claim, chain("x", "y"))

    assert await states(psql, "w") == {"t": "suspended", "z": "suspended", "t/x": "available", "t/y": "suspended"}
    pool.held.clear()
    await settle_all(pool, completed="t/x t/y", joined="t")
    assert await delivered_to(pool, "z") == {"t": "t/y"}


async def test_a_replayed_graph_is_accepted_and_leaves_no_second_child(pool, psql, graph_claim):
    answers = [await expand(pool, graph_claim, chain("x", "y")) for _ in range(3)]

    assert [answer.accepted for answer in answers] == [True] * 3
    assert list(await states(psql, "w")) == ["t", "z", "t/x", "t/y"]


async def test_a_replayed_map_is_accepted_and_leaves_no_second_child(pool, psql, map_claim):
    for _ in range(3):
        assert (await pool.store.expand_map(map_claim, 5, ITEMS, Part(None, 0, 5), MOST)).accepted

    assert len(await states(psql, "w")) == 6


async def test_a_replay_is_accepted_when_children_have_ended_meanwhile(pool, psql, graph_claim):
    await expand(pool, graph_claim, chain("x", "y"))
    pool.held.clear()
    await settle_all(pool, completed="t/x")

    assert (await expand(pool, graph_claim, chain("x", "y"))).accepted

    assert await states_below(psql, "t") == {"/x": "completed", "/y": "available"}


async def test_the_expansion_of_a_lost_claim_is_refused_and_writes_nothing(pool, other, psql, graph_claim):
    await lose(pool, other)

    assert not (await expand(pool, graph_claim, chain("x"))).accepted

    assert await states(psql, "w") == {"t": "available", "z": "suspended"}


async def test_a_map_that_another_pool_expanded_refuses_the_first_one(pool, other, psql, map_claim):
    await lose(pool, other)
    await expand_map(other, "m", 2)

    assert not (await pool.store.expand_map(map_claim, 5, ITEMS, Part(None, 0, 5), MOST)).accepted

    assert await states_below(psql, "m") == {"[0]": "available", "[1]": "available"}


async def test_the_expansion_of_a_cancelled_step_is_refused(pool, psql, graph_claim):
    await pool.cancel("w", "t")

    assert not (await expand(pool, graph_claim, chain("x"))).accepted

    assert await states(psql, "w") == {"t": "cancelled", "z": "cancelled"}


async def test_another_outcome_of_an_expanded_claim_is_refused(pool, psql, graph_claim):
    await expand(pool, graph_claim, chain("x"))

    assert await pool.settle(outcome(graph_claim, "completed")) == [False]

    assert (await states(psql, "w"))["t"] == "suspended"


async def test_children_in_parts_are_seen_together_at_commit(pool, psql, map_claim):
    async with pool.connection.transaction():
        first = await pool.store.expand_map(map_claim, 5, ITEMS[:3], Part(None, 0, 3), MOST)
        assert await states_below(psql, "m") == {}
        await pool.store.expand_map(map_claim, 5, ITEMS[3:], Part(first.base, 3, 5), MOST)
        assert await states_below(psql, "m") == {}

    assert await states_below(psql, "m") == {f"[{number}]": "available" for number in range(5)}


async def test_a_transaction_that_ends_between_two_parts_leaves_no_child(pool, other, psql, map_claim):
    transaction = pool.connection.transaction()
    await transaction.start()
    await pool.store.expand_map(map_claim, 5, ITEMS[:3], Part(None, 0, 3), MOST)
    await transaction.rollback()

    assert await states(psql, "w") == {"m": "executing"}
    await assert_consistent(psql)
    await lose(pool, other)
    await expand_map(other, "m", 4)
    assert len(await states_below(psql, "m")) == 4


async def test_a_graph_in_parts_may_refer_across_them(pool, psql, graph_claim):
    expansion = chain("x", "y").add("g", chain("p", "q"), deps=["y"]).expansion()
    base = None
    async with pool.connection.transaction():
        for number in range(len(expansion.steps)):
            base = (await pool.store.expand(graph_claim, expansion, Part(base, number, number + 1), MOST)).base

    pool.held.clear()
    await finish(pool)
    assert set((await states(psql, "w")).values()) == {"completed"}


async def test_an_expansion_beyond_the_limit_changes_nothing(pool, psql, graph_claim):
    answer = await expand(pool, graph_claim, chain("x", "y", "z"), 4)

    assert answer.too_many == 5
    assert await states(psql, "w") == {"t": "executing", "z": "suspended"}
    assert (await expand(pool, graph_claim, chain("x", "y"), 4)).accepted


@pytest.mark.parametrize("kind", ["failed", "lost"])
async def test_a_map_has_twenty_attempts_to_expand(pool, psql, kind):
    """However few its children have."""
    made = part.new(value=each([1])).with_options(max_attempts=1)
    await insert(pool, flow().add("m", made))

    for _ in range(19):
        (claimed,) = await pool.claim()
        await pool.settle(outcome(claimed, kind, delay=0))
        assert (await states(psql, "w"))["m"] == "available"
    pool.held.clear()
    await expand_map(pool, "m", 1)
    await settle_all(pool, failed="m[0]", joined="m")

    assert await states(psql, "w") == {"m": "discarded", "m[0]": "discarded"}


async def test_a_begun_group_is_not_counted_down_by_a_retried_dependency(pool, psql):
    await insert(pool, flow().add("a", part.new()).add("m", part.new(value=each([1, 2])), deps=["a"], **IGNORING))
    await settle_all(pool, discarded="a")
    await expand_map(pool, "m", 2)
    assert (await pool.retry("w", "a")).count == 1

    await settle_all(pool, completed="a")
    await assert_consistent(psql)

    assert (await steps(psql, "w"))["m"]["pending"] == 2
    await settle_all(pool, completed="m[0] m[1]", joined="m")
    assert await state(psql, "w") == "completed"


@pytest.mark.parametrize("ended", ["discarded", "cancelled", "skipped"])
async def test_a_begun_group_is_not_ended_by_a_retried_dependency(pool, psql, ended):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"], ignore_discarded=True))
    await settle_all(pool, discarded="a")
    await return_graph(pool, "t", chain("x"))
    await pool.retry("w", "a")

    await settle_all(pool, **{ended: "a"})

    found = await states(psql, "w")
    assert (found["a"], found["t"]) == (ended, "suspended")
    await settle_all(pool, completed="t/x", joined="t")


# What a returned graph refers to outside itself


@pytest.mark.parametrize(
    ("ended", "becomes"), [("cancelled", "cancelled"), ("discarded", "cancelled"), ("skipped", "skipped")]
)
async def test_a_step_of_a_returned_graph_ends_with_what_failed_outside(pool, psql, ended, becomes):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"], **IGNORING))
    await settle_all(pool, **{ended: "a"})

    graph = flow().add("x", part.new(), deps=["a"]).add("y", part.new(), deps=["x"]).add("apart", part.new())
    await return_graph(pool, "t", graph)

    assert await states_below(psql, "t") == {"/x": becomes, "/y": becomes, "/apart": "available"}
    await finish(pool)
    assert (await states(psql, "w"))["t"] == ("completed" if becomes == "skipped" else "cancelled")


async def test_a_returned_graph_whose_steps_all_end_at_once_is_joined(pool, psql):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"], **IGNORING))
    await settle_all(pool, skipped="a")

    await return_graph(pool, "t", flow().add("x", part.new(), deps=["a"]))
    await settle_all(pool, joined="t")

    assert await states(psql, "w") == {"a": "skipped", "t": "skipped", "t/x": "skipped"}
    assert await state(psql, "w") == "completed"


@pytest.mark.parametrize("ended", ["cancelled", "discarded", "skipped"])
async def test_a_step_of_a_returned_graph_may_ignore_what_failed_outside(pool, psql, ended):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"], **IGNORING))
    await settle_all(pool, **{ended: "a"})

    await return_graph(pool, "t", flow().add("x", part.new(value=result_of("a")), **{f"ignore_{ended}": True}))

    assert (await states(psql, "w"))["t/x"] == "available"
    assert await delivered_to(pool, "t/x") == {}
    await finish(pool)
    assert await state(psql, "w") == "completed"


async def test_a_returned_graph_reads_the_results_of_its_steps_dependencies(pool):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"]))
    await settle_all(pool, completed="a")

    await return_graph(pool, "t", flow().add("x", part.new(value=result_of("a"))))

    assert await delivered_to(pool, "t/x") == {"a": "a"}


async def test_entry_steps_in_a_returned_graph_wait_for_the_outer_scope(pool, psql):
    """A sub-workflow within a returned graph depends on a step outside of it."""
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"], **IGNORING))
    await settle_all(pool, discarded="a")

    await return_graph(pool, "t", flow().add("g", chain("x", "y"), deps=["a"]))
    await settle_all(pool, joined="t/g t")

    assert await states(psql, "w") == {
        "a": "discarded",
        "t": "cancelled",
        "t/g": "cancelled",
        "t/g/x": "cancelled",
        "t/g/y": "cancelled",
    }


async def test_a_name_inside_a_returned_graph_hides_the_same_name_outside(pool):
    """The name is one that a group in the graph depends on."""
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"]))
    await settle_all(pool, completed="a")
    inside = flow().add("a", part.new()).add("h", flow().add("x", part.new(value=result_of("a"))))

    await return_graph(pool, "t", flow().add("g", inside, deps=["a"]))
    await settle_all(pool, completed="t/g/a")

    assert await delivered_to(pool, "t/g/h/x") == {"a": "t/g/a"}


async def test_children_of_a_map_in_a_returned_graph_read_what_is_outside(pool):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"]))
    await settle_all(pool, completed="a")
    await return_graph(pool, "t", flow().add("m", part.new(value=each([1]), other=result_of("a"))))

    await expand_map(pool, "t/m", 1)

    assert await delivered_to(pool, "t/m[0]") == {"a": "a"}


async def test_a_child_of_a_map_may_return_a_graph(pool):
    """The graph may refer to the dependencies of the map."""
    job = part.new(value=each([1]), other=result_of("a"))
    await insert(pool, flow().add("a", part.new()).add("m", job))
    await settle_all(pool, completed="a")
    await expand_map(pool, "m", 1)

    answer = await return_graph(pool, "m[0]", flow().add("x", part.new(value=result_of("a"))))

    assert (answer.accepted, list(answer.unknown)) == (True, [])
    assert await delivered_to(pool, "m[0]/x") == {"a": "a"}


async def test_a_name_that_is_no_dependency_is_refused(pool, psql, graph_claim):
    """Nothing is written."""
    answer = await expand(pool, graph_claim, flow().add("x", part.new(), deps=["z"]))

    assert list(answer.unknown) == ["z"]
    assert await states(psql, "w") == {"t": "executing", "z": "suspended"}


async def test_a_step_of_a_returned_graph_waits_for_a_retried_dependency(pool, psql):
    await insert(pool, flow().add("a", part.new()).add("t", part.new(), deps=["a"], **IGNORING))
    await settle_all(pool, discarded="a")
    await held(pool, "t")
    await pool.retry("w", "a")

    await return_graph(pool, "t", flow().add("x", part.new(value=result_of("a"))))
    await assert_consistent(psql)

    assert (await states(psql, "w"))["t/x"] == "suspended"
    await settle_all(pool, completed="a")
    assert await delivered_to(pool, "t/x") == {"a": "a"}


async def test_graphs_may_be_returned_by_steps_of_returned_graphs(pool, psql):
    await insert(pool, flow().add("t", part.new()).add("z", part.new(value=result_of("t"))))
    name = "t"
    for _ in range(4):
        await return_graph(pool, name, chain("x", "y").returns("x"))
        name += "/x"

    await settle_all(pool, completed=name)
    await finish(pool)

    assert set((await states(psql, "w")).values()) == {"completed"}


async def test_a_map_of_maps_ends(pool, psql):
    await insert_map(pool, 2)
    for number in range(2):
        await return_graph(pool, f"m[{number}]", flow().add("n", part.new(value=each([1, 2]))))
        await expand_map(pool, f"m[{number}]/n", 2)

    await settle_all(pool, completed="m[0]/n[0] m[0]/n[1] m[1]/n[0] m[1]/n[1]")
    await settle_all(pool, joined="m[0]/n m[0] m[1]/n m[1] m")

    whole = [[f"m[{one}]/n[{two}]" for two in range(2)] for one in range(2)]
    assert await delivered_to(pool, "after") == {"m": whole}
