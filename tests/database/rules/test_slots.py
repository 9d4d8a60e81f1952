"""The slots of a map: `concurrency` children run at a time, the others wait in item order."""

from __future__ import annotations

import random

import pytest

from tests.database.consistency import assert_consistent
from tests.database.raw_groups import chain, finish, insert_map, return_graph, settle_all, states_below
from tests.database.raw_pool import outcome, state, states, steps

GOING = {"available", "executing", "scheduled", "retryable"}


async def going(psql, workflow_id="w"):
    """Return the numbers of the children that have a slot."""
    found = await states_below(psql, "m[", workflow_id)
    return [int(name[: name.index("]")]) for name, state in found.items() if name.endswith("]") and state in GOING]


async def free(psql):
    return await psql.fetchval("select slots from steps where concurrency is not null")


async def test_a_map_begins_with_its_first_children(pool, psql):
    await insert_map(pool, 5, 2)

    assert await going(psql) == [0, 1]


async def test_a_map_with_more_slots_than_children_keeps_some_free(pool, psql):
    await insert_map(pool, 2, 5)

    assert (await going(psql), await free(psql)) == ([0, 1], 3)


@pytest.mark.parametrize("kind", ["completed", "discarded", "cancelled", "skipped"])
async def test_a_child_that_becomes_final_returns_its_slot_to_the_next_item(pool, psql, kind):
    await insert_map(pool, 5, 2)

    await settle_all(pool, **{kind: "m[1]"})

    assert await going(psql) == [0, 2]


@pytest.mark.parametrize("kind", ["failed", "snoozed", "given_back", "unknown_worker", "lost"])
async def test_a_child_that_waits_for_another_start_keeps_its_slot(pool, psql, kind):
    await insert_map(pool, 5, 2)
    await pool.claim()

    await pool.settle(outcome(pool.held["w", "m[0]"], kind, delay=60))

    assert await going(psql) == [0, 1]
    assert not (await pool.claim())[1:]


async def test_slots_returned_in_one_batch_are_all_passed_on(pool, psql):
    await insert_map(pool, 7, 3)
    await pool.claim()

    await pool.settle(*pool.outcomes("w", completed="m[0] m[2]", discarded="m[1]"))

    assert await going(psql) == [3, 4, 5]


async def test_a_child_that_becomes_a_group_keeps_its_slot_until_that_ends(pool, psql):
    await insert_map(pool, 3, 1)

    await return_graph(pool, "m[0]", chain("x", "y"))
    await settle_all(pool, completed="m[0]/x")
    assert (await states(psql, "w"))["m[1]"] == "suspended"
    await settle_all(pool, completed="m[0]/y")
    assert (await states(psql, "w"))["m[1]"] == "suspended"
    await settle_all(pool, joined="m[0]")

    assert (await states(psql, "w"))["m[1]"] == "available"


async def test_a_running_child_that_is_cancelled_by_name_returns_its_slot(pool, psql):
    await insert_map(pool, 4, 2)
    await pool.claim()

    await pool.cancel("w", "m[0]")

    assert await going(psql) == [1, 2]


async def test_a_waiting_child_that_is_cancelled_by_name_returns_none(pool, psql):
    await insert_map(pool, 5, 2)

    await pool.cancel("w", "m[2]")
    assert await going(psql) == [0, 1]
    await settle_all(pool, completed="m[0]")

    assert await going(psql) == [1, 3]


async def test_children_cancelled_in_one_call_pass_on_the_slots_they_held(pool, psql):
    """Some of them hold a slot, others wait for one."""
    await insert_map(pool, 7, 2)

    await pool.cancel("w", "m[1]", "m[2]", "m[3]")

    assert await going(psql) == [0, 4]


async def test_a_cancelled_map_passes_no_slot_on(pool, psql):
    await insert_map(pool, 5, 2)
    await pool.claim()

    await pool.cancel("w", "m")

    assert await going(psql) == []
    assert await state(psql, "w") == "failed"


async def test_a_child_lost_with_its_pool_keeps_its_slot(pool, other, psql):
    await insert_map(pool, 3, 1)
    await pool.claim()
    await psql.execute("update pools set dead_at = now() where id = $1", pool.id)

    await other.run_upkeep()

    assert await going(psql) == [0]


async def test_reopened_children_take_the_free_slots_in_item_order(pool, psql):
    await insert_map(pool, 6, 2)
    await settle_all(pool, discarded="m[0] m[1] m[2] m[3] m[4] m[5]", joined="m")

    await pool.retry("w")

    assert await going(psql) == [0, 1]
    await settle_all(pool, completed="m[0] m[1]")
    assert await going(psql) == [2, 3]
    await finish(pool)
    assert await state(psql, "w") == "completed"


async def test_a_child_reopened_while_the_slots_are_taken_waits_for_one(pool, psql):
    await insert_map(pool, 3, 1)
    await settle_all(pool, discarded="m[0]")

    await pool.retry("w", "m[0]")

    assert await going(psql) == [1]
    await assert_consistent(psql)
    await settle_all(pool, completed="m[1]")
    assert await going(psql) == [0]


async def test_a_child_reopened_while_a_slot_is_free_runs_at_once(pool, psql):
    await insert_map(pool, 3, 2)
    await settle_all(pool, discarded="m[0]", completed="m[1]")

    await pool.retry("w", "m[0]")

    assert await going(psql) == [0, 2]


async def test_groups_among_the_reopened_children_take_slots_too(pool, psql):
    await insert_map(pool, 3, 1)
    for number in range(3):
        await return_graph(pool, f"m[{number}]", chain("x"))
        await settle_all(pool, discarded=f"m[{number}]/x", joined=f"m[{number}]")
    await settle_all(pool, joined="m")

    await pool.retry("w", "m")

    assert [claimed.step for claimed in await pool.claim()] == ["m[0]/x"]


async def test_a_step_below_a_reopened_child_waits_while_slots_are_taken(pool, psql):
    await insert_map(pool, 2, 1)
    await return_graph(pool, "m[0]", chain("x"))
    await settle_all(pool, discarded="m[0]/x", joined="m[0]")
    assert [claimed.step for claimed in await pool.claim()] == ["m[1]"]

    await pool.retry("w", "m[0]/x")

    assert await pool.claim() == []
    await settle_all(pool, completed="m[1]")
    assert [claimed.step for claimed in await pool.claim()] == ["m[0]/x"]


@pytest.mark.parametrize("seed", range(12))
async def test_no_more_children_run_than_there_are_slots(pool, psql, seed):
    """Random ends, cancels and retries: the checker compares slots and holders after each."""
    chance = random.Random(seed)
    size, concurrency = chance.randint(3, 9), chance.randint(1, 4)
    await insert_map(pool, size, concurrency, max_attempts=2)
    kinds = ["completed"] * 3 + ["discarded", "skipped", "cancelled", "failed", "given_back"]
    for _ in range(14):
        name = f"m[{chance.randrange(size)}]"
        match chance.randrange(6):
            case 0:
                await pool.cancel("w", name)
            case 1:
                await pool.retry("w", name if chance.random() < 0.7 else "m")
            case _:
                claims = [claimed for claimed in await pool.claim() if claimed.step != "after"]
                await pool.settle(
                    *[
                        outcome(claimed, "joined" if claimed.is_join else chance.choice(kinds), delay=0)
                        for claimed in claims
                    ]
                )
        await assert_consistent(psql)
        children = [row for name, row in (await steps(psql, "w")).items() if name.startswith("m[")]
        assert sum(row["state"] in GOING for row in children) <= concurrency
    pool.held.clear()
    await finish(pool)
    assert (await states(psql, "w"))["m"] in ("completed", "discarded", "cancelled", "skipped")
