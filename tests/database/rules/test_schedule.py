"""Steps that wait for a time: on the database's clock, and staged when it comes (rule 5)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.database.raw_pool import outcome, states, step


async def now(psql):
    return await psql.fetchval("select clock_timestamp()")


async def waits(psql):
    return float(await psql.fetchval("select extract(epoch from scheduled_at - clock_timestamp()) from queue"))


async def make_due(psql):
    await psql.execute("update queue set scheduled_at = clock_timestamp() where state in ('scheduled', 'retryable')")


async def test_a_delay_counts_from_the_release(pool, psql):
    await pool.insert("w", step("a"), step("b", "a", schedule_in=60))
    await psql.execute("update workflows set inserted_at = inserted_at - interval '1 hour'")

    await pool.end("w", completed="a")

    assert await states(psql, "w") == {"a": "completed", "b": "scheduled"}
    assert 59 < await waits(psql) <= 60


async def test_a_scheduled_time_counts_from_the_release_on(pool, psql):
    at = await now(psql) + timedelta(seconds=90)
    await pool.insert("w", step("a"), step("b", "a", scheduled_at=at))

    await pool.end("w", completed="a")

    assert await psql.fetchrow("select state, scheduled_at from queue") == ("scheduled", at)


async def test_a_time_that_has_passed_delays_nothing(pool, psql):
    past = await now(psql) - timedelta(days=1)
    await pool.insert("w", step("a", scheduled_at=past))

    assert await states(psql, "w") == {"a": "available"}
    assert await psql.fetchval("select position > $1 from queue", past)


async def test_the_later_of_a_time_and_a_delay_counts(pool, psql):
    await pool.insert("w", step("a", scheduled_at=await now(psql) + timedelta(seconds=10), schedule_in=100))

    assert 99 < await waits(psql) <= 100


async def test_a_delay_counts_from_when_the_lock_was_acquired(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"))
    await pool.claim()
    async with pool.connection.transaction():
        began = await pool.connection.fetchval("select now()")
        await psql.fetchval("select pg_sleep(0.05)")
        await pool.settle(*pool.outcomes("w", completed="a"))

    assert await psql.fetchval("select scheduled_at - $1 > interval '50 milliseconds' from queue", began)


@pytest.mark.parametrize("kind", ["failed", "snoozed"])
async def test_what_is_due_is_staged_and_what_is_not_waits(pool, psql, kind):
    await pool.insert("w", step("a"), step("b"))
    for claimed in await pool.claim():
        await pool.settle(outcome(claimed, kind, delay=60))
    await psql.execute("update queue set scheduled_at = now() where step_id = (select min(step_id) from queue)")

    staged = await pool.store.stage(limit=1000)

    assert staged.staged == 1
    assert 55 < staged.next_in <= 60
    assert (await states(psql, "w"))["a"] == "available"


async def test_nothing_waits_for_a_time(pool):
    await pool.insert("w", step("a"))

    assert (await pool.store.stage(limit=1000)).next_in is None


async def test_staging_stops_at_its_limit_and_asks_to_be_called_again(pool, psql):
    await pool.insert("w", *[step(f"s{n}", schedule_in=60) for n in range(5)])
    await make_due(psql)

    rounds = [await pool.store.stage(limit=2) for _ in range(3)]

    assert [(staged.staged, staged.next_in) for staged in rounds] == [(2, 0), (2, 0), (1, None)]


async def test_what_waited_for_a_time_is_ordered_by_the_time_it_was_due(pool, psql):
    await pool.insert("due first", step("a", schedule_in=60))
    await pool.insert("released first", step("b"))
    await psql.execute(
        """
        update queue
           set scheduled_at = now() - interval '1 minute', position = now() - interval '1 minute'
         where state = 'scheduled'
        """
    )
    await pool.run_upkeep(sweep=False)

    assert [claimed.step for claimed in await pool.claim()] == ["a", "b"]


async def test_a_scheduled_step_spends_no_attempt_by_waiting(pool, psql):
    await pool.insert("w", step("a", schedule_in=60))
    await make_due(psql)
    await pool.run_upkeep(sweep=False)

    (claimed,) = await pool.claim()

    assert claimed.attempt == 1


async def test_two_pools_stage_each_entry_once(pool, other, psql, notifications):
    await pool.insert("w", *[step(f"s{n}", schedule_in=60) for n in range(4)])
    await make_due(psql)
    async with pool.connection.transaction():
        first = await pool.run_upkeep(sweep=False)
        second = await other.run_upkeep(sweep=False)

    assert (first.staged, second.staged) == (4, 0)
