"""Each engine call whose answer is lost is sent again, and its second answer is correct.

Cut at the request, the first call never arrived; cut at the answer, it had committed. The caller cannot know.
"""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from baton import Baton, Engine, WorkerPool, result_of, worker
from baton.database.messages import ClaimRequest
from tests.database.raw_pool import assert_consistent, outcome, state, states, step, steps, workflow

WORKER = ["work"]

pytestmark = pytest.mark.parametrize("moment", ["request", "answer"])


@pytest.fixture
async def store(proxy):
    """The engine's functions as an application and a pool call them, through the proxy."""
    async with Engine(proxy.dsn) as engine:
        yield engine.store


@pytest.fixture
async def pool(store):
    """The id of a registered pool that does nothing."""
    return await registered(store)


async def registered(store):
    return await store.register(
        name="raw", host="here", pid=1, limits={"default": 10}, workers=WORKER, lease_seconds=30
    )


async def claimed(store, pool, *names):
    """Insert the workflow `w` with these steps and a step `last` behind them; claim them."""
    behind = [step("last", *names, ignoring="discarded")]
    await store.insert_workflow(workflow("w", *[step(name) for name in names], *behind))
    return await store.claim(pool, ClaimRequest(uuid4(), {"default": 10}))


async def test_register(store, proxy, connection, moment):
    trap = proxy.trap(".register(", moment)

    pool = await registered(store)

    await trap.sprung()
    alive = {row["id"] for row in await connection.fetch("select id from pools where dead_at is null")}
    # A pool whose id was lost may be left behind: its lease runs out.
    assert pool in alive
    assert len(alive) == (2 if moment == "answer" else 1)


async def test_heartbeat(store, pool, proxy, connection, moment):
    (one,) = await claimed(store, pool, "a")
    registered_at = await connection.fetchval("select beat_at from pools")
    trap = proxy.trap(".heartbeat(", moment)

    reply = await store.heartbeat(pool, 1, [one.token], WORKER, 30)

    await trap.sprung()
    assert (reply.is_alive, reply.held) == (True, {(one.step_id, one.token)})
    row = await connection.fetchrow("select beats, previous_beat_at = $1 as is_first, tokens from pools", registered_at)
    assert tuple(row) == (1, True, [one.token])


@pytest.mark.parametrize("kind", ["completed", "failed", "discarded", "cancelled", "skipped", "snoozed", "given_back"])
async def test_settle(store, pool, proxy, connection, moment, kind):
    (one,) = await claimed(store, pool, "a")
    trap = proxy.trap(".settle(", moment)

    settled = await store.settle([outcome(one, kind, delay=60)])

    await trap.sprung()
    assert settled.accepted == [True]
    record = (await steps(connection, "w"))["a"]
    spent = 0 if kind in ("snoozed", "given_back") else 1
    assert (record["attempt"], len(record["errors"] or [])) == (spent, kind in ("failed", "discarded"))
    await assert_consistent(connection)


async def test_the_outcomes_of_an_advance_are_accepted_once(store, pool, proxy, connection, moment):
    batch = await claimed(store, pool, "a", "b", "c")
    kinds = {"a": "completed", "b": "failed", "c": "discarded"}
    trap = proxy.trap(".advance(", moment)

    advanced = await store.advance(
        pool, [outcome(one, kinds[one.step], delay=60) for one in batch], ClaimRequest(uuid4(), {"default": 5})
    )

    await trap.sprung()
    assert advanced.accepted == [True, True, True]
    assert await states(connection, "w") == {
        "a": "completed",
        "b": "retryable",
        "c": "discarded",
        "last": "suspended",
    }
    await assert_consistent(connection)


async def test_the_claim_of_an_advance_returns_what_its_token_took(store, pool, proxy, connection, moment):
    await store.insert_workflow(workflow("w", *[step(f"s{number}") for number in range(10)]))
    claiming = ClaimRequest(uuid4(), {"default": 3})
    trap = proxy.trap(".advance(", moment, times=2)

    advanced = await store.advance(pool, (), claiming)

    await trap.sprung()
    assert [one.step for one in advanced.claimed] == ["s0", "s1", "s2"]
    rows = await connection.fetch("select token, attempt from queue where state = 'executing'")
    assert [tuple(row) for row in rows] == [(claiming.token, 1)] * 3


async def test_upkeep_rescues_once(store, pool, proxy, connection, moment):
    await claimed(store, pool, "a")
    await store.deregister(pool)
    trap = proxy.trap(".rescue(", moment)

    await store.rescue(limit=1000)

    await trap.sprung()
    record = (await steps(connection, "w"))["a"]
    assert (record["state"], record["attempt"], len(record["errors"])) == ("retryable", 1, 1)


async def test_leave(store, pool, proxy, connection, moment):
    trap = proxy.trap(".deregister(", moment)

    await store.deregister(pool)

    await trap.sprung()
    assert await connection.fetchval("select dead_at is not null from pools")


async def test_watch(store, pool, proxy, connection, moment):
    await claimed(store, pool, "a")
    trap = proxy.trap(".watch(", moment)

    watched = await store.watch("w", "a")

    await trap.sprung()
    assert watched.state == "queued"
    assert await connection.fetchval("select watched from steps where name = 'a'")


async def test_cancel_counts_what_it_cancelled(store, pool, proxy, connection, moment):
    await claimed(store, pool, "a")
    trap = proxy.trap(".cancel(", moment)

    cancelled = await store.cancel("w", None, "enough")

    await trap.sprung()
    assert cancelled.count == 2
    assert await state(connection, "w") == "cancelled"


async def test_retry_by_name_is_not_refused_for_what_it_opened_itself(store, pool, proxy, connection, moment):
    (one,) = await claimed(store, pool, "a")
    await store.settle([outcome(one, "discarded")])
    trap = proxy.trap(".retry(", moment)

    retried = await store.retry("w", ["a"])

    await trap.sprung()
    assert (retried.count, retried.refused) == (1, ())
    assert (await states(connection, "w"))["a"] == "available"


async def test_retry_counts_what_it_opened(store, pool, proxy, connection, moment):
    batch = await claimed(store, pool, "a", "b")
    await store.settle([outcome(one, "discarded") for one in batch])
    trap = proxy.trap(".retry(", moment)

    retried = await store.retry("w", None)

    await trap.sprung()
    assert retried.count == 2
    await assert_consistent(connection)


async def test_the_error_is_that_of_the_lost_connection(proxy, moment):
    """An error while the connection is dropped must not hide it, nor a cancellation."""
    async with Engine(proxy.dsn) as engine:
        proxy.trap("select 1", moment)
        with pytest.raises((asyncpg.ConnectionDoesNotExistError, OSError)):
            await engine.connections.fetch("select 1")


async def test_insert_returns_the_run_that_was_inserted(proxy, connection, moment):
    @worker
    async def work(number: int) -> int:
        return number

    async with Engine(proxy.dsn):
        trap = proxy.trap(".insert_workflow(", moment)
        run = await Baton.new().add("a", work.new(number=1)).add("b", work.new(number=result_of("a"))).insert()

        await trap.sprung()
        assert (await run.status()).state == "executing"
    assert await connection.fetchval("select count(*) from workflows") == 1
    assert await connection.fetchval("select count(*) from steps") == 2


@pytest.mark.parametrize("if_running", ["refuse", "replace"])
async def test_an_insert_with_a_key_finds_its_own_run(proxy, connection, moment, if_running):
    """What replaced an earlier run and is sent again is neither refused by itself nor replaced by itself."""

    @worker
    async def work() -> None: ...

    async with Engine(proxy.dsn):
        earlier = await work.new().insert(key="k")
        if if_running == "refuse":
            await earlier.cancel()
        trap = proxy.trap(".insert_workflow(", moment)
        run = await work.new().insert(key="k", if_running=if_running)

        await trap.sprung()
        assert (await run.status()).state == "executing"
        assert (await earlier.status()).state == "cancelled"
    assert await connection.fetchval("select count(*) from workflows") == 2


@pytest.mark.slow
async def test_insert_of_more_than_goes_into_one_call(proxy, connection, moment):
    @worker
    async def work() -> None: ...

    baton = Baton.new()
    for number in range(25_000):
        baton.add(str(number), work.new())

    async with Engine(proxy.dsn):
        trap = proxy.trap("COMMIT", moment)
        await baton.insert()

    await trap.sprung()
    assert await connection.fetchval("select count(*) from workflows") == 1
    assert await connection.fetchval("select count(*) from queue") == 25_000


async def test_a_pool_that_loses_many_answers_runs_each_step_once(proxy, connection, effects, moment):
    @worker
    async def work(number: int) -> int:
        effects.write(number=number)
        return number

    async with Engine(proxy.dsn) as engine:
        run = await wide(work).insert()
        trap = proxy.trap(".advance(", moment, times=4)
        async with WorkerPool(engine, queues={"default": 5}):
            assert await run.wait(timeout=60) == "completed"
            records = await run.steps()

    assert trap.caught == 4
    assert {record.attempt for record in records} == {1}
    assert sorted(event["number"] for event in effects.read()) == list(range(40))


def wide(work):
    baton = Baton.new()
    for number in range(40):
        baton.add(str(number), work.new(number=number), deps=[str(number - 20)] if number >= 20 else ())
    return baton
