"""Interventions beside claims, settles, signals and each other: one is first, and nothing is counted twice."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from baton import Baton, Signal
from baton.database.interventions import InterventionStore
from baton.database.store import Store
from tests.database.raw_pool import RawPool, assert_consistent, is_blocked, outcome, overlap, states, step
from tests.waiting import eventually


@pytest.fixture
async def pool(connect, database):
    yield await RawPool.register(await connect())
    checking = await asyncpg.connect(database)
    await assert_consistent(checking)
    await checking.close()


@pytest.fixture
async def person(connect):
    """A connection by which somebody intervenes."""
    return await connect()


def complete(connection, name="a"):
    return InterventionStore(connection, "baton").complete("w", name, "1", None, None, forward=False)


def skip(connection, name="a"):
    return InterventionStore(connection, "baton").skip("w", name, None, None, forward=False)


async def test_a_claimed_step_is_refused_even_if_it_was_free_a_moment_before(pool, person):
    """`complete` waits for the entry that the claim holds, and looks again."""
    await pool.insert("w", step("a"))
    _, answer = await overlap(pool.connection, pool.claim(), person, complete(person))
    assert answer.refusal == "executing"
    assert await states(person, "w") == {"a": "executing"}


async def test_a_claim_passes_over_a_step_that_is_being_completed(pool, person):
    await pool.insert("w", step("a"), step("b", "a"))
    async with person.transaction():
        await complete(person)
        assert (await pool.claim()) == []
    assert [one.step for one in await pool.claim()] == ["b"]


@pytest.mark.parametrize("end", [complete, skip])
async def test_two_people_end_one_step_once(pool, person, connect, end):
    await pool.insert("w", step("a"), step("b", "a"))
    other = await connect()
    first, second = await overlap(person, complete(person), other, end(other))
    assert (first.changed, second.refusal) == (1, "ended")
    assert await person.fetchval("select count(*) from baton.interventions") == 1


async def test_the_last_dependency_settles_while_another_is_completed(pool, person):
    """Two take one off `pending` each, whichever comes first."""
    await pool.insert("w", step("a"), step("b"), step("c", "a", "b"))
    (claimed, *_) = [one for one in await pool.claim() if one.step == "b"]
    await person.execute("update baton.queue set state = 'available', token = null, pool = null where step_id & 1 = 0")
    await overlap(person, complete(person), pool.connection, pool.settle(outcome(claimed, "completed")))
    assert await states(person, "w") == {"a": "completed", "b": "completed", "c": "available"}


async def test_a_signal_that_is_being_sent_is_waited_for_and_counts(pool, person, connect):
    sender = await connect()
    await Store(sender, "baton").insert_workflow(Baton.new(workflow_id="w").add("a", Signal()).spec())
    _, answer = await overlap(sender, sender.fetchval("select baton.signal('w', 'a', '5')"), person, complete(person))
    assert answer.refusal == "signal"


async def test_a_settle_behind_a_dry_run_is_not_lost(pool, person):
    """The dry run holds the workflow until it is taken back, and then the settle goes on."""
    await pool.insert("w", step("a"), step("b", "a"))
    (claimed,) = await pool.claim()
    store = InterventionStore(person, "baton")
    async with person.transaction():
        await person.execute("select from baton.workflows where id = 'w' for no key update")
        tried = await store.dry_run("w", "cancel", None)
        task = asyncio.ensure_future(pool.settle(outcome(claimed, "completed")))
        await eventually(lambda: is_blocked(person, pool.connection), deadline=0.9)
    assert await task == [True]
    assert tried.changes is not None
    assert tried.changes.after == "cancelled"
    assert await states(person, "w") == {"a": "completed", "b": "available"}


async def test_a_retry_of_all_downstream_waits_for_a_claim_there(pool, person):
    """It was free when the retry began; the claim that committed meanwhile refuses it."""
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b"))
    for name in "ab":
        (claimed,) = await pool.claim()
        assert claimed.step == name
        await pool.settle(outcome(claimed, "completed"))

    _, retried = await overlap(
        pool.connection,
        pool.claim(),
        person,
        person.fetchrow("select * from baton.retry('w', '{a}', p_downstream => true)"),
    )
    assert retried["refused"] == ["c"]
    assert await states(person, "w") == {"a": "completed", "b": "completed", "c": "executing"}
