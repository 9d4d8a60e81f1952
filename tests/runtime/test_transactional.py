"""Transactional workers: what they write commits with their step, or not at all."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from baton import (
    Baton,
    Cancel,
    Context,
    InvalidOption,
    NoTransaction,
    RetryAfter,
    Skip,
    Snooze,
    WorkerPool,
    result_of,
    worker,
)
from tests.database.raw_pool import assert_consistent
from tests.waiting import eventually


@pytest.fixture(autouse=True)
async def _rows(connection: asyncpg.Connection) -> None:
    """A table for what the workers write."""
    await connection.execute("create table public.written (what text unique deferrable initially deferred)")


async def written(connection):
    return [row["what"] for row in await connection.fetch("select what from public.written order by what")]


async def write(ctx, what):
    await ctx.connection.execute("insert into public.written values ($1)", what)


async def test_rows_and_result_are_there_together_and_the_dependent_runs(engine, connection, connect):
    @worker(transactional=True)
    async def first(ctx: Context) -> int:
        await write(ctx, "a")
        return 7

    @worker
    async def second(number: int) -> list[str]:
        return [str(number), *await written(await connect())]

    async with WorkerPool(engine):
        run = await Baton.new().add("a", first.new()).add("b", second.new(number=result_of("a"))).insert()
        assert await run.result("b", timeout=20) == ["7", "a"]
    await assert_consistent(connection)


async def test_nobody_sees_the_rows_before_the_step_is_settled(engine, connection):
    seen, go_on = asyncio.Event(), asyncio.Event()

    @worker(transactional=True)
    async def held(ctx: Context) -> None:
        await write(ctx, "a")
        seen.set()
        await go_on.wait()

    async with WorkerPool(engine):
        run = await held.new().insert()
        await seen.wait()
        assert await written(connection) == []
        go_on.set()
        assert await run.wait(timeout=20) == "completed"
    assert await written(connection) == ["a"]


async def test_it_runs_under_read_committed_whatever_the_default_is(engine, connection):
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")

    @worker(transactional=True)
    async def level(ctx: Context) -> str:
        return str(await ctx.connection.fetchval("show transaction_isolation"))

    async with WorkerPool(engine):
        assert await (await level.new().insert()).result(timeout=20) == "read committed"


async def test_another_isolation_fails_the_attempt_with_a_reason(engine, connection):
    @worker(transactional=True, max_attempts=1)
    async def strict(ctx: Context) -> None:
        await ctx.connection.execute("set transaction isolation level serializable")
        await write(ctx, "a")

    assert "works under READ COMMITTED only; this transaction is SERIALIZABLE" in await error_of(engine, strict)
    assert await written(connection) == []


async def test_what_raises_leaves_no_rows_and_is_tried_again(engine, connection):
    @worker(transactional=True, backoff=0)
    async def second_time(ctx: Context) -> int:
        await write(ctx, f"attempt {ctx.attempt}")
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return ctx.attempt

    async with WorkerPool(engine):
        run = await second_time.new().insert()
        assert await run.result(timeout=20) == 2
    assert await written(connection) == ["attempt 2"]


@pytest.mark.parametrize(
    ("returned", "state", "rows"),
    [(Skip("enough"), "skipped", ["a"]), (Cancel("no"), "cancelled", ["a"]), (RetryAfter(0), "discarded", [])],
    ids=["skip", "cancel", "retry after"],
)
async def test_what_a_worker_returns_commits_with_its_rows_unless_it_failed(engine, connection, returned, state, rows):
    """Snooze, Cancel and Skip are returned; RetryAfter fails the attempt."""

    @worker(transactional=True, max_attempts=1)
    async def returning_control(ctx: Context) -> None:
        await write(ctx, "a")
        return returned

    async with WorkerPool(engine):
        run = await returning_control.new().insert()
        await run.wait(timeout=20)
        (record,) = await run.steps()
    assert (record.state, await written(connection)) == (state, rows)


async def test_a_snooze_keeps_its_rows(engine, connection):
    @worker(transactional=True)
    async def in_portions(ctx: Context) -> int | Snooze:
        count = await ctx.connection.fetchval("select count(*) from public.written")
        await write(ctx, f"portion {count}")
        return Snooze(0) if count < 2 else 3

    async with WorkerPool(engine):
        run = await in_portions.new().insert()
        assert await run.result(timeout=20) == 3
        (record,) = await run.steps()
    assert await written(connection) == ["portion 0", "portion 1", "portion 2"]
    assert record.attempt == 1


async def test_a_returned_graph_takes_the_steps_place_in_the_same_transaction(engine, connection):
    @worker
    async def child(number: int) -> int:
        return number

    @worker(name="transactional: growing", transactional=True)
    async def growing(ctx: Context) -> int:
        await write(ctx, "grown")
        return Baton.new().add("x", child.new(number=5)).returns("x")

    async with WorkerPool(engine):
        run = await Baton.new().add("grow", growing.new()).insert()
        assert await run.result("grow", timeout=20) == 5
    assert await written(connection) == ["grown"]
    await assert_consistent(connection)


async def test_an_invalid_returned_graph_leaves_no_rows(engine, connection):
    @worker
    async def child(number: int) -> int:
        return number

    @worker(name="transactional: growing", transactional=True)
    async def growing(ctx: Context) -> None:
        await write(ctx, "grown")
        return Baton.new().add("x", child.new(number=result_of("nowhere")))

    assert "depends on 'nowhere'" in await error_of(engine, growing)
    assert await written(connection) == []


async def test_a_workflow_inserted_in_it_commits_with_the_step(engine, connection):
    @worker
    async def follow_up() -> None: ...

    @worker(transactional=True, backoff=0)
    async def ordering(ctx: Context) -> None:
        await Baton.new(workflow_id=f"attempt {ctx.attempt}").add("x", follow_up.new()).insert(using=ctx.connection)
        if ctx.attempt == 1:
            raise ValueError("not yet")

    async with WorkerPool(engine):
        run = await ordering.new().insert()
        assert await run.wait(timeout=20) == "completed"
    ids = await connection.fetch("select id from workflows where id like 'attempt%'")
    assert [row["id"] for row in ids] == ["attempt 2"]


async def test_a_refused_settle_rolls_everything_back(engine, connection, connect):
    """Somebody gave the claim to another without telling: only the settle finds out."""

    @worker(transactional=True, backoff=0)
    async def overtaken(ctx: Context, number: int) -> int:
        await write(ctx, f"attempt {ctx.attempt} {number}")
        if ctx.attempt == 1:
            other = await connect()
            query = "select baton.settle(array[step_id], array[token], array['lost'], array[null], array[null], '{0}')"
            await other.execute(f"{query} from baton.queue where token is not null")
        return ctx.attempt

    async with WorkerPool(engine):
        run = await overtaken.new(number=1).insert()
        assert await run.result(timeout=20) == 2
    assert await written(connection) == ["attempt 2 1"]


@pytest.mark.parametrize("what", ["workflow", "step"])
async def test_a_worker_that_cancels_itself_over_its_connection_fails(engine, connection, what):
    """Its transaction sees the step as cancelled and refuses the settle; rolled back, the step is its own as before."""

    @worker(transactional=True, max_attempts=2, backoff=0)
    async def cancelling(ctx: Context) -> None:
        await write(ctx, f"attempt {ctx.attempt}")
        steps = [ctx.step] if what == "step" else None
        query = "select baton.cancel($1::text, $2::text[], 'enough', gen_random_uuid())"
        await ctx.connection.execute(query, ctx.workflow_id, steps)

    async with WorkerPool(engine):
        run = await cancelling.new().insert()
        assert await run.wait(timeout=20) == "failed"
        (record,) = await run.steps()
    assert (record.state, [error["attempt"] for error in record.errors]) == ("discarded", [1, 2])
    assert "the worker itself cancelled its step or workflow over ctx.connection" in record.reason
    assert "by returning Cancel(reason)" in record.reason
    assert await written(connection) == []
    await assert_consistent(connection)


async def test_a_constraint_that_only_the_commit_finds_broken_fails_the_attempt(engine, connection):
    @worker(transactional=True, max_attempts=1)
    async def twice(ctx: Context) -> None:
        await write(ctx, "a")
        await write(ctx, "a")

    assert "UniqueViolationError" in await error_of(engine, twice)
    assert await written(connection) == []
    await assert_consistent(connection)


async def test_a_timeout_rolls_back_and_ends_the_statement(engine, connection):
    @worker(transactional=True, timeout=0.3, max_attempts=1)
    async def slow(ctx: Context) -> None:
        await write(ctx, "a")
        await ctx.connection.execute("select pg_sleep(100)")

    assert "took longer than its timeout" in await error_of(engine, slow)
    assert await written(connection) == []
    await nothing_is_open(connection)


async def test_a_worker_that_outlives_its_timeout_commits_nothing(engine, connection):
    @worker(transactional=True, timeout=0.1, max_attempts=1)
    async def stubborn(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await write(ctx, "a")

    assert "took longer than its timeout" in await error_of(engine, stubborn)
    assert await written(connection) == []


async def test_cancelling_the_step_rolls_back(engine, connection):
    began = asyncio.Event()

    @worker(transactional=True)
    async def endless(ctx: Context) -> None:
        await write(ctx, "a")
        began.set()
        await asyncio.Event().wait()

    async with WorkerPool(engine):
        run = await endless.new().insert()
        await began.wait()
        await run.cancel()
        await nothing_is_open(connection)
    assert await written(connection) == []


async def test_shutdown_rolls_back_and_spends_no_attempt(engine, connection):
    began = asyncio.Event()

    @worker(transactional=True)
    async def endless(ctx: Context) -> None:
        await write(ctx, "a")
        began.set()
        await asyncio.Event().wait()

    async with WorkerPool(engine, grace=0):
        run = await endless.new().insert()
        await began.wait()
    (record,) = await run.steps()
    assert (record.state, record.attempt, await written(connection)) == ("available", 0, [])
    await nothing_is_open(connection)


async def test_a_settle_waits_for_a_locked_workflow(engine, connection, caplog):
    locked = asyncio.Event()

    @worker(transactional=True)
    async def quick(ctx: Context) -> None:
        await write(ctx, "a")
        await locked.wait()

    async with WorkerPool(engine):
        run = await quick.new().insert()
        async with connection.transaction():
            await connection.execute("select from workflows for update")
            locked.set()
            await eventually(lambda: "a transactional settle waits for a lock" in caplog.text, deadline=20)
        assert await run.wait(timeout=20) == "completed"
    assert await written(connection) == ["a"]


async def test_what_the_worker_set_for_its_session_is_nobody_elses(engine, connection):
    @worker(transactional=True)
    async def setting(ctx: Context, first: bool) -> str:
        before = await ctx.connection.fetchval("show work_mem")
        if first:
            await ctx.connection.execute("set work_mem = '12345kB'")
        return str(before)

    async with WorkerPool(engine, connections=1):
        assert await (await setting.new(first=True).insert()).result(timeout=20) != "12345kB"
        assert await (await setting.new(first=False).insert()).result(timeout=20) != "12345kB"


async def test_connections_are_no_more_than_asked_for(engine, connection):
    most = 0
    running = 0

    @worker(transactional=True)
    async def counted(ctx: Context) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await ctx.connection.execute("select pg_sleep(0.02)")
        running -= 1

    flow = Baton.new()
    for number in range(10):
        flow.add(str(number), counted.new())
    async with WorkerPool(engine, connections=2):
        assert await (await flow.insert()).wait(timeout=20) == "completed"
    assert most == 2


async def test_no_connection_is_opened_when_no_worker_is_transactional(engine, connection):
    @worker
    async def plain() -> None: ...

    async with WorkerPool(engine):
        await (await plain.new().insert()).wait(timeout=20)
        query = "select count(*) from pg_stat_activity where application_name = 'baton worker' and datname = $1"
        assert await connection.fetchval(query, await connection.fetchval("select current_database()")) == 0


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("commit", "the worker ended the transaction of ctx.connection, which the pool ends"),
        ("failed", "went on after a statement had failed, which ends a transaction in PostgreSQL"),
        ("unfinished", "returned while a statement on ctx.connection was still under way: await it"),
    ],
)
async def test_a_spoiled_transaction_fails_the_attempt_with_a_reason(engine, connection, how, why):
    left = []

    @worker(transactional=True, max_attempts=1)
    async def spoiling(ctx: Context) -> None:
        if how == "commit":
            await ctx.connection.execute("commit")
        elif how == "failed":
            with pytest.raises(asyncpg.UndefinedTableError):
                await ctx.connection.execute("select * from nowhere")
        else:
            left.append(asyncio.create_task(ctx.connection.execute("select pg_sleep(1)")))
            await asyncio.sleep(0)

    assert why in await error_of(engine, spoiling)
    await asyncio.gather(*left, return_exceptions=True)
    await nothing_is_open(connection)


async def test_a_result_the_database_refuses_fails_the_attempt(engine, connection):
    @worker(transactional=True, max_attempts=1)
    async def deep(ctx: Context) -> list[object]:
        await write(ctx, "a")
        nested: list[object] = []
        for _ in range(100_000):
            nested = [nested]
        return nested

    assert await error_of(engine, deep)
    assert await written(connection) == []


async def test_codecs_of_the_workers_own_do_not_touch_the_settle(engine, connection):
    @worker(transactional=True)
    async def odd(ctx: Context) -> int:
        for name in ("uuid", "float8", "int8", "json"):
            await ctx.connection.set_type_codec(name, schema="pg_catalog", encoder=repr, decoder=repr, format="text")
        return 5

    async with WorkerPool(engine):
        assert await (await odd.new().insert()).result(timeout=20) == 5


def test_a_worker_in_a_thread_cannot_be_transactional():
    with pytest.raises(TypeError, match=r"is transactional and not async: .* write async def, or leave out transact"):

        @worker(name="in a thread", transactional=True)
        def in_a_thread(ctx: Context) -> None: ...


def test_a_transactional_worker_takes_a_context():
    @worker(transactional=True)
    async def without() -> None: ...

    with pytest.raises(TypeError, match="takes no Context, so it could not reach its connection: annotate a parameter"):
        without.new()


def test_a_plain_worker_has_no_connection():
    with pytest.raises(NoTransaction, match="write @worker\\(transactional=True\\), and the pool gives it one"):
        _ = Context("w", None, "s", 1, 20, {}).connection


async def test_it_is_tested_as_the_function_it_is(connection):
    @worker(transactional=True)
    async def direct(ctx: Context) -> None:
        await write(ctx, "a")

    await direct(Context("w", None, "s", 1, 20, {}).with_connection(connection))
    assert await written(connection) == ["a"]


@pytest.mark.parametrize("connections", [0, -1, "2", True])
def test_an_invalid_number_of_connections_is_refused(connections):
    with pytest.raises(InvalidOption, match="it must be an integer of at least 1"):
        WorkerPool(connections=connections)


async def error_of(engine, one):
    """Run a worker whose only attempt fails; return why its step is discarded."""
    async with WorkerPool(engine):
        run = await one.new().insert()
        assert await run.wait(timeout=20) == "failed"
        (record,) = await run.steps()
    assert record.state == "discarded"
    return str(record.errors)


async def nothing_is_open(connection):
    """Wait until no connection of a worker is in a transaction or runs anything."""
    query = """
        select count(*)
          from pg_stat_activity
         where application_name = 'baton worker' and datname = current_database() and state <> 'idle'
    """

    async def is_none() -> bool:
        return await connection.fetchval(query) == 0

    await eventually(is_none)
