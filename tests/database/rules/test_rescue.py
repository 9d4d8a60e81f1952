"""Rule 7: rescue is level-triggered: it looks at what is stored, not at what happened."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from baton.database.messages import ClaimRequest
from tests.database.raw_pool import RawPool, outcome, overlap, state, states, step, steps

LET_EXPIRE = "update pools set expires_at = clock_timestamp() - interval '1 second' where id = $1"


async def entry(psql):
    return await psql.fetchrow("select *, extract(epoch from scheduled_at - clock_timestamp()) as wait from queue")


@pytest.fixture
async def claimed(pool):
    """A claim of the step `a` of the workflow `w`, which has two attempts and a dependent."""
    await pool.insert("w", step("a", max_attempts=2), step("b", "a"))
    (claimed,) = await pool.claim()
    return claimed


async def test_the_steps_of_a_dead_pool_wait_for_their_next_attempt(pool, other, psql, claimed):
    await psql.execute(LET_EXPIRE, pool.id)

    done = await other.run_upkeep()

    assert (done.died, done.lost, done.given_back) == (1, 1, 0)
    found = await entry(psql)
    assert (found["state"], found["attempt"], found["token"], found["pool"]) == ("retryable", 1, None, None)
    assert 0.8 < found["wait"] <= 2.2


async def test_a_lost_attempt_is_recorded_on_the_step(pool, other, psql, claimed):
    await psql.execute(LET_EXPIRE, pool.id)

    await other.run_upkeep()

    (error,) = (await steps(psql, "w"))["a"]["errors"]
    recorded = json.loads(error)
    assert (recorded["kind"], recorded["attempt"]) == ("lost", 1)
    assert recorded["error"] == f"the worker pool that ran it was lost (pool {pool.id})"


async def test_a_step_lost_in_its_last_attempt_is_discarded(pool, other, psql, claimed):
    """Its dependents are cancelled."""
    await pool.settle(outcome(claimed, "failed", delay=0))
    await pool.claim()
    await psql.execute(LET_EXPIRE, pool.id)

    await other.run_upkeep()

    assert await states(psql, "w") == {"a": "discarded", "b": "cancelled"}
    assert await state(psql, "w") == "failed"


async def test_a_long_attempt_of_a_living_pool_is_left_alone(pool, other, psql, claimed):
    await psql.execute("update queue set attempted_at = attempted_at - interval '1 day'")
    await pool.heartbeat(claimed.token)
    await pool.heartbeat(claimed.token)

    done = await other.run_upkeep()

    assert (done.died, done.lost, done.given_back) == (0, 0, 0)


async def test_a_late_heartbeat_before_the_sweep_keeps_the_pool_alive(pool, other, psql, claimed):
    await psql.execute(LET_EXPIRE, pool.id)
    assert (await pool.heartbeat(claimed.token)).is_alive

    assert (await other.run_upkeep()).died == 0


async def test_a_pool_whose_row_is_locked_by_its_heartbeat_is_left_alone(pool, other, psql, claimed):
    await psql.execute(LET_EXPIRE, pool.id)
    async with pool.connection.transaction():
        await pool.heartbeat(claimed.token)

        assert (await other.run_upkeep()).died == 0

    assert (await other.run_upkeep()).died == 0


async def test_a_heartbeat_that_waited_for_the_sweep_learns_of_the_death(pool, other, psql, claimed):
    await psql.execute(LET_EXPIRE, pool.id)

    done, answer = await overlap(other.connection, other.run_upkeep(), pool.connection, pool.heartbeat(claimed.token))

    assert (done.lost, answer.is_alive) == (1, False)


async def test_a_dead_pool_stays_dead_after_any_heartbeat(pool, other, psql, claimed):
    await psql.execute(LET_EXPIRE, pool.id)
    await other.run_upkeep()

    assert not (await pool.heartbeat(claimed.token)).is_alive
    assert not (await pool.heartbeat()).is_alive

    found = await psql.fetchrow("select dead_at, expires_at < clock_timestamp() from pools where id = $1", pool.id)
    assert found[0] is not None
    assert found[1]


@pytest.mark.parametrize("fate", ["dead", "unknown"])
async def test_a_pool_that_is_dead_or_unknown_claims_nothing(pool, psql, fate):
    await pool.insert("w", step("a"))
    gone = {"dead": "update pools set dead_at = clock_timestamp()", "unknown": "delete from pools"}
    await psql.execute(gone[fate])

    assert await pool.claim() == []

    assert await states(psql, "w") == {"a": "available"}


async def test_the_heartbeat_of_an_unknown_pool_says_it_is_dead(pool, psql):
    await psql.execute("delete from pools")

    assert not (await pool.heartbeat()).is_alive


async def test_the_entries_of_an_unknown_pool_are_rescued(pool, other, psql, claimed):
    await psql.execute("delete from pools where id = $1", pool.id)

    assert (await other.run_upkeep()).lost == 1


async def test_a_claim_committed_after_its_pool_was_swept_is_rescued_later(pool, other, psql):
    await pool.insert("w", step("a"))
    async with pool.connection.transaction():
        await pool.claim()
        await psql.execute(LET_EXPIRE, pool.id)
        assert (await other.run_upkeep()).lost == 0

    assert (await other.run_upkeep()).lost == 1


async def test_two_sweeps_at_once_rescue_once(pool, other, psql, connect, claimed):
    third = await RawPool.register(await connect())
    await psql.execute("update pools set dead_at = clock_timestamp() where id = $1", pool.id)

    await overlap(other.connection, other.run_upkeep(), third.connection, third.run_upkeep())

    assert (await entry(psql))["attempt"] == 1
    assert len((await steps(psql, "w"))["a"]["errors"]) == 1


async def test_a_settle_that_waited_for_the_rescue_is_refused(pool, other, psql, claimed):
    await psql.execute("update pools set dead_at = clock_timestamp() where id = $1", pool.id)

    _, accepted = await overlap(
        other.connection, other.run_upkeep(), pool.connection, pool.settle(outcome(claimed, "completed"))
    )

    assert accepted == [False]


async def test_a_settle_before_the_rescue_counts_although_the_lease_is_lost(pool, other, psql, claimed):
    await psql.execute(LET_EXPIRE, pool.id)

    _, done = await overlap(
        pool.connection, pool.settle(outcome(claimed, "completed")), other.connection, other.run_upkeep()
    )

    assert (done.died, done.lost) == (1, 0)
    assert (await states(psql, "w"))["a"] == "completed"


async def test_a_pool_that_left_is_swept_without_waiting_for_its_lease(pool, other, claimed):
    await pool.store.deregister(pool.id)

    assert (await other.run_upkeep()).lost == 1


async def test_a_claim_whose_answer_was_lost_is_given_back_after_two_heartbeats(pool, other, psql, claimed):
    await pool.insert("v", step("h"))
    (healthy,) = await pool.claim()

    swept = []
    for _ in range(2):
        await pool.heartbeat(healthy.token)
        swept.append((await other.run_upkeep()).given_back)

    assert swept == [0, 1]
    assert (await states(psql, "w"))["a"] == "available"
    assert (await states(psql, "v"))["h"] == "executing"
    assert (await steps(psql, "w"))["a"]["attempt"] == 0


async def test_a_claim_that_is_listed_is_never_given_back(pool, other, psql, claimed):
    for _ in range(4):
        await pool.heartbeat(claimed.token)
        assert (await other.run_upkeep()).given_back == 0


async def test_a_token_listed_before_its_claim_was_sent_protects_it(pool, other, claimed):
    claiming = ClaimRequest(uuid4(), {"default": 5})
    await pool.insert("v", step("late"))
    await pool.heartbeat(claimed.token, claiming.token)
    await pool.store.claim(pool.id, claiming)
    await pool.heartbeat(claimed.token, claiming.token)

    assert (await other.run_upkeep()).given_back == 0


async def test_a_claim_sent_after_the_last_heartbeat_is_not_given_back(pool, other, claimed):
    """Although that heartbeat does not list it."""
    await pool.heartbeat()
    await pool.heartbeat()
    await pool.insert("v", step("fresh"))
    await pool.claim()

    done = await other.run_upkeep()

    assert done.given_back == 1
    assert (await states(pool.connection, "v"))["fresh"] == "executing"


async def test_a_heartbeat_that_was_given_up_and_arrives_late_is_ignored(pool, other, claimed):
    await pool.heartbeat(number=1)
    await pool.heartbeat(claimed.token, number=3)

    assert (await pool.heartbeat(number=2)).is_alive

    assert (await other.run_upkeep()).given_back == 0


async def test_a_heartbeat_returns_the_claims_that_are_still_valid(pool, other, claimed):
    await pool.insert("v", step("x"))
    (voided,) = await pool.claim()
    await other.cancel("v")

    answer = await pool.heartbeat(claimed.token, voided.token)

    assert answer.held == {(claimed.step_id, claimed.token)}


async def test_a_heartbeat_returns_the_number_of_living_pools_by_queue(pool, other, psql):
    """In the order of the pool's own queues."""
    await psql.execute("update pools set queues = '{web,default,mail}' where id = $1", pool.id)
    await psql.execute("update pools set queues = '{other,web}' where id = $1", other.id)

    before = await pool.heartbeat()
    await other.store.deregister(other.id)
    after = await pool.heartbeat()

    assert (before.serving, after.serving) == ([2, 1, 1], [1, 1, 1])


async def test_a_sweep_stops_at_its_limit_and_asks_to_be_called_again(pool, other, psql):
    await pool.insert("w", *[step(f"s{n}") for n in range(5)])
    await pool.claim()
    await pool.store.deregister(pool.id)

    rounds = [await other.store.rescue(limit=2) for _ in range(3)]

    assert [(rescued.lost, rescued.is_more) for rescued in rounds] == [(2, True), (2, True), (1, False)]


async def test_pools_dead_for_a_day_are_deleted_and_their_entries_rescued(pool, other, psql, claimed):
    await psql.execute("update pools set dead_at = clock_timestamp() - interval '25 hours' where id = $1", pool.id)

    done = await other.run_upkeep()

    assert await psql.fetchval("select count(*) from pools where id = $1", pool.id) == 0
    assert done.lost == 1


async def test_a_locked_row_of_a_dead_pool_holds_up_no_sweep(pool, other, psql, claimed):
    await psql.execute("update pools set dead_at = clock_timestamp() - interval '25 hours' where id = $1", pool.id)
    async with psql.transaction():
        await psql.execute("select from pools where id = $1 for update", pool.id)

        assert (await other.run_upkeep()).lost == 1


async def test_a_process_that_registers_again_is_another_pool(pool, connect):
    again = await RawPool.register(await connect())

    assert again.id != pool.id
