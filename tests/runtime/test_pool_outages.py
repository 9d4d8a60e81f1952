"""The database goes away in every way it can, and work goes on by itself: each step once, nothing lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import asyncpg
import pytest

from baton import Baton, Context, Engine, WorkerPool, result_of, worker
from baton.core.outcome import Outcome
from baton.database import connections
from baton.events import CallFailed, OutcomesAnswered
from baton.runtime import failpoints
from tests.servers import temporary_server
from tests.waiting import eventually


@pytest.fixture
def ran():
    """How often each step ran."""
    return Counter()


@pytest.fixture
def count(ran):
    @worker
    async def count(ctx: Context, before: int = 0) -> int:
        ran[ctx.idempotency_key] += 1
        await asyncio.sleep(0)
        return before + 1

    return count


def chain(count, length):
    flow = Baton.new().add("0", count.new())
    for number in range(1, length):
        flow.add(str(number), count.new(before=result_of(str(number - 1))))
    return flow


async def kill(connection, pattern):
    """Terminate the backends of this application name; return how many there were."""
    return await connection.fetchval(
        """
        select count(pg_terminate_backend(pid)) from pg_stat_activity
         where datname = current_database() and application_name like $1
        """,
        pattern,
    )


@pytest.mark.slow
async def test_killed_backends_cost_no_step_and_no_attempt(engine, connection, count, ran):
    async with WorkerPool(engine, queues={"default": 20}), WorkerPool(engine, queues={"default": 20}):
        runs = [await chain(count, 20).insert() for _ in range(40)]
        killed = 0
        while killed < 100 and (await runs[-1].status()).state == "executing":
            killed += await kill(connection, "baton pool%")
            await asyncio.sleep(0.05)
        ends = [await run.result(timeout=30) for run in runs]

    assert killed > 5, "the fault did not happen"
    assert ends == [20] * 40
    assert await connection.fetch("select name from steps where attempt <> 1 or errors is not null") == []
    assert set(ran.values()) == {1}


@pytest.mark.slow
async def test_every_sort_of_connection_may_be_killed(engine, connection, count):
    async with WorkerPool(engine, queues={"default": 5}, poll=1):
        runs = [await chain(count, 10).insert() for _ in range(10)]
        for _ in range(10):
            await kill(connection, "baton %")
            await asyncio.sleep(0.05)
        ends = [await run.result(timeout=30) for run in runs]

    assert ends == [10] * 10
    assert await connection.fetch("select name from steps where attempt <> 1 or errors is not null") == []


@pytest.mark.slow
async def test_a_server_restarted_like_a_crash_loses_nothing(count, ran):
    with temporary_server() as server:
        async with Engine(server.dsn()) as engine, WorkerPool(engine, queues={"default": 10}):
            runs = [await chain(count, 30).insert() for _ in range(20)]
            for _ in range(2):
                await eventually(lambda: sum(ran.values()) > 30)
                await asyncio.to_thread(server.restart, immediate=True)
                ran.clear()
            ends = [await run.result(timeout=40) for run in runs]
            steps = [record for run in runs for record in await run.steps()]

    assert ends == [30] * 20
    # A claim whose answer was lost with its connection is replayed; one that was rolled back is
    # claimed again.
    assert {record.attempt for record in steps} == {1}


async def test_a_connection_that_hangs_is_given_up_and_its_call_sent_again(
    engine, connection, count, monkeypatch, server
):
    """A peer that is frozen, or a network that swallows everything, answers nothing and refuses nothing."""
    if server.embedded is None:
        pytest.skip("the server's processes are not ours to stop")
    monkeypatch.setattr(connections, "CALL_SECONDS", 1.0)
    async with WorkerPool(engine, queues={"default": 5}):
        await (await count.new().insert()).wait(timeout=10)
        frozen = await connection.fetch(
            "select pid from pg_stat_activity where datname = current_database() and application_name = 'baton pool'"
        )
        for row in frozen:
            os.kill(row["pid"], signal.SIGSTOP)
        try:
            run = await chain(count, 3).insert()
            assert await run.result(timeout=10) == 3
        finally:
            for row in frozen:
                os.kill(row["pid"], signal.SIGCONT)


async def test_an_outcome_the_database_refuses_fails_alone(engine, count, monkeypatch):
    """Outcomes that no worker can return: what a worker returns is encoded, and refused, before."""
    unstorable = {"13": '"a \x00 in it"', "27": "no json", "31": '"\ud800"'}

    def replaced(attempt, outcome):
        bad = unstorable.get(attempt.claimed.step)
        return outcome if bad is None else Outcome("completed", bad)

    monkeypatch.setattr(failpoints, "replaced", replaced)
    async with WorkerPool(engine, queues={"default": 50}):
        flow = Baton.new()
        for number in range(50):
            flow.add(str(number), count.new().with_options(max_attempts=1))
        run = await flow.insert()
        assert await run.wait(timeout=30) == "failed"

    failed = {record.name: record.reason for record in await run.steps() if record.state != "completed"}
    assert failed.keys() == unstorable.keys()
    assert all("could not be stored" in reason for reason in failed.values())


class LockTimeouts:
    """Counts the calls of a pool that gave up at a lock; `steps` are those whose outcome was sent alone."""

    def __init__(self):
        self.count = 0
        self.steps = set()

    def observe(self, event):
        if isinstance(event, CallFailed) and isinstance(event.error, asyncpg.LockNotAvailableError):
            self.count += 1
            if len(event.outcomes) == 1:
                self.steps.add(event.outcomes[0].step_id)


async def test_a_locked_workflow_blocks_nobody_and_settles_when_it_is_free(engine, connection, count):
    timeouts, answered = LockTimeouts(), []

    def observe(event):
        if isinstance(event, OutcomesAnswered):
            answered.extend(outcome.step_id for outcome in event.outcomes)

    async with WorkerPool(engine, queues={"default": 5}, observers=[timeouts.observe, observe]):
        may_end, began = asyncio.Event(), asyncio.Event()

        @worker
        async def waits() -> str:
            began.set()
            await may_end.wait()
            return "done"

        locked = await waits.new().insert()
        await asyncio.wait_for(began.wait(), 5)
        async with connection.transaction():
            await connection.execute("select from workflows where id = $1 for update", locked.id)
            may_end.set()
            await eventually(lambda: timeouts.count, deadline=10)
            others = [await chain(count, 5).insert() for _ in range(5)]
            # The lock is held until they are through: who waits for it never is.
            assert [await other.result(timeout=30) for other in others] == [5] * 5
            assert (await locked.status()).counts == {"executing": 1}

        assert await locked.result(timeout=15) == "done"
        # The result can be read as soon as it is committed; the pool has its answer a moment later.
        await eventually(lambda: timeouts.steps <= set(answered), deadline=10)

    (record,) = await locked.steps()
    assert record.attempt == 1


@pytest.mark.slow
async def test_outcomes_of_a_locked_workflow_do_not_hold_up_another(engine, connection, connect):
    """They go apart, one connection for all of them: each costs a lock timeout while its workflow is locked."""
    began, may_end, rest_may_end = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()

    @worker
    async def waits(number: int) -> str:
        began.release()
        await may_end.wait()
        if number:
            await rest_may_end.wait()
            await asyncio.sleep(number / 100)
        return "done"

    many, single = Baton.new(), Baton.new().add("single", waits.new(number=0))
    for number in range(20):
        many.add(str(number), waits.new(number=number))
    timeouts = LockTimeouts()
    async with WorkerPool(engine, queues={"default": 30}, observers=[timeouts.observe]) as pool:
        long, short = await many.insert(), await single.insert()
        for _ in range(21):
            await asyncio.wait_for(began.acquire(), 5)
        other = await connect(search_path="baton")
        async with connection.transaction():
            await connection.execute("select from workflows where id = $1 for update", long.id)
            async with other.transaction():
                await other.execute("select from workflows where id = $1 for update", short.id)
                may_end.set()
                await eventually(lambda: len(timeouts.steps) == 2, deadline=10)
                rest_may_end.set()
                await eventually(lambda: pool.health().running == 0)
                before = timeouts.count
                await eventually(lambda: timeouts.count >= before + 2)
            assert await short.result(timeout=10) == "done"
        assert await long.wait(timeout=20) == "completed"


async def test_a_pool_finds_work_again_after_its_listener_was_killed(engine, connection, count):
    async with WorkerPool(engine, poll=60):
        await (await count.new().insert()).wait(timeout=5)
        assert await kill(connection, "baton listener") == 1
        listening = "select true from pg_stat_activity where application_name = 'baton listener'"
        await eventually(
            lambda: connection.fetchval(f"{listening} and datname = current_database() and state = 'idle'")
        )

        run = await count.new().insert()
        assert await run.result(timeout=3) == 1


async def test_what_is_inserted_while_nobody_listens_is_found_on_the_reconnect(engine, connection, count):
    async with WorkerPool(engine, poll=60):
        await (await count.new().insert()).wait(timeout=5)
        await kill(connection, "baton listener")
        run = await count.new().insert()

        assert await run.result(timeout=3) == 1


async def test_a_snapshot_held_elsewhere_keeps_nobody_from_working(engine, connect, count):
    """A report or a dump that runs for long: no row that dies meanwhile can be cleaned away."""
    report = await connect()
    async with report.transaction(isolation="repeatable_read"), WorkerPool(engine, queues={"default": 50}):
        before = await report.fetchval("select count(*) from baton.steps")
        runs = [await chain(count, 20).insert() for _ in range(30)]

        assert [await run.result(timeout=60) for run in runs] == [20] * 30
        assert await report.fetchval("select count(*) from baton.steps") == before
