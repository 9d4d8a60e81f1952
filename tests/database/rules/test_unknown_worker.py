"""Rule 9: a pool puts a step back whose worker it does not know, or whose arguments do not fit its worker."""

from __future__ import annotations

from datetime import timedelta

import pytest

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


async def misfit_at(psql):
    return await psql.fetchval("select misfit_at from steps")


async def settle_again(pool, psql, kind):
    await psql.execute("update queue set state = 'available'")
    (claimed,) = await pool.claim()
    await pool.settle(outcome(claimed, kind, delay=0))
    return claimed


async def test_a_misfit_waits_as_one_of_an_unknown_worker_does(pool, psql):
    await pool.insert("w", step("a", max_attempts=1))
    await refuse(pool, psql)
    await settle_again(pool, psql, "misfit")

    found = (await steps(psql, "w"))["a"]
    wait = await psql.fetchval("select extract(epoch from scheduled_at - clock_timestamp()) from queue")
    assert (found["state"], found["attempt"], found["refusals"]) == ("scheduled", 0, 2)
    assert 29 < float(wait) <= 30


@pytest.mark.parametrize("kind", ["misfit", "unknown_worker", "given_back"])
async def test_the_first_misfit_is_remembered_until_the_step_starts(pool, psql, kind):
    await pool.insert("w", step("a"))
    await settle_again(pool, psql, "misfit")
    first = await misfit_at(psql)
    await psql.execute("update steps set misfit_at = misfit_at - interval '1 hour'")

    await settle_again(pool, psql, kind)

    assert await misfit_at(psql) == first - timedelta(hours=1)
    claimed = await settle_again(pool, psql, kind)
    assert 3600 < claimed.refused_seconds < 3700


@pytest.mark.parametrize("kind", ["failed", "snoozed", "completed", "discarded"])
async def test_a_start_forgets_the_first_misfit(pool, psql, kind):
    await pool.insert("w", step("a"))
    await settle_again(pool, psql, "misfit")

    await settle_again(pool, psql, kind)

    assert await misfit_at(psql) is None


async def test_a_retry_forgets_the_first_misfit(pool, psql):
    await pool.insert("w", step("a"))
    await settle_again(pool, psql, "misfit")
    await pool.cancel("w")

    await pool.retry("w")

    assert await misfit_at(psql) is None
