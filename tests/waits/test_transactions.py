"""Signals and messages in transactions of the application, and in SQL."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from baton import Baton, Context, Engine, Receive, Run, Signal, WorkerPool, result_of, worker
from tests.client.test_caller_transactions import CALLERS, SynchronousCaller
from tests.database.test_grants import roles  # noqa: F401  # a fixture
from tests.waiting import eventually

SECONDS = 20


@worker(name="waits echo")
async def echo(value: object = None) -> object:
    return value


def article():
    flow = Baton.new(workflow_id="article").add("approval", Signal()).add("chat", Receive("chat"))
    return flow.add("publish", echo.new(result_of("approval")))


@pytest.fixture(params=CALLERS)
def calling(request, database):
    """Open the caller's connection, in a transaction."""
    return lambda: CALLERS[request.param](database, "read_committed")


async def send_both(caller, run):
    if isinstance(caller, SynchronousCaller):
        await caller.execute("select baton.signal('article', 'approval', '7'), baton.send('article', 'chat', '8')")
        return
    await run.signal("approval", 7, using=caller.using)
    await run.send("chat", 8, using=caller.using)


async def state(run, step):
    return {record.name: record.state for record in await run.steps()}[step]


async def test_what_is_sent_counts_when_the_callers_transaction_commits(calling, engine):
    run = await article().insert()
    async with WorkerPool(engine, poll=600), calling() as caller:
        await eventually(lambda: is_waiting(run))
        await send_both(caller, run)
        await caller.commit()

        assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result() == {"publish": 7, "chat": 8}


async def is_waiting(run):
    return await state(run, "approval") == "waiting"


async def test_what_is_sent_in_a_transaction_that_rolls_back_never_came(calling, engine):
    run = await article().insert()
    async with calling() as caller:
        await send_both(caller, run)
        await caller.rollback()

    assert await run.signal("approval", "after") is True
    await run.send("chat", "after")
    async with WorkerPool(engine):
        assert await run.result(timeout=SECONDS) == {"publish": "after", "chat": "after"}


async def test_a_signal_that_is_not_committed_holds_up_no_settle(engine, database):
    """Another step of the same run settles while a sender stays idle in its transaction."""
    run = await article().add("beside", echo.new(1)).insert()
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await run.signal("approval", 7, using=connection)

    async with WorkerPool(engine):
        assert await run.result("beside", timeout=SECONDS) == 1
        assert await is_waiting(run)
        await run.cancel()

    assert await run.wait(timeout=SECONDS) == "cancelled"
    await transaction.rollback()
    await connection.close()


async def test_a_time_is_not_up_while_a_signal_is_being_sent(engine, database):
    run = await Baton.new().add("approval", Signal(timeout=0.2, default="none")).insert()
    connection = await asyncpg.connect(database)
    async with WorkerPool(engine), connection.transaction():
        await run.signal("approval", "in time", using=connection)
        await eventually(lambda: is_overdue(engine))
        assert await is_waiting(run)
    await connection.close()

    async with WorkerPool(engine):
        assert await run.result(timeout=SECONDS) == "in time"


async def is_overdue(engine):
    (row,) = await engine.connections.fetch(
        "select count(*) from baton.queue where ends_at < clock_timestamp() - interval '0.2 s'"
    )
    return row["count"]


async def test_a_time_passes_when_the_signal_was_rolled_back(engine, database):
    run = await Baton.new().add("approval", Signal(timeout=0.2, default="none")).insert()
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await run.signal("approval", "in time", using=connection)
    async with WorkerPool(engine):
        await eventually(lambda: is_overdue(engine))
        await transaction.rollback()

        assert await run.result(timeout=SECONDS) == "none"
    await connection.close()


async def test_an_early_signal_that_commits_after_the_release_is_found(engine, database):
    run = await Baton.new().add("draft", echo.new("text")).add("approval", Signal(), deps=["draft"]).insert()
    connection = await asyncpg.connect(database)
    async with WorkerPool(engine):
        async with connection.transaction():
            await run.signal("approval", "early", using=connection)
            await eventually(lambda: is_waiting(run))

        assert await run.result(timeout=SECONDS) == "early"
    await connection.close()


async def test_a_second_sender_waits_for_the_first_ones_transaction(engine, database, connect):
    run = await article().insert()
    first, second = await connect(), await connect()
    async with asyncio.TaskGroup() as tasks, first.transaction():
        await run.signal("approval", 1, using=first)
        later = tasks.create_task(run.signal("approval", 2, using=second))
        await eventually(lambda: waits_for_lock(engine, second))

    assert await later is False


async def waits_for_lock(engine, connection):
    (row,) = await engine.connections.fetch(
        "select wait_event_type from pg_stat_activity where pid = $1", connection.get_server_pid()
    )
    return row["wait_event_type"] == "Lock"


@worker(name="waits holds its order", transactional=True)
async def holds_its_order(ctx: Context) -> None:
    await ctx.connection.execute("update orders set note = 'worker'")
    reached.set()
    await may_go_on.wait()


reached = asyncio.Event()
may_go_on = asyncio.Event()


async def test_a_handler_that_signals_and_a_worker_do_not_deadlock(engine, database, connect):
    """The handler signals, then updates a row that the run's transactional worker holds."""
    reached.clear()
    may_go_on.clear()
    handler = await connect()
    await handler.execute("create table orders (note text); insert into orders values ('new')")
    run = await article().add("holds", holds_its_order.new()).insert()

    async with WorkerPool(engine), asyncio.TaskGroup() as tasks:
        await reached.wait()

        async def handle():
            async with handler.transaction():
                await run.signal("approval", "yes", using=handler)
                await handler.execute("update orders set note = note || ', handler'")

        tasks.create_task(handle())
        await eventually(lambda: waits_for_lock(engine, handler))
        may_go_on.set()
        await run.send("chat", 1)

        assert await run.wait(timeout=SECONDS) == "completed"
    assert await handler.fetchval("select note from orders") == "worker, handler"


async def test_sql_signals_and_sends_for_a_client_role(engine, roles):  # noqa: F811  # the fixture
    run = await article().insert()
    client = await asyncpg.connect(roles.client)

    assert await client.fetchval("select baton.signal('article', 'approval', '{\"ok\": true}', 'one')") is True
    assert await client.fetchval("select baton.signal('article', 'approval', '1')") is False
    await client.execute("select baton.send('article', 'chat', '2')")
    await client.close()

    async with Engine(roles.worker) as engine_of_worker, WorkerPool(engine_of_worker):
        assert await run.result(timeout=SECONDS) == {"publish": {"ok": True}, "chat": 2}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("signal('nobody', 'approval', '1')", "there is no workflow 'nobody'"),
        ("signal('article', 'publish', '1')", "workflow 'article' has no step 'publish' that waits for a signal"),
        ("signal('article', 'approval', 'no json')", "invalid input syntax for type json"),
        ("send('nobody', 'chat', '1')", "there is no workflow 'nobody'"),
    ],
)
async def test_sql_refuses_what_cannot_be_sent_in_a_sentence(engine, connection, call, message):
    await article().insert()

    with pytest.raises(asyncpg.PostgresError, match=message):
        await connection.execute(f"select baton.{call}")


async def test_sql_refuses_a_signal_to_a_step_that_ended(engine, connection):
    run = await article().insert()
    await run.cancel("approval", reason="no need")

    with pytest.raises(
        asyncpg.ObjectNotInPrerequisiteStateError, match="'approval' of workflow 'article' is cancelled"
    ):
        await connection.execute("select baton.signal('article', 'approval', '1')")


async def test_a_run_of_another_process_takes_what_is_sent_by_its_id(engine):
    await article().insert()

    assert await Run("article").signal("approval", 1)
