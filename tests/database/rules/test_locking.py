"""Rule 2: the workflow row is the lock, and READ COMMITTED is what the counting rests on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from baton.database.messages import ClaimRequest
from tests.database.raw_pool import RawPool, is_blocked, outcome, overlap, state, states, step, workflow
from tests.waiting import eventually

LOCK = "select from baton.workflows where id = 'locked' for update"
STRICTER = ["repeatable_read", "serializable"]


@pytest.fixture
async def locked(pool, psql):
    """Two workflows with a claimed step each, one of them locked by another connection."""
    await pool.insert("locked", step("a"), step("b", "a"))
    await pool.insert("free", step("a"), step("b", "a"))
    await pool.claim()
    await psql.execute("begin")
    await psql.execute(LOCK)
    yield pool
    await psql.execute("rollback")


async def test_a_settle_of_a_locked_workflow_gives_up_after_a_second(locked):
    with pytest.raises(asyncpg.LockNotAvailableError):
        await locked.settle(*locked.outcomes("locked", completed="a"))


@pytest.mark.parametrize("call", ["cancel", "retry"])
async def test_cancel_and_retry_of_a_locked_workflow_give_up_after_a_second(locked, call):
    with pytest.raises(asyncpg.LockNotAvailableError):
        await getattr(locked, call)("locked")


async def test_a_watch_of_a_locked_workflow_gives_up_after_a_second(locked):
    with pytest.raises(asyncpg.LockNotAvailableError):
        await locked.store.watch("locked", None)


async def test_a_locked_workflow_does_not_block_others(locked):
    """They are inserted, settled, claimed and cancelled."""
    await locked.insert("new", step("a"))
    done = await locked.advance(*locked.outcomes("free", completed="a"))
    await locked.cancel("new")

    assert sorted((claimed.workflow_id, claimed.step) for claimed in done.claimed) == [("free", "b"), ("new", "a")]
    assert await state(locked.connection, "new") == "cancelled"


async def test_the_entries_of_a_locked_workflow_can_still_be_claimed(locked):
    await locked.settle(*locked.outcomes("free", given_back="a"))
    await locked.connection.execute("update baton.queue set state = 'available', token = null, pool = null")

    assert len(await locked.claim()) == 2


async def test_a_sweep_rescues_and_stages_beside_a_locked_workflow(locked, other):
    await other.insert("late", step("a", schedule_in=60))
    await other.connection.execute("update baton.queue set scheduled_at = now() where state = 'scheduled'")
    await other.connection.execute("update baton.pools set dead_at = now() where id = $1", locked.id)

    done = await other.run_upkeep()

    assert (done.lost, done.staged) == (1, 1)
    assert (await states(other.connection, "free"))["a"] == "retryable"
    assert (await states(other.connection, "locked"))["a"] == "executing"


async def test_the_next_sweep_rescues_what_was_locked(locked, other, psql):
    await other.connection.execute("update baton.pools set dead_at = now() where id = $1", locked.id)
    await other.run_upkeep()
    await psql.execute("rollback; begin")

    assert (await other.run_upkeep()).lost == 1


async def test_a_sweep_rescues_beside_an_entry_that_somebody_locks(pool, other, psql):
    await pool.insert("w", step("a"))
    await pool.insert("v", step("a"))
    await pool.claim()
    await other.connection.execute("update baton.pools set dead_at = now() where id = $1", pool.id)
    async with psql.transaction():
        await psql.execute("select from queue order by step_id limit 1 for update")

        assert (await other.run_upkeep()).lost == 1


async def test_a_batch_over_workflows_in_any_order_locks_them_in_one(pool, other):
    """Two batches over the same workflows in opposite orders: the second waits, and no deadlock arises."""
    for name in ("w", "v"):
        await pool.insert(name, step("a"), step("b"))
    await pool.claim(limit=1000)
    one = [*pool.outcomes("w", completed="a"), *pool.outcomes("v", completed="a")]
    two = [*pool.outcomes("v", completed="b"), *pool.outcomes("w", completed="b")]

    accepted = await overlap(pool.connection, pool.settle(*one), other.connection, other.settle(*two))

    assert accepted == ([True, True], [True, True])
    assert [await state(pool.connection, name) for name in ("w", "v")] == ["completed", "completed"]


async def is_free(connection, table, condition):
    """Return True if no other transaction has locked that row."""
    try:
        async with connection.transaction():
            await connection.execute(f"select from baton.{table} where {condition} for no key update nowait")
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def test_a_settle_takes_the_workflow_before_it_touches_an_entry(pool, psql, connect):
    await pool.insert("locked", step("a"))
    await pool.claim()
    looking = await connect()
    async with psql.transaction():
        await psql.execute(LOCK)
        waiting = asyncio.ensure_future(pool.settle(*pool.outcomes("locked", completed="a")))
        await eventually(lambda: is_blocked(psql, pool.connection))

        assert await is_free(looking, "queue", "true")

    assert await waiting == [True]


@pytest.mark.parametrize("names", ["abcde", "edcba", "dbaec"])
async def test_a_settle_locks_workflows_in_the_order_of_their_keys(pool, psql, connect, names):
    """In whatever order it names the outcomes."""
    for name in "abcde":
        await pool.insert(name, step("s"))
    await pool.claim()
    looking = await connect()
    async with psql.transaction():
        await psql.execute("select from workflows where id = 'c' for update")
        batch = [settling for name in names for settling in pool.outcomes(name, completed="s")]
        waiting = asyncio.ensure_future(pool.settle(*batch))
        await eventually(lambda: is_blocked(psql, pool.connection))

        free = [await is_free(looking, "workflows", f"id = '{name}'") for name in "abde"]
        assert free == [False, False, True, True]

    assert await waiting == [True] * 5


async def test_a_cancel_waits_for_a_settle_and_cancels_what_it_released(pool, other):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b"))
    await pool.claim()

    _, cancelled = await overlap(
        pool.connection, pool.settle(*pool.outcomes("w", completed="a")), other.connection, other.cancel("w")
    )

    assert cancelled.count == 2
    assert await states(pool.connection, "w") == {"a": "completed", "b": "cancelled", "c": "cancelled"}


async def test_a_settle_that_waited_for_a_cancel_is_refused(pool, other):
    await pool.insert("w", step("a"), step("b", "a"))
    await pool.claim()

    _, accepted = await overlap(
        pool.connection, pool.cancel("w"), other.connection, other.settle(*pool.outcomes("w", completed="a"))
    )

    assert accepted == [False]
    assert await states(pool.connection, "w") == {"a": "cancelled", "b": "cancelled"}


async def test_a_cancel_waits_for_a_claim_under_way_and_voids_it(pool, other, notifications):
    await pool.insert("w", step("a"))
    await notifications.received()

    await overlap(pool.connection, pool.claim(), other.connection, other.cancel("w"))

    assert await notifications.received() == [f"cancel {pool.id}"]
    assert await pool.settle(*pool.outcomes("w", completed="a")) == [False]


async def test_a_claim_waits_for_nothing(pool, other):
    await pool.insert("w", step("a"), step("b"))
    async with pool.connection.transaction():
        await pool.claim(limit=1)

        (claimed,) = await asyncio.wait_for(other.claim(), 0.5)

    assert claimed.step == "b"


async def test_staging_waits_for_nothing(pool, other, psql):
    await pool.insert("w", step("a", schedule_in=60), step("b", schedule_in=60))
    await psql.execute("update queue set scheduled_at = now()")
    async with psql.transaction():
        await psql.execute("select from queue order by step_id limit 1 for update")

        assert (await asyncio.wait_for(other.run_upkeep(sweep=False), 0.5)).staged == 1


async def test_an_entry_cancelled_while_a_claim_looks_at_it_is_not_claimed(pool, other):
    await pool.insert("w", step("a"))
    async with pool.connection.transaction():
        await pool.cancel("w")

        assert await other.claim() == []


@pytest.mark.parametrize("isolation", STRICTER)
@pytest.mark.parametrize("call", ["settle", "advance", "cancel", "retry", "mark_dead", "rescue", "prune", "stage"])
async def test_what_counts_raises_under_a_stricter_isolation(pool, call, isolation):
    await pool.insert("w", step("a"))
    calls = {
        "settle": pool.settle,
        "advance": lambda: pool.store.advance(pool.id, [], ClaimRequest(uuid4(), {})),
        "cancel": lambda: pool.cancel("w"),
        "retry": lambda: pool.retry("w"),
        "mark_dead": pool.store.mark_dead,
        "rescue": lambda: pool.store.rescue(limit=10),
        "prune": lambda: pool.store.prune(timedelta(0), limit=10),
        "stage": lambda: pool.store.stage(limit=10),
    }

    with pytest.raises(asyncpg.PostgresError, match=f"READ COMMITTED only; this .* {isolation.upper()[:6]}"):
        async with pool.connection.transaction(isolation=isolation):
            await calls[call]()


async def test_a_default_isolation_that_is_stricter_is_refused_too(connect, psql):
    careless = await RawPool.register(await connect(default_transaction_isolation="serializable"))

    with pytest.raises(asyncpg.PostgresError, match="SERIALIZABLE"):
        await careless.settle()


@pytest.mark.parametrize("isolation", STRICTER)
async def test_an_insert_works_under_a_stricter_isolation(pool, isolation):
    async with pool.connection.transaction(isolation=isolation):
        await pool.insert("w", step("a"), step("b", "a"))

    await pool.finish()
    assert await state(pool.connection, "w") == "completed"


@pytest.mark.parametrize("isolation", STRICTER)
async def test_an_id_inserted_since_a_strict_snapshot_is_a_serialization_error(pool, other, isolation):
    transaction = pool.connection.transaction(isolation=isolation)
    await transaction.start()
    await pool.connection.fetchval("select count(*) from baton.workflows")
    await other.insert("w", step("a"))

    with pytest.raises(asyncpg.SerializationError):
        await pool.insert("w", step("a"))

    await transaction.rollback()


async def test_an_insert_of_an_id_that_is_being_inserted_waits_and_finds_it(pool, other):
    first, second = await overlap(
        pool.connection,
        pool.store.insert_workflow(workflow("w", step("a"), fingerprint="1:first")),
        other.connection,
        other.store.insert_workflow(workflow("w", step("a"), fingerprint="1:second")),
    )

    assert (first.is_new, second.is_new) == (True, False)
    assert (second.key, second.fingerprint) == (first.key, "1:first")


async def test_an_insert_of_an_id_whose_insert_rolls_back_goes_on(pool, other):
    transaction = pool.connection.transaction()
    await transaction.start()
    await pool.insert("w", step("a"))
    waiting = asyncio.ensure_future(other.insert("w", step("a")))
    await eventually(lambda: is_blocked(pool.connection, other.connection))
    await transaction.rollback()

    assert (await waiting).is_new


async def test_of_eight_inserts_of_one_id_at_once_one_is_new(connect):
    pools = [await RawPool.register(await connect()) for _ in range(8)]

    inserted = await asyncio.gather(*[pool.insert("w", step("a"), step("b", "a")) for pool in pools])

    assert sorted(each.is_new for each in inserted) == [False] * 7 + [True]
    assert len({each.key for each in inserted}) == 1


async def test_an_outcome_waits_no_longer_than_its_own_workflow_is_locked(pool, other):
    await pool.insert("w", step("a"))
    await pool.insert("v", step("a"))
    await pool.claim()
    async with pool.connection.transaction():
        await pool.settle(*pool.outcomes("w", completed="a"))

        (claimed,) = [claimed for claimed in pool.held.values() if claimed.workflow_id == "v"]
        assert await asyncio.wait_for(other.settle(outcome(claimed, "completed")), 0.5) == [True]
