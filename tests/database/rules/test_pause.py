"""Nothing is claimed from a paused queue, by any pool, until it is resumed."""

from __future__ import annotations

import pytest

from tests.database.raw_pool import outcome, step


async def test_nothing_is_claimed_from_a_paused_queue_but_from_others(pool):
    await pool.insert("w", step("a"), step("b", queue="web"))

    assert await pool.store.pause("default") is True

    assert await pool.claim() == []
    assert [claimed.step for claimed in await pool.claim(queue="web")] == ["b"]


async def test_what_was_claimed_before_settles_and_releases_what_then_waits(pool):
    await pool.insert("w", step("a"), step("b", "a"))
    (claimed,) = await pool.claim()
    await pool.store.pause("default")

    done = await pool.advance(outcome(claimed, "completed"))

    assert (done.accepted, done.claimed) == ([True], [])
    await pool.store.resume("default")
    assert [claimed.step for claimed in await pool.claim()] == ["b"]


async def test_a_replayed_claim_still_returns_what_it_took_before_the_pause(pool):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    await pool.store.pause("default")

    assert [again.step for again in await pool.claim(token=claimed.token)] == ["a"]


async def test_what_comes_due_in_a_paused_queue_becomes_available_and_stays_so(pool, psql):
    await pool.insert("w", step("a", schedule_in=60))
    await pool.store.pause("default")
    await psql.execute("update queue set scheduled_at = now()")

    assert (await pool.run_upkeep()).staged == 1

    assert await pool.claim() == []
    assert await psql.fetchval("select state from queue") == "available"


async def test_a_pause_holds_for_pools_that_register_later(pool, other):
    await pool.insert("w", step("a"))
    await pool.store.pause("default")
    await pool.store.deregister(pool.id)

    assert await other.claim() == []


async def test_pausing_or_resuming_twice_changes_nothing_and_says_so(pool, psql):
    assert [await pool.store.pause("default"), await pool.store.pause("default")] == [True, False]
    paused_at = await psql.fetchval("select paused_at from queue_settings")
    await pool.store.pause("default")
    assert await psql.fetchval("select paused_at from queue_settings") == paused_at

    assert [await pool.store.resume("default"), await pool.store.resume("default")] == [True, False]


async def test_resuming_wakes_the_queue(pool, notifications):
    await pool.store.pause("default")
    assert await notifications.received() == []

    await pool.store.resume("default")

    assert await notifications.received() == ["queue 1 default"]


async def test_a_pause_is_part_of_its_transaction(pool):
    await pool.insert("w", step("a"))
    transaction = pool.connection.transaction()
    await transaction.start()
    await pool.store.pause("default")
    await transaction.rollback()

    assert [claimed.step for claimed in await pool.claim()] == ["a"]


@pytest.mark.parametrize("name", ["Web", "a b", "", "'; --"])
async def test_any_name_may_be_paused_and_means_itself_alone(pool, name):
    await pool.insert("w", step("a"))

    await pool.store.pause(name)

    assert len(await pool.claim()) == 1
