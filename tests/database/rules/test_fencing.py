"""Rule 1: an outcome counts only under the random token of its own claim."""

from __future__ import annotations

from uuid import uuid4

import pytest

from baton.database.messages import ClaimRequest
from tests.database.raw_pool import outcome, overlap, state, states, step, steps

KINDS = ["completed", "failed", "discarded", "cancelled", "skipped", "snoozed", "given_back", "unknown_worker"]


async def claimed_twice(pool, other, psql):
    """Let the step `a` be claimed, lost, and claimed again: return the stale claim and the valid one."""
    await pool.insert("w", step("a"), step("b", "a"))
    (stale,) = await pool.claim()
    await psql.execute("update pools set dead_at = clock_timestamp() where id = $1", pool.id)
    await other.run_upkeep()
    await psql.execute("update queue set state = 'available'")
    (valid,) = await other.claim()
    return stale, valid


@pytest.mark.parametrize("kind", KINDS)
async def test_a_zombie_settles_nothing(pool, other, psql, kind):
    stale, _valid = await claimed_twice(pool, other, psql)

    assert await pool.settle(outcome(stale, kind)) == [False]

    assert await states(psql, "w") == {"a": "executing", "b": "suspended"}


@pytest.mark.parametrize("stale_first", [True, False])
async def test_only_the_valid_outcome_of_a_batch_is_stored(pool, other, psql, stale_first):
    """The other one is stale, of the same step."""
    stale, valid = await claimed_twice(pool, other, psql)
    batch = [(outcome(stale, "completed", '"stale"'), False), (outcome(valid, "completed", '"valid"'), True)]
    if not stale_first:
        batch.reverse()

    accepted = await other.settle(*[settling for settling, _ in batch])

    assert accepted == [is_valid for _, is_valid in batch]
    stored = await psql.fetchrow("select result::text, token, attempt, pool from steps where name = 'a'")
    assert tuple(stored) == ('"valid"', valid.token, 2, other.id)


@pytest.mark.parametrize("stale_first", [True, False])
async def test_a_stale_failure_beside_a_valid_completion_changes_nothing(pool, other, psql, stale_first):
    stale, valid = await claimed_twice(pool, other, psql)
    batch = [outcome(stale, "discarded"), outcome(valid, "completed")]
    if not stale_first:
        batch.reverse()

    await other.settle(*batch)

    assert await states(psql, "w") == {"a": "completed", "b": "available"}


async def test_the_stale_outcome_of_one_step_does_not_spoil_the_batch(pool, other, psql):
    stale, _valid = await claimed_twice(pool, other, psql)
    await other.insert("v", step("x"))
    (beside,) = await other.claim()

    accepted = await other.settle(outcome(stale, "completed"), outcome(beside, "completed"))

    assert accepted == [False, True]
    assert await state(psql, "v") == "completed"


@pytest.mark.parametrize("stale_first", [True, False])
@pytest.mark.parametrize("kind", ["discarded", "failed", "snoozed", "cancelled"])
async def test_a_stale_failure_beside_a_valid_one_changes_nothing(pool, other, psql, kind, stale_first):
    stale, valid = await claimed_twice(pool, other, psql)
    batch = [outcome(stale, kind), outcome(valid, "failed", "ValueError: the valid one", delay=0)]
    if not stale_first:
        batch.reverse()

    await other.settle(*batch)

    found = (await steps(psql, "w"))["a"]
    assert (found["state"], found["reason"]) == ("available", "ValueError: the valid one")


async def test_a_stale_failure_beside_anothers_failure_changes_nothing(pool, other, psql):
    stale, _valid = await claimed_twice(pool, other, psql)
    await other.insert("v", step("x"))
    (beside,) = await other.claim()

    accepted = await other.settle(outcome(stale, "discarded"), outcome(beside, "failed", delay=0))

    assert accepted == [False, True]
    assert await states(psql, "w") == {"a": "executing", "b": "suspended"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_replayed_settle_is_accepted_and_changes_nothing(pool, psql, kind):
    await pool.insert("w", step("a"), step("b", "a", ignoring="discarded"), step("x"))
    await pool.claim()
    (settling,) = pool.outcomes("w", **{kind: "a"})
    await pool.settle(settling)
    before = await psql.fetch("select * from steps_view order by id")

    assert await pool.settle(settling) == [True]

    assert await psql.fetch("select * from steps_view order by id") == before


async def test_a_replay_of_another_kind_under_the_same_token_is_refused(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    await pool.settle(outcome(claimed, "completed"))

    assert await pool.settle(outcome(claimed, "failed")) == [False]

    assert await state(psql, "w") == "completed"


async def test_a_replayed_settle_is_refused_once_another_outcome_was_accepted(pool):
    await pool.insert("w", step("a"))
    (first,) = await pool.claim()
    failed = outcome(first, "failed", delay=0)
    await pool.settle(failed)
    (second,) = await pool.claim()
    assert await pool.settle(failed) == [True]

    await pool.settle(outcome(second, "failed", delay=0))

    assert await pool.settle(failed) == [False]


async def test_a_replayed_settle_is_checked_after_it_waited_for_the_lock(pool, other):
    await pool.insert("w", step("a"))
    await pool.claim()
    (settling,) = pool.outcomes("w", completed="a")

    accepted = await overlap(pool.connection, pool.settle(settling), other.connection, other.settle(settling))

    assert accepted == ([True], [True])


async def test_what_was_cancelled_cannot_be_settled(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    await pool.cancel("w")

    assert await pool.settle(outcome(claimed, "completed")) == [False]

    assert await states(psql, "w") == {"a": "cancelled"}


async def test_a_retried_step_does_not_take_the_old_attempts_outcome(pool, psql):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    await pool.cancel("w")
    await pool.retry("w")

    assert await pool.settle(outcome(claimed, "completed")) == [False]

    assert await states(psql, "w") == {"a": "available"}


async def test_the_outcome_of_an_unknown_step_is_refused(pool):
    await pool.insert("w", step("a"))
    (claimed,) = await pool.claim()
    strange = type(claimed)(**{name: getattr(claimed, name) for name in claimed.__slots__} | {"step_id": 7 << 40})

    assert await pool.settle(outcome(strange, "completed"), outcome(claimed, "completed")) == [False, True]


async def test_the_same_outcome_twice_in_one_batch_counts_once(pool):
    await pool.insert("w", step("a"), step("x"), step("b", "a", "x"))
    await pool.claim()
    (settling,) = pool.outcomes("w", completed="a")

    assert await pool.settle(settling, settling) == [True, True]

    assert (await steps(pool.connection, "w"))["b"]["pending"] == 1


@pytest.mark.parametrize("kinds", [("completed", "failed"), ("discarded", "failed"), ("snoozed", "cancelled")])
async def test_two_kinds_under_one_token_in_a_batch_leave_a_consistent_step(pool, kinds):
    await pool.insert("w", step("a"), step("b", "a"))
    (claimed,) = await pool.claim()

    accepted = await pool.settle(*[outcome(claimed, kind) for kind in kinds])

    assert accepted.count(True) == 1


async def test_a_replayed_claim_returns_what_the_first_took_and_takes_no_more(pool):
    await pool.insert("w", *[step(f"s{n}") for n in range(10)])
    claiming = ClaimRequest(uuid4(), {"default": 3})

    first = await pool.store.claim(pool.id, claiming)
    replayed = await pool.store.claim(pool.id, claiming)

    assert replayed == first
    assert [claimed.step for claimed in first] == ["s0", "s1", "s2"]


async def test_a_replayed_claim_waits_for_the_first(pool, other):
    await pool.insert("w", *[step(f"s{n}") for n in range(10)])
    claiming = ClaimRequest(uuid4(), {"default": 3})

    first, replayed = await overlap(
        pool.connection,
        pool.store.claim(pool.id, claiming),
        other.connection,
        other.store.claim(pool.id, claiming),
    )

    assert replayed == first
    assert (await pool.connection.fetchval("select count(*) from baton.queue where state = 'executing'")) == 3


async def test_a_replayed_advance_waits_for_the_first_and_answers_the_same(pool, other):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "a"), step("d", "a"))
    await pool.claim()
    settling = pool.outcomes("w", completed="a")
    claiming = ClaimRequest(uuid4(), {"default": 2})

    first, replayed = await overlap(
        pool.connection,
        pool.store.advance(pool.id, settling, claiming),
        other.connection,
        other.store.advance(pool.id, settling, claiming),
    )

    assert replayed == first
    assert [claimed.step for claimed in first.claimed] == ["b", "c"]


async def test_a_claim_that_rolled_back_took_nothing(pool):
    await pool.insert("w", step("a"))
    claiming = ClaimRequest(uuid4(), {"default": 3})
    transaction = pool.connection.transaction()
    await transaction.start()
    await pool.store.claim(pool.id, claiming)
    await transaction.rollback()

    (claimed,) = await pool.store.claim(pool.id, claiming)

    assert claimed.attempt == 1


async def test_the_limits_of_several_queues_hold_each_for_itself_under_one_token(pool):
    wide = [step(f"{queue}{n}", queue=queue) for queue in ("default", "web") for n in range(5)]
    await pool.insert("w", *wide)
    claiming = ClaimRequest(uuid4(), {"web": 2, "default": 1})

    first = await pool.store.claim(pool.id, claiming)

    assert [claimed.step for claimed in first] == ["web0", "web1", "default0"]
    assert sorted(claimed.step for claimed in await pool.store.claim(pool.id, claiming)) == ["default0", "web0", "web1"]
