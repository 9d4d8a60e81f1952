"""Failures and losses are counted in a row: a snooze and a kept value begin the count anew."""

from __future__ import annotations

import pytest

from baton.core.outcome import Outcome
from baton.database.messages import Settlement
from tests.database.raw_pool import outcome, state, step, steps

KEPT_ONE = '{"backoff" : null, "debug" : null, "budgets" : null, "meta" : null, "models" : null, "kept" : 1}'


async def make_due(psql):
    await psql.execute("update queue set state = 'available' where state in ('retryable', 'scheduled')")


async def ends(pool, psql, *kinds):
    """Claim the one step and settle it, once for each kind; `kept lost` keeps a value before it is lost."""
    for kind in kinds:
        await make_due(psql)
        (claimed,) = await pool.claim()
        *kept, last = kind.split()
        if kept:
            assert await pool.store.keep(claimed, "1")
        assert await pool.settle(outcome(claimed, last, delay=0)) == [True]


async def test_a_snooze_begins_the_count_of_failures_anew(pool, psql):
    await pool.insert("w", step("a", max_attempts=3))

    for _ in range(3):
        await ends(pool, psql, "failed", "failed", "snoozed")

    assert (await steps(psql, "w"))["a"]["attempt"] == 0
    await ends(pool, psql, "failed", "failed", "failed")
    assert (await steps(psql, "w"))["a"]["state"] == "discarded"


async def test_a_kept_value_begins_the_count_of_failures_anew(pool, psql):
    await pool.insert("w", step("a", max_attempts=2))

    await ends(pool, psql, "failed", "keep failed")

    assert await psql.fetchval("select attempt from queue") == 1
    await ends(pool, psql, "failed")
    assert (await steps(psql, "w"))["a"]["state"] == "discarded"


async def test_losses_in_a_row_discard_at_the_twentieth(pool, psql):
    await pool.insert("w", step("a", max_attempts=1000))

    await ends(pool, psql, *["lost"] * 19)
    assert await state(psql, "w") == "executing"
    await ends(pool, psql, "lost")

    found = (await steps(psql, "w"))["a"]
    assert found["state"] == "discarded"
    assert found["reason"] == "too many of its attempts were lost, the last 20 in a row: lost by the test"


async def test_a_failure_does_not_end_a_row_of_losses(pool, psql):
    await pool.insert("w", step("a", max_attempts=1000))

    await ends(pool, psql, *["lost", "failed"] * 19, "lost")

    assert (await steps(psql, "w"))["a"]["state"] == "discarded"


async def test_losses_count_as_failures_too(pool, psql):
    await pool.insert("w", step("a", max_attempts=3))

    await ends(pool, psql, "lost", "failed", "lost")

    assert (await steps(psql, "w"))["a"]["state"] == "discarded"


@pytest.mark.parametrize("between", ["snoozed", "keep failed"])
async def test_a_snooze_or_a_kept_value_ends_a_row_of_losses(pool, psql, between):
    await pool.insert("w", step("a", max_attempts=1000))

    for _ in range(2):
        await ends(pool, psql, *["lost"] * 19, between)

    assert await state(psql, "w") == "executing"


@pytest.mark.parametrize("habit", [["keep lost"], ["snoozed", "lost"]], ids=["keeps", "snoozes"])
async def test_a_step_that_always_kills_its_process_ends(pool, psql, habit):
    """Although it snoozes or keeps a value in between."""
    await pool.insert("w", step("a", max_attempts=3))

    await ends(pool, psql, *habit * 20)

    assert (await steps(psql, "w"))["a"]["state"] == "discarded"


async def test_a_poller_that_loses_its_process_now_and_then_lives(pool, psql):
    await pool.insert("w", step("a", max_attempts=3))

    await ends(pool, psql, *["lost", "snoozed", "snoozed"] * 25)

    assert await state(psql, "w") == "executing"


async def test_a_retry_begins_the_count_of_losses_anew(pool, psql):
    await pool.insert("w", step("a", max_attempts=1000))
    await ends(pool, psql, *["lost"] * 20)

    await pool.retry("w")
    await ends(pool, psql, *["lost"] * 19)

    assert await state(psql, "w") == "executing"


async def test_a_void_claim_keeps_nothing(pool, psql):
    await pool.insert("w", step("a"))
    (stale,) = await pool.claim()
    await pool.settle(outcome(stale, "given_back"))
    (claimed,) = await pool.claim()

    assert await pool.store.keep(stale, '"stale"') is False
    assert await pool.store.keep(claimed, '"valid"') is True

    assert await psql.fetchval("select value::text from kept") == '"valid"'


async def test_a_value_is_kept_while_the_workflow_is_locked(pool, psql, connect):
    """It waits for its own entry alone."""
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    holder = await connect(search_path="baton")
    async with holder.transaction():
        await holder.execute("select from workflows for update")

        assert await pool.store.keep(claimed, "1") is True


async def test_a_replayed_snooze_does_not_overwrite_a_later_value(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    snooze = Settlement(claimed.step_id, claimed.token, Outcome("snoozed", delay=0, keep="1"))
    await pool.settle(snooze)
    (later,) = await pool.claim()
    await pool.store.keep(later, "2")

    assert await pool.settle(snooze) == [True]

    assert await psql.fetchval("select value::text from kept") == "2"


async def test_a_claim_delivers_what_was_kept_to_a_context_alone(pool, psql):
    await pool.insert("w", step("a", takes_context=True), step("b"))
    for claimed in await pool.claim():
        await pool.settle(Settlement(claimed.step_id, claimed.token, Outcome("snoozed", delay=0, keep="1")))

    assert {claimed.step: claimed.extras for claimed in await pool.claim()} == {"a": KEPT_ONE, "b": None}


async def test_what_was_kept_is_pruned_with_its_step(pool, psql):
    from datetime import timedelta

    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    await pool.store.keep(claimed, "1")
    await pool.settle(outcome(claimed, "completed"))

    await pool.store.prune(timedelta(0), limit=10)

    assert await psql.fetchval("select count(*) from kept") == 0


async def test_a_snoozed_dependent_keeps_its_run_when_upstream_is_retried(pool, psql):
    """It has begun by ignoring the failure, although its count of attempts is 0 again."""
    await pool.insert("w", step("a", max_attempts=1), step("b", "a", ignoring="discarded"))
    await pool.end("w", failed="a")
    (claimed,) = await pool.claim()
    await pool.settle(outcome(claimed, "snoozed", delay=600))

    await pool.retry("w", "a")

    assert (await steps(psql, "w"))["b"]["state"] == "scheduled"


async def test_a_step_that_keeps_nothing_does_not_read_what_is_kept(pool, connect):
    """Neither its claim nor its settle, be it completed, failed or given back; with a context on its first attempt."""
    await pool.insert("w", step("a"), step("b", takes_context=True), step("c"), step("d", "a"))
    async with pool.connection.transaction():
        await pool.claim()
        await pool.settle(*pool.outcomes("w", completed="a", failed="b", given_back="c"))
        await pool.claim()

        reads = "select coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_xact_user_tables where relname = $1"
        assert await pool.connection.fetchval(reads, "kept") == 1  # the second attempt of b
        assert await pool.connection.fetchval(reads, "steps") > 0
