"""Rule 4: the attempt is counted in the claim, and what is given back is not spent."""

from __future__ import annotations

import json

import pytest

from tests.database.raw_pool import outcome, state, states, step, steps


async def entry(psql):
    return await psql.fetchrow("select *, extract(epoch from scheduled_at - clock_timestamp()) as wait from queue")


async def make_due(psql):
    await psql.execute("update queue set state = 'available' where state in ('retryable', 'scheduled')")


async def test_the_claim_counts_the_attempt(pool, psql):
    await pool.insert("w", step("a"))

    (claimed,) = await pool.claim()

    assert claimed.attempt == 1
    assert (await steps(psql, "w"))["a"]["attempt"] == 1


@pytest.mark.parametrize("attempt", [1, 2, 5, 11])
async def test_the_default_backoff_is_two_to_the_power_of_the_attempt(pool, psql, attempt):
    """In seconds."""
    await pool.insert("w", step("a"))
    await psql.execute("update queue set attempt = $1", attempt - 1)
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "failed"))

    found = await entry(psql)
    assert found["state"] == "retryable"
    assert 0.9 * 2**attempt - 1 < found["wait"] <= 1.1 * 2**attempt


async def test_a_failure_waits_an_hour_at_most(pool, psql):
    await pool.insert("w", step("a", max_attempts=100))
    await psql.execute("update queue set attempt = 90")
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "failed"))

    assert 3599 < (await entry(psql))["wait"] <= 3600


async def test_a_failure_waits_as_long_as_its_policy_says(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "failed", delay=77))

    assert 76 < (await entry(psql))["wait"] <= 77


async def test_a_failure_without_delay_is_available_at_once(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "failed", delay=0))

    assert (await entry(psql))["state"] == "available"


async def test_the_last_attempt_is_discarded_and_its_error_is_the_reason(pool, psql):
    await pool.insert("w", step("a", max_attempts=2), step("b", "a"))
    await pool.end("w", failed="a")
    await pool.end("w", failed="a")

    found = await steps(psql, "w")
    assert (found["a"]["state"], found["a"]["attempt"], found["a"]["reason"]) == ("discarded", 2, "failed by the test")
    assert found["b"]["state"] == "cancelled"
    assert await state(psql, "w") == "failed"


async def test_each_failure_is_kept_with_its_attempt_kind_error_and_trace(pool, psql):
    await pool.insert("w", step("a", max_attempts=2))
    (claimed,) = await pool.claim()
    failure = type(outcome(claimed, "failed").outcome)("failed", "ValueError: no", "Traceback ...", 0)
    await pool.settle(type(outcome(claimed, "failed"))(claimed.step_id, claimed.token, failure))
    await pool.end("w", discarded="a")

    errors = [json.loads(error) for error in (await steps(psql, "w"))["a"]["errors"]]

    assert [(error["attempt"], error["kind"]) for error in errors] == [(1, "failed"), (2, "discarded")]
    assert (errors[0]["error"], errors[0]["trace"]) == ("ValueError: no", "Traceback ...")


async def test_the_last_fifty_errors_are_kept(pool, psql):
    await pool.insert("w", step("a", max_attempts=100))
    for _ in range(53):
        await pool.end("w", failed="a")

    errors = [json.loads(error) for error in (await steps(psql, "w"))["a"]["errors"]]

    assert [error["attempt"] for error in errors] == list(range(4, 54))


async def test_a_snooze_spends_no_attempt_and_waits(pool, psql):
    await pool.insert("w", step("a", max_attempts=1))
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "snoozed", delay=60))

    found = await entry(psql)
    assert (found["state"], found["attempt"]) == ("scheduled", 0)
    assert 59 < found["wait"] <= 60


async def test_a_step_may_snooze_more_often_than_it_may_fail(pool, psql):
    await pool.insert("w", step("a", max_attempts=1))
    for _ in range(5):
        (claimed,) = await pool.claim()
        await pool.settle(outcome(claimed, "snoozed", delay=0))

    await pool.finish()

    assert await state(psql, "w") == "completed"


async def test_what_is_given_back_has_its_attempt_and_its_place_again(pool, psql):
    await pool.insert("w", step("a", max_attempts=1), step("b"))
    before = await psql.fetchval("select position from queue order by step_id limit 1")
    (claimed,) = await pool.claim(limit=1)

    await pool.settle(outcome(claimed, "given_back"))

    found = await psql.fetchrow("select state, attempt, position, token, pool from queue order by step_id limit 1")
    assert tuple(found) == ("available", 0, before, None, None)
    assert [claimed.step for claimed in await pool.claim()] == ["a", "b"]


async def test_attempts_in_a_row_never_exceed_the_maximum(pool, connect, psql):
    """Whatever happens to them."""
    await pool.insert("w", step("a", max_attempts=3))
    starts = 0
    for kind in ["failed", "snoozed", "failed", "given_back", "lost", "failed", "failed"]:
        await make_due(psql)
        claims = await pool.claim()
        starts += len(claims)
        for claimed in claims:
            await pool.settle(outcome(claimed, kind, delay=0))

    found = (await steps(psql, "w"))["a"]
    assert (found["state"], found["attempt"], starts) == ("discarded", 3, 6)


@pytest.mark.parametrize("end", ["completed", "cancelled", "skipped", "discarded"])
async def test_the_record_keeps_the_attempt_that_ended_the_step(pool, psql, end):
    await pool.insert("w", step("a"))
    await pool.end("w", failed="a")
    await pool.end("w", **{end: "a"})

    found = (await steps(psql, "w"))["a"]

    assert (found["state"], found["attempt"], found["pool"]) == (end, 2, pool.id)
    assert found["attempted_at"] <= found["finished_at"]


async def test_a_completed_step_has_no_reason_left_from_its_failures(pool, psql):
    await pool.insert("w", step("a"))
    await pool.end("w", failed="a")
    await pool.end("w", completed="a")

    assert (await steps(psql, "w"))["a"]["reason"] is None


async def test_a_result_is_kept_as_it_was_written(pool, psql):
    text = '{"z": 1e22, "a": -0.0, "nul": "\\u0000", "half": "\\ud800", "z": 2}'
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "completed", text))

    assert (await steps(psql, "w"))["a"]["result"] == text
    assert await states(psql, "w") == {"a": "completed"}
