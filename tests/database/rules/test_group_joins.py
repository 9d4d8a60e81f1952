"""A join is fenced, replayed and given back like an attempt, and spends none."""

from __future__ import annotations

import asyncio

import pytest

from tests.database.consistency import assert_consistent
from tests.database.raw_groups import chain, expand, flow, held, insert, insert_map, part, return_graph, settle_all
from tests.database.raw_pool import outcome, overlap, state, states, steps


async def test_a_join_lost_with_its_pool_is_taken_by_another_pool(pool, other, psql):
    await insert_map(pool, 1)
    await settle_all(pool, completed="m[0]")
    (lost,) = await pool.claim()
    before = (await steps(psql, "w"))["m"]["attempt"]
    await psql.execute("update pools set dead_at = now() where id = $1", pool.id)

    await other.run_upkeep()

    found = (await steps(psql, "w"))["m"]
    assert (found["state"], found["attempt"], found["errors"]) == ("available", before, None)
    assert await pool.settle(outcome(lost, "joined")) == [False]
    await settle_all(other, joined="m")
    assert (await states(psql, "w"))["m"] == "completed"


async def test_a_join_may_be_lost_more_often_than_a_step_has_attempts(pool, other, psql):
    await insert(pool, flow().add("t", part.new().with_options(max_attempts=1)))
    await return_graph(pool, "t", chain("x"))
    await settle_all(pool, completed="t/x")

    for _ in range(30):
        (claimed,) = await pool.claim()
        assert claimed.is_join
        assert await pool.settle(outcome(claimed, "lost")) == [True]
        assert (await states(psql, "w"))["t"] == "available"

    await settle_all(other, joined="t")
    assert (await steps(psql, "w"))["t"]["attempt"] == 1


@pytest.mark.parametrize("kind", ["given_back", "unknown_worker", "lost"])
async def test_a_join_that_is_given_back_is_available_again_at_once(pool, psql, kind):
    await insert(pool, flow().add("g", chain("x")))
    await settle_all(pool, completed="g/x")

    await settle_all(pool, **{kind: "g"})

    assert (await states(psql, "w"))["g"] == "available"
    await settle_all(pool, joined="g")
    assert await state(psql, "w") == "completed"


async def test_a_join_that_failed_waits_before_it_is_tried_again(pool, psql):
    """Its outcome could not be stored. At once it would fail again, and so on without an end."""
    await insert(pool, flow().add("g", chain("x")))
    await settle_all(pool, completed="g/x")

    await settle_all(pool, failed="g")

    assert (await states(psql, "w"))["g"] == "scheduled"
    wait = "select extract(epoch from scheduled_at - clock_timestamp()) from queue"
    assert 10 < await psql.fetchval(wait) <= 15
    assert (await steps(psql, "w"))["g"]["reason"] == "failed by the test"
    await psql.execute("update queue set scheduled_at = clock_timestamp()")
    await pool.run_upkeep()
    await settle_all(pool, joined="g")
    assert await state(psql, "w") == "completed"


async def test_a_replayed_join_is_accepted_and_counts_once(pool, psql):
    await insert(pool, flow().add("g", chain("x")).add("z", part.new(), deps=["g"]).add("y", part.new(), deps=["z"]))
    await settle_all(pool, completed="g/x")
    (join,) = await pool.claim()

    answers = [await pool.settle(outcome(join, "joined")) for _ in range(3)]

    assert answers == [[True]] * 3
    assert await psql.fetchval("select remaining from workflows") == 2


async def test_a_join_is_void_once_a_child_was_opened_again(pool, psql):
    await insert(pool, flow().add("g", chain("x")))
    await settle_all(pool, discarded="g/x")
    join = await held(pool, "g")

    await pool.retry("w", "g/x")

    assert await pool.settle(outcome(join, "joined")) == [False]
    assert await states(psql, "w") == {"g": "suspended", "g/x": "available"}


async def test_the_expansion_of_a_join_is_refused(pool, psql):
    """A zombie that returned its graph twice: its claim is void, and that of the join is another."""
    await insert(pool, flow().add("t", part.new()))
    first = await held(pool, "t")
    await expand(pool, first, chain("x"))
    pool.held.clear()
    await settle_all(pool, completed="t/x")
    await pool.claim()

    assert (await expand(pool, first, chain("x"))).accepted  # a replay
    assert list(await states(psql, "w")) == ["t", "t/x"]


async def test_children_that_end_in_one_batch_are_all_counted(pool, psql):
    await insert_map(pool, 5)
    await pool.claim()

    assert (
        await pool.settle(*pool.outcomes("w", completed="m[0] m[2]", discarded="m[1]", skipped="m[3] m[4]"))
        == [True] * 5
    )

    assert (await states(psql, "w"))["m"] == "available"


async def test_children_of_two_groups_end_in_one_batch(pool, psql):
    await insert(pool, flow().add("a", flow().add("x", part.new()).add("y", part.new())).add("b", chain("x")))
    await pool.claim()

    await pool.settle(*pool.outcomes("w", completed="a/x b/x a/y"))

    assert {name: (await states(psql, "w"))[name] for name in "ab"} == {"a": "available", "b": "available"}


async def test_the_join_of_a_group_and_the_last_sibling_of_it_end_in_one_batch(pool, psql):
    await insert(pool, flow().add("g", flow().add("a", chain("x")).add("y", part.new())))
    await settle_all(pool, completed="g/a/x")
    await pool.claim()

    assert await pool.settle(*pool.outcomes("w", joined="g/a", completed="g/y")) == [True, True]

    assert (await states(psql, "w"))["g"] == "available"
    pool.held.clear()
    await settle_all(pool, joined="g")


async def test_one_advance_settles_a_last_child_and_claims_the_join(pool):
    await insert(pool, flow().add("g", chain("x")).add("z", part.new(), deps=["g"]))
    await pool.claim()

    done = await pool.advance(*pool.outcomes("w", completed="g/x"))
    assert [claimed.step for claimed in done.claimed] == ["g"]
    done = await pool.advance(outcome(done.claimed[0], "joined"))

    assert [claimed.step for claimed in done.claimed] == ["z"]


async def test_the_two_last_children_settled_by_two_pools_at_once_leave_one_join(pool, other, psql):
    await insert_map(pool, 2)
    await pool.claim(1)
    await other.claim(1)

    await overlap(
        pool.connection,
        pool.settle(*pool.outcomes("w", completed="m[0]")),
        other.connection,
        other.settle(*other.outcomes("w", completed="m[1]")),
    )

    assert await psql.fetchval("select count(*) from queue where is_join") == 1
    pool.held.clear()
    await settle_all(pool, joined="m")


async def test_a_cancel_that_waits_for_the_last_child_cancels_the_join(pool, other, psql):
    await insert_map(pool, 1)
    await pool.claim()

    await overlap(
        pool.connection, pool.settle(*pool.outcomes("w", completed="m[0]")), other.connection, other.cancel("w", "m")
    )

    assert await states(psql, "w") == {"m": "cancelled", "after": "cancelled", "m[0]": "completed"}


async def test_a_join_that_waits_for_a_cancel_of_its_group_is_refused(pool, other, psql):
    await insert_map(pool, 1)
    await settle_all(pool, completed="m[0]")
    join = await held(pool, "m")

    _, accepted = await overlap(
        other.connection, other.cancel("w", "m"), pool.connection, pool.settle(outcome(join, "joined"))
    )

    assert accepted == [False]
    assert (await states(psql, "w"))["m"] == "cancelled"


async def test_a_cancel_that_waits_for_a_join_finds_a_final_group(pool, other, psql):
    await insert_map(pool, 1)
    await settle_all(pool, completed="m[0]")
    join = await held(pool, "m")

    _, cancelled = await overlap(
        pool.connection, pool.settle(outcome(join, "joined")), other.connection, other.cancel("w", "m")
    )

    assert cancelled.count == 0
    assert await states(psql, "w") == {"m": "completed", "after": "available", "m[0]": "completed"}


async def test_an_expansion_that_waits_for_a_cancel_of_its_step_is_refused(pool, other, psql):
    await insert(pool, flow().add("t", part.new()))
    claimed = await held(pool, "t")

    _, answer = await overlap(other.connection, other.cancel("w"), pool.connection, expand(pool, claimed, chain("x")))

    assert not answer.accepted
    assert await states(psql, "w") == {"t": "cancelled"}


@pytest.mark.parametrize("names", [(), ("t",)], ids=["whole", "by name"])
async def test_a_cancel_that_waits_for_an_expansion_cancels_the_children(pool, other, psql, names):
    await insert(pool, flow().add("t", part.new()))
    claimed = await held(pool, "t")

    _, cancelled = await overlap(
        pool.connection, expand(pool, claimed, chain("x", "y")), other.connection, other.cancel("w", *names)
    )

    assert cancelled.count == 3
    assert set((await states(psql, "w")).values()) == {"cancelled"}


async def test_a_retry_that_waits_for_the_settle_of_a_child_counts_it(pool, other, psql):
    await insert_map(pool, 3)
    await settle_all(pool, discarded="m[0]")
    await pool.claim()

    await overlap(
        pool.connection, pool.settle(*pool.outcomes("w", completed="m[1]")), other.connection, other.retry("w", "m[0]")
    )

    assert (await steps(psql, "w"))["m"]["pending"] == 2


async def test_a_last_child_settled_after_a_retry_of_another_makes_no_join(pool, other, psql):
    """The settle waits for the lock of the retry, and counts after it."""
    await insert_map(pool, 2)
    await settle_all(pool, discarded="m[0]")
    await pool.claim()

    await overlap(
        other.connection, other.retry("w", "m[0]"), pool.connection, pool.settle(*pool.outcomes("w", completed="m[1]"))
    )

    assert await states(psql, "w") == {"m": "suspended", "after": "suspended", "m[0]": "available", "m[1]": "completed"}


async def test_two_pools_expand_cancel_and_retry_groups_without_deadlock(pool, other, psql):
    for number in range(12):
        await insert(pool, flow(str(number)).add("t", part.new()).add("g", chain("x", "y"), deps=["t"]))
    claims = await pool.claim()

    async def expand_all():
        for claimed in claims:
            if claimed.step == "t":
                await expand(pool, claimed, chain("x", "y"))

    async def cancel_and_retry_all():
        for number in range(12):
            await other.cancel(str(number), "t")
            await other.retry(str(number))

    await asyncio.gather(expand_all(), cancel_and_retry_all())

    await assert_consistent(psql)
    assert len(await psql.fetch("select from workflows")) == 12
