"""Rule 9: a pool gives back a step whose worker it does not know."""

from __future__ import annotations

from tests.database.raw_pool import outcome, step, steps

DOUBLING = [15, 30, 60, 120, 240, 300, 300, 300]


async def refuse(pool, psql):
    """Let the step be claimed and refused once; return how many seconds it waits for."""
    await psql.execute("update queue set state = 'available'")
    (claimed,) = await pool.claim()
    await pool.settle(outcome(claimed, "unknown_worker", "no worker named 'work' is registered here"))
    wait = await psql.fetchval("select extract(epoch from scheduled_at - clock_timestamp()) from queue")
    return float(wait)


async def test_it_waits_fifteen_seconds_doubling_to_five_minutes(pool, psql):
    await pool.insert("w", step("a", max_attempts=1))

    waits = [await refuse(pool, psql) for _ in DOUBLING]

    assert [-1 < wait - expected <= 0 for wait, expected in zip(waits, DOUBLING, strict=True)] == [True] * 8


async def test_no_attempt_is_spent_and_the_cause_is_on_the_step(pool, psql):
    await pool.insert("w", step("a", max_attempts=1))

    await refuse(pool, psql)
    await refuse(pool, psql)

    found = (await steps(psql, "w"))["a"]
    assert (found["state"], found["attempt"], found["refusals"]) == ("scheduled", 0, 2)
    assert found["reason"] == "no worker named 'work' is registered here"


async def test_the_delay_begins_anew_after_the_step_has_started(pool, psql):
    await pool.insert("w", step("a"))
    for _ in range(4):
        await refuse(pool, psql)
    await psql.execute("update queue set state = 'available'")
    await pool.end("w", failed="a")

    assert 14 < await refuse(pool, psql) <= 15


async def test_the_delay_begins_anew_after_a_retry(pool, psql):
    await pool.insert("w", step("a"))
    for _ in range(4):
        await refuse(pool, psql)
    await pool.cancel("w")
    await pool.retry("w")

    assert 14 < await refuse(pool, psql) <= 15
