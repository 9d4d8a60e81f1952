"""No more steps of a queue execute at once than its limit allows, over all pools and whatever ends them."""

from __future__ import annotations

import asyncio

import pytest

from baton import Baton, Engine, WorkerPool, each, worker
from baton.events import LimitReached
from tests.database.raw_pool import outcome, step, workflow
from tests.waiting import eventually


async def inserted(pool, count, name="w", **options):
    """Insert workflows of one step each."""
    for number in range(count):
        await pool.store.insert_workflow(workflow(f"{name}{number}", step("a", **options)))


async def executing(psql, queue="default"):
    return await psql.fetchval("select count(*) from queue where state = 'executing' and queue = $1", queue)


async def test_a_claim_gets_no_more_than_the_limit_leaves(pool, other, limit):
    await inserted(pool, 10)
    await limit(running=4)

    assert [len(await pool.claim(3)), len(await other.claim(3)), len(await pool.claim(3))] == [3, 1, 0]


async def test_a_slot_is_free_again_when_its_step_has_ended(pool, limit):
    await inserted(pool, 3)
    await limit(running=1)
    (first,) = await pool.claim()

    advanced = await pool.advance(outcome(first, "completed"))

    assert len(advanced.claimed) == 1
    assert advanced.claimed[0].workflow_id != first.workflow_id


@pytest.mark.parametrize(
    "end",
    [
        lambda pool, claimed: pool.settle(outcome(claimed, "failed", delay=600)),
        lambda pool, claimed: pool.settle(outcome(claimed, "snoozed", delay=600)),
        lambda pool, claimed: pool.settle(outcome(claimed, "discarded")),
        lambda pool, claimed: pool.settle(outcome(claimed, "given_back")),
        lambda pool, claimed: pool.cancel(claimed.workflow_id),
    ],
    ids=["failed", "snoozed", "discarded", "given back", "cancelled"],
)
async def test_each_end_of_an_attempt_frees_its_slot_and_wakes_pools(pool, limit, notifications, end):
    await inserted(pool, 3)
    await limit(running=1)
    (first,) = await pool.claim()
    await notifications.received()

    await end(pool, first)

    assert "queue 1 default" in await notifications.received()
    assert len(await pool.claim()) == 1


async def test_a_slot_of_a_dead_pool_is_free_when_it_is_rescued(pool, other, psql, limit):
    await inserted(pool, 3)
    await limit(running=1)
    await pool.claim()
    await psql.execute("update pools set expires_at = clock_timestamp() - interval '1 s' where id = $1", pool.id)
    assert await other.claim() == []

    await other.run_upkeep()

    assert len(await other.claim()) == 1


async def test_a_slot_that_a_settle_leaves_wakes_other_pools(pool, limit, notifications):
    """The pool that settles serves another queue now, or drains."""
    await inserted(pool, 3)
    await limit(running=1)
    (first,) = await pool.claim()
    await notifications.received()

    await pool.advance(outcome(first, "completed"), queue="elsewhere")

    assert await notifications.received() == ["queue 1 default"]


async def test_a_slot_that_the_settle_takes_again_wakes_nobody(pool, limit, notifications):
    await inserted(pool, 3)
    await limit(running=1)
    (first,) = await pool.claim()
    await notifications.received()

    await pool.advance(outcome(first, "completed"))

    assert await notifications.received() == []


async def test_two_pools_run_no_more_than_the_limit_at_any_moment(engine, running):
    @worker(queue="service", name="limits call")
    async def call(number: int) -> int:
        with running.attempt():
            await asyncio.sleep(0.001)
        return number

    await engine.limit("service", running=7)
    flow = Baton.new()
    for number in range(200):
        flow.add(f"s{number}", call.new(number))
    run = await flow.insert()
    async with (
        WorkerPool(engine, queues={"service": 50}, name="one"),
        WorkerPool(engine, queues={"service": 50}, name="two"),
    ):
        assert await run.wait(timeout=30) == "completed"

    assert running.most["all"] == 7


async def test_joins_and_maps_take_no_slot(engine, running):
    """They run no user code: with a limit of one a map would wait for itself."""

    @worker(queue="service", name="limits item")
    async def item(number: int) -> int:
        with running.attempt():
            await asyncio.sleep(0)
        return number

    await engine.limit("service", running=1, starts=3, per=600, burst=3)
    run = await Baton.new().add("map", item.new(each([1, 2, 3]))).insert()
    async with WorkerPool(engine, queues={"service": 5}):
        assert await run.result("map", timeout=20) == [1, 2, 3]

    assert running.most["all"] == 1


async def test_an_observer_is_called_when_a_limit_is_reached(engine):
    seen: list[LimitReached] = []
    go_on = asyncio.Event()

    @worker(queue="service", name="limits hold")
    async def hold() -> None:
        await go_on.wait()

    await engine.limit("service", running=1)
    run = await Baton.new().add("a", hold.new()).add("b", hold.new()).insert()

    def observer(event):
        if isinstance(event, LimitReached):
            seen.append(event)

    async with WorkerPool(engine, queues={"service": 5}, observers=[observer]) as pool:
        number = pool.id
        await eventually(lambda: seen)
        go_on.set()
        assert await run.wait(timeout=10) == "completed"

    assert seen == [LimitReached(number, "service", "running")]


async def test_a_pool_that_found_a_full_queue_is_woken_when_another_drains(database, engine, running):
    """The drain settles and claims nothing; the poll would come a minute later."""
    go_on = asyncio.Event()

    @worker(queue="service", name="limits wait")
    async def wait() -> None:
        with running.attempt():
            await go_on.wait()

    await engine.limit("service", running=1)
    async with WorkerPool(engine, queues={"service": 5}, poll=60, name="one") as first:
        run = await Baton.new().add("a", wait.new()).add("b", wait.new()).insert()
        await eventually(lambda: running.now["all"] == 1)
        async with Engine(database) as second, WorkerPool(second, queues={"service": 5}, poll=60, name="two"):
            draining = asyncio.ensure_future(first.drain(grace=20))
            go_on.set()
            await draining
            assert await run.wait(timeout=10) == "completed"
