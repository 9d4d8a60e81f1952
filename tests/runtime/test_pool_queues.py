"""Which step a pool takes when: queues and their slots, priorities, times, notices, and workers it does not know."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from baton import Baton, Context, Engine, InvalidOption, WorkerPool, worker
from baton.core import registry
from tests.servers import temporary_server
from tests.waiting import eventually


async def test_steps_run_in_the_order_of_their_priority(engine):
    order = []

    @worker
    async def note(ctx: Context) -> None:
        order.append(ctx.step)

    flow = Baton.new()
    for name, priority in [("c", 2), ("a", 0), ("d", 30_000), ("b", 1)]:
        flow.add(name, note.new().with_options(priority=priority))
    run = await flow.insert()
    async with WorkerPool(engine, queues={"default": 1}):
        await run.wait(timeout=10)

    assert order == ["a", "b", "c", "d"]


async def test_a_queue_runs_as_many_steps_as_it_has_slots_and_no_more(engine):
    running, most = Counter(), Counter()

    @worker
    async def busy(queue: str) -> None:
        running[queue] += 1
        most[queue] = max(most[queue], running[queue])
        await asyncio.sleep(0.005)
        running[queue] -= 1

    flow = Baton.new()
    for number in range(60):
        queue = ("few", "many", "one")[number % 3]
        flow.add(str(number), busy.new(queue=queue).with_options(queue=queue))
    async with WorkerPool(engine, queues={"few": 3, "many": 12, "one": 1}):
        run = await flow.insert()
        assert await run.wait(timeout=20) == "completed"

    assert most == {"few": 3, "many": 12, "one": 1}


async def test_a_full_queue_does_not_hold_up_another(engine, quick):
    may_end = asyncio.Event()

    @worker(queue="slow")
    async def waits() -> None:
        await may_end.wait()

    async with WorkerPool(engine, queues={"slow": 1, "default": 1}):
        slow = [await waits.new().insert() for _ in range(3)]
        assert await (await quick.new().insert()).result(timeout=5) == 1
        may_end.set()
        assert [await run.wait(timeout=10) for run in slow] == ["completed"] * 3


async def test_a_queue_no_pool_serves_waits_and_status_says_so(engine, quick):
    async with WorkerPool(engine):
        run = await quick.new().with_options(queue="elsewhere").insert()
        (unserved,) = (await run.status()).unserved

    assert (unserved.step, unserved.why) == (
        "quick",
        "no living worker pool serves queue 'elsewhere': start one with `baton worker MODULE --queues elsewhere=N`",
    )


async def test_a_worker_nobody_knows_waits_unspent_and_status_names_the_cause(engine):
    with registry.isolated():

        @worker
        async def stranger() -> None: ...

        job = stranger.new()
    async with WorkerPool(engine):
        run = await job.insert()

        async def refused():
            (record,) = await run.steps()
            return record if record.state == "scheduled" else None

        record = await eventually(refused)
        (unserved,) = (await run.status()).unserved

    assert (record.attempt, record.reason) == (0, "no worker named 'stranger' is registered here")
    assert 14.5 < (record.scheduled_at - record.attempted_at).total_seconds() < 16
    assert unserved.why == (
        "no living worker pool that serves queue 'default' can run worker 'stranger'; the last one that tried says: "
        "no worker named 'stranger' is registered here; start one with the module that defines it"
    )


async def test_a_step_refused_before_runs_when_a_pool_knows_its_worker(engine, connection):
    with registry.isolated():

        @worker
        async def stranger(ctx: Context) -> int:
            return ctx.attempt

        job = stranger.new()
    async with WorkerPool(engine, lease=1):
        run = await job.insert()
        await eventually(lambda: connection.fetchval("select count(*) from queue where state = 'scheduled'"))
        registry.add(job.worker)
        await connection.execute("update queue set scheduled_at = clock_timestamp()")

        assert await run.result(timeout=10) == 1
    assert await connection.fetchval("select refusals from steps") == 0


async def test_scheduled_steps_start_within_100_ms_of_their_time(engine, connection, calls):
    @worker
    async def noop() -> None: ...

    async with WorkerPool(engine, poll=60):
        await calls.idle()
        now = await connection.fetchval("select clock_timestamp()")
        flow = Baton.new()
        for number in range(9):
            at = now + timedelta(seconds=0.4 + 0.15 * number)
            flow.add(str(number), noop.new().with_options(scheduled_at=at))
        run = await flow.insert()
        assert await run.wait(timeout=10) == "completed"
        late = await connection.fetch(
            """
            select extract(epoch from r.attempted_at - s.scheduled_at)::float as seconds
              from steps s join steps_view r on r.id = s.id
            """
        )

    seconds = [row["seconds"] for row in late]
    assert min(seconds) >= 0
    assert statistics.median(seconds) < 0.1


async def test_a_delay_counts_from_the_release(engine):
    @worker
    async def slow() -> None:
        await asyncio.sleep(0.4)

    run = await (
        Baton.new()
        .add("first", slow.new())
        .add("second", slow.new().with_options(schedule_in=0.3), deps=["first"])
        .insert()
    )
    async with WorkerPool(engine):
        await run.wait(timeout=10)
    first, second = await run.steps()

    assert 0.3 <= (second.attempted_at - first.finished_at).total_seconds() < 1.3


async def test_a_time_in_the_past_is_now(engine, quick):
    job = quick.new().with_options(scheduled_at=datetime(2001, 1, 1, tzinfo=UTC))
    async with WorkerPool(engine, poll=60):
        assert await (await job.insert()).result(timeout=5) == 1


async def test_a_retry_is_on_time_on_an_idle_pool(engine):
    @worker(backoff=0.3)
    async def flaky(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise ValueError
        return ctx.attempt

    async with WorkerPool(engine, poll=60):
        assert await (await flaky.new().insert()).result(timeout=3) == 2


async def test_a_notification_wakes_an_idle_pool(engine, quick, calls):
    async with WorkerPool(engine, poll=60):
        for _ in range(3):
            await calls.idle()
            assert await (await quick.new().insert()).result(timeout=3) == 1


async def test_the_poll_finds_work_where_nothing_can_be_heard(database, quick, calls):
    async with Engine(database, transaction_pooler=True) as engine, WorkerPool(engine, poll=0.2):
        assert engine.listener is None
        await calls.idle()
        assert await (await quick.new().insert()).result(timeout=10) == 1


async def test_a_listener_of_its_own_hears_behind_a_transaction_pooler(database, quick, calls):
    async with (
        Engine(database, transaction_pooler=True, listener_address=database) as engine,
        WorkerPool(engine, poll=60),
    ):
        await calls.idle()
        assert await (await quick.new().insert()).result(timeout=3) == 1


async def test_several_pools_share_a_workflow_and_each_step_runs_once(engine):
    ran = Counter()

    @worker
    async def note(ctx: Context) -> None:
        ran[ctx.step] += 1
        await asyncio.sleep(0.01)

    flow = Baton.new()
    for number in range(120):
        flow.add(str(number), note.new())
    async with (
        WorkerPool(engine, queues={"default": 5}, poll=60),
        WorkerPool(engine, queues={"default": 5}, poll=60),
        WorkerPool(engine, queues={"default": 5}, poll=60),
    ):
        run = await flow.insert()
        assert await run.wait(timeout=20) == "completed"

    assert set(ran.values()) == {1}
    assert len({record.pool for record in await run.steps()}) == 3


async def test_a_pool_hears_of_steps_that_another_released_for_its_queue(engine, quick, calls):
    async with (
        WorkerPool(engine, queues={"default": 2}, poll=60),
        WorkerPool(engine, queues={"other": 2}, poll=60),
    ):
        await calls.idle(2)
        flow = Baton.new().add("0", quick.new())
        for number in range(1, 8):
            queue = ("default", "other")[number % 2]
            flow.add(str(number), quick.new().with_options(queue=queue), deps=[str(number - 1)])
        run = await flow.insert()
        assert await run.wait(timeout=10) == "completed"


async def test_a_queue_name_may_have_anything_in_it(engine, quick, calls):
    name = "a queue: 'with' \"quotes\", {braces} and é"
    async with WorkerPool(engine, queues={name: 1}, poll=60):
        await calls.idle()
        assert await (await quick.new().with_options(queue=name).insert()).result(timeout=3) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"queues": {}}, "a pool serves at least one queue"),
        ({"queues": {"": 1}}, "queues=''"),
        ({"queues": {"default": 0}}, "a queue runs at least one step at a time"),
        ({"queues": {"default": True}}, "a queue runs at least one step at a time"),
        ({"queues": {"default": 10**9}}, "at least one step at a time, and at most 1,000,000"),
        ({"connections": 10**9}, "a pool opens at most 1,000 for its workers"),
        ({"lease": 0}, "lease=0 cannot be used: it must be more than 0 seconds"),
        ({"poll": -1}, "poll=-1 cannot be used"),
        ({"keep": "a week"}, "keep='a week' cannot be used: it must be a number of seconds or a timedelta"),
        ({"grace": float("nan")}, "grace=nan cannot be used"),
        ({"max_block": 0}, "max_block=0 cannot be used"),
        ({"processes": 0}, "processes=0 cannot be used"),
    ],
    ids=str,
)
async def test_an_invalid_option_is_refused_with_a_reason(options, text):
    with pytest.raises(InvalidOption) as raised:
        WorkerPool(**options)

    assert text in str(raised.value)


async def test_finished_workflows_are_pruned_when_their_time_is_up(engine, connection, quick):
    async with WorkerPool(engine, lease=1, keep=3600):
        old, new = await quick.new().insert(), await quick.new().insert()
        assert [await run.wait(timeout=10) for run in (old, new)] == ["completed"] * 2
        await connection.execute(
            "update workflows set finished_at = finished_at - interval '2 hours' where id = $1", old.id
        )
        await eventually(lambda: connection.fetchval("select count(*) = 1 from workflows"))

    assert await connection.fetchval("select id from workflows") == new.id


@pytest.mark.slow
async def test_an_idle_pool_asks_the_database_less_than_every_other_second(calls):
    """Measured at five times the pace, with a fifth of the default poll and lease, in the log of the server."""
    with temporary_server({"log_statement": "all"}) as server:

        def statements():
            return len(re.findall(r"LOG:  (execute|statement)", server.log.read_text()))

        async with Engine(server.dsn()) as engine, WorkerPool(engine, poll=1, lease=6):
            await calls.idle()
            before = statements()
            await asyncio.sleep(16)
            asked = statements() - before

    assert 16 < asked < 16 * 5 * 0.5


async def test_a_million_slots_cost_nothing_until_they_are_used(engine):
    """What is made for each slot beforehand would hold up the event loop for half a minute."""
    async with asyncio.timeout(10), WorkerPool(engine, queues={"default": 1_000_000}):
        pass
