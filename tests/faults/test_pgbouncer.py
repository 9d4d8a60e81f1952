"""Behind PgBouncer in transaction mode everything works, with polling in the place of notifications."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import asyncpg
import pytest

from baton import Baton, Context, Engine, StepCancelled, WorkerPool, result_of, worker
from baton.errors import BatonError
from tests.database.raw_pool import assert_consistent
from tests.faults.pgbouncer import find_pgbouncer, pgbouncer
from tests.waiting import eventually


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return find_pgbouncer(tmp_path_factory.mktemp("pgbouncer"))


@pytest.fixture
async def pooled(program, proxy):
    """The address of the test's database behind PgBouncer; the proxy gives the server a TCP address."""
    with pgbouncer(program, proxy.dsn) as dsn:
        yield dsn


@pytest.fixture(params=["with a listener", "without"])
async def engine_behind(request, pooled, database):
    listener_address = database if request.param == "with a listener" else None
    async with Engine(pooled, transaction_pooler=True, listener_address=listener_address) as engine:
        yield engine


@pytest.fixture
def workers():
    began, failures = asyncio.Event(), []

    @worker
    async def add(left: int = 0, right: int = 1) -> int:
        return left + right

    @worker
    async def wait() -> None:
        began.set()
        await asyncio.sleep(600)

    @worker(max_attempts=1)
    async def fail_once() -> int:
        if not failures:
            failures.append("the first time")
            raise ValueError(failures[0])
        return 7

    return SimpleNamespace(add=add, wait=wait, fail=fail_once, began=began)


async def test_it_is_transaction_mode(pooled):
    """Two transactions of one client may run on two server connections; else these tests would show nothing."""
    first, second = [await asyncpg.connect(pooled, statement_cache_size=0) for _ in range(2)]
    pid = await first.fetchval("select pg_backend_pid()")
    async with second.transaction():
        held = await second.fetchval("select pg_backend_pid()")
        assert held == pid
        assert await first.fetchval("select pg_backend_pid()") != pid
    await first.close()
    await second.close()


async def test_a_workflow_is_inserted_run_and_waited_for(engine_behind, workers, connection):
    async with WorkerPool(engine_behind, poll=0.5), WorkerPool(engine_behind, poll=0.5):
        workflow = Baton.new().add("0", workers.add.new())
        for number in range(1, 20):
            workflow.add(str(number), workers.add.new(left=result_of(str(number - 1))))
        runs = [await workflow.insert()] + [await workers.add.new(left=number).insert() for number in range(20)]

        assert await runs[0].result(timeout=30) == 20
        assert [await run.result(timeout=30) for run in runs[1:]] == list(range(1, 21))
    await assert_consistent(connection)


async def test_a_running_workflow_is_cancelled_with_its_coroutine(engine_behind, workers):
    async with WorkerPool(engine_behind, lease=1, poll=0.5) as pool:
        run = await workers.wait.new().insert()
        await asyncio.wait_for(workers.began.wait(), 20)

        assert await run.cancel(reason="enough") == 1
        with pytest.raises(StepCancelled, match="enough"):
            await run.result(timeout=20)
        await eventually(lambda: pool.health().running == 0, deadline=20)


async def test_a_failed_workflow_is_retried(engine_behind, workers):
    async with WorkerPool(engine_behind, poll=0.5):
        run = await Baton.new().add("a", workers.fail.new()).add("b", workers.add.new(left=result_of("a"))).insert()
        assert await run.wait(timeout=30) == "failed"

        assert await run.retry() == 2
        assert await run.result("b", timeout=30) == 8


async def test_the_lease_is_kept_through_it(engine_behind, workers, connection):
    async with WorkerPool(engine_behind, lease=1, poll=0.5) as pool:
        number = pool.id
        run = await workers.wait.new().insert()
        await asyncio.wait_for(workers.began.wait(), 20)
        await eventually(lambda: connection.fetchval("select beats >= 6 from pools where id = $1", number), deadline=20)

        assert pool.id == number
        assert [record.attempt for record in await run.steps()] == [1]
        await run.cancel()


async def test_with_a_listener_work_is_notified_and_not_polled_for(pooled, database, workers):
    async with (
        Engine(pooled, transaction_pooler=True, listener_address=database) as engine,
        WorkerPool(engine, poll=60),
    ):
        await engine.listener.listening()
        await (await workers.add.new().insert()).wait(timeout=20)
        began = time.monotonic()

        run = await workers.add.new(left=4).insert()
        assert await run.result(timeout=20) == 5
        assert time.monotonic() - began < 10


async def test_many_steps_are_inserted_in_one_transaction(engine_behind, workers, connection):
    workflow = Baton.new()
    for number in range(25_000):
        workflow.add(str(number), workers.add.new())

    await workflow.insert()

    assert await connection.fetchval("select count(*) from queue") == 25_000


async def test_connections_that_pgbouncer_drops_cost_nothing(engine_behind, workers, connection, proxy):
    # PgBouncer refuses logins for a while after a failed one; the lease has to be longer than that.
    async with WorkerPool(engine_behind, lease=30, poll=0.5):
        runs = []
        for number in range(40):
            runs.append(await workers.add.new(left=number).insert())
            if number % 10 == 5:
                proxy.cut()

        assert [await run.result(timeout=30) for run in runs] == list(range(1, 41))
    assert await connection.fetch("select from steps where attempt <> 1") == []


@pytest.mark.parametrize(
    ("setting", "unfit", "remedy"),
    [
        ("default_transaction_isolation", "serializable", "read committed"),
        ("default_transaction_read_only", "on", "off"),
    ],
)
async def test_a_default_that_cannot_be_changed_is_refused_with_a_reason(pooled, connection, setting, unfit, remedy):
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set {setting} = '{unfit}'")

    with pytest.raises(
        BatonError, match=f"change the default of the role, as in alter role app set {setting} = '{remedy}'"
    ):
        async with Engine(pooled, transaction_pooler=True):
            pass


async def test_a_transactional_worker_has_one_server_for_its_transaction(engine_behind, connection):
    await connection.execute("create table public.written (attempt integer)")

    @worker(transactional=True, backoff=0, timeout=60)
    async def writing(ctx: Context) -> int:
        await ctx.connection.execute("insert into public.written values ($1)", ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return await ctx.connection.fetchval("select max(attempt) from public.written")

    async with WorkerPool(engine_behind, poll=0.5):
        runs = [await writing.new().insert() for _ in range(5)]
        assert [await run.result(timeout=30) for run in runs] == [2] * 5
    assert await connection.fetchval("select array_agg(attempt) from public.written") == [2] * 5
    await assert_consistent(connection)
