"""The handle on a workflow: waiting, reading, cancelling, retrying."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import asyncpg
import pytest

from baton import (
    Baton,
    Context,
    Engine,
    EngineClosed,
    InvalidName,
    InvalidOption,
    RetryRefused,
    Run,
    StepCancelled,
    StepFailed,
    StepNotFound,
    StepSkipped,
    WorkerPool,
    WorkflowNotFound,
    each,
    worker,
)
from baton.database.connections import Connections
from tests.waiting import eventually


@pytest.fixture
def fails_until():
    """A worker that fails until the test sets `switch["fail"]` to False."""
    switch = {"fail": True}

    @worker(max_attempts=1)
    async def fails_until(ctx: Context) -> str:
        if switch["fail"]:
            raise ValueError(f"{ctx.step} fails")
        return f"{ctx.step} at last"

    fails_until.switch = switch
    return fails_until


async def states(run):
    return {record.name: record.state for record in await run.steps()}


# --- waiting
# ----------------------------------------------------------------------------------------


async def test_wait_returns_the_final_state_and_raises_for_none_of_them(engine, quick, fails_until, held):
    async with WorkerPool(engine):
        completed = await quick.new().insert()
        failed = await fails_until.new().insert()
        cancelled = await held.worker.new().insert()
        await cancelled.cancel()

        ends = [await run.wait(timeout=10) for run in (completed, failed, cancelled)]

    assert ends == ["completed", "failed", "cancelled"]


async def test_a_waiter_hears_of_an_end_that_comes_later(engine, held):
    async with WorkerPool(engine):
        run = await held.worker.new().insert()
        waiting = asyncio.create_task(run.wait(timeout=10))
        await held.has_begun()
        began = time.monotonic()
        held.may_end.set()

        assert await waiting == "completed"
        assert time.monotonic() - began < 5  # not by the look once a minute


async def test_waiting_asks_nothing_while_nothing_happens(engine, held, monkeypatch):
    asked = []
    fetch = Connections.fetch

    async def counted(self, query, *args):
        asked.append(query)
        return await fetch(self, query, *args)

    async with WorkerPool(engine):
        run = await held.worker.new().insert()
        await held.has_begun()
        monkeypatch.setattr(Connections, "fetch", counted)
        waiting = [asyncio.create_task(run.wait()), asyncio.create_task(run.result("held"))]
        await eventually(lambda: len(asked) == 2)
        with pytest.raises(AssertionError):
            await eventually(lambda: len(asked) > 2, deadline=1)
        held.may_end.set()
        assert await asyncio.gather(*waiting) == ["completed", 0]
        assert len(asked) <= 5  # a look each after the notice, and the reading of the result


async def test_many_wait_at_once(engine, held):
    async with WorkerPool(engine):
        run = await Baton.new().add("a", held.worker.new()).add("b", held.worker.new(), deps=["a"]).insert()
        waiting = [asyncio.create_task(run.wait(timeout=20)) for _ in range(50)]
        waiting += [asyncio.create_task(run.result(name, timeout=20)) for name in "ab" for _ in range(50)]
        await held.has_begun()
        held.may_end.set()

        assert await asyncio.gather(*waiting) == ["completed"] * 50 + [0] * 100


async def test_waiting_works_where_nothing_can_be_heard(database, quick):
    async with Engine(database, transaction_pooler=True) as engine, WorkerPool(engine, poll=0.1):
        run = await quick.new().insert()

        assert await run.wait(timeout=10) == "completed"


async def test_a_waiter_outlives_the_listeners_connection(engine, held, connection):
    async with WorkerPool(engine):
        run = await held.worker.new().insert()
        waiting = asyncio.create_task(run.wait(timeout=20))
        await held.has_begun()
        await eventually(lambda: connection.fetchval("select watched from workflows"))
        await connection.execute(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = 'baton listener'
            """
        )
        held.may_end.set()

        assert await waiting == "completed"


async def test_a_handle_by_id_knows_a_workflow_that_somebody_else_inserted(engine, database, quick):
    await Baton.new(workflow_id="w").add("a", quick.new()).insert()

    async with WorkerPool(engine), Engine(database) as other:
        run = Run("w", other)
        assert await run.result("a", timeout=10) == 1
        assert run.jobs == []


async def test_every_method_of_a_run_that_is_not_there_says_so(engine):
    run = Run("nobody")

    for call in (run.wait, run.result, run.status, run.steps, run.cancel, run.retry):
        with pytest.raises(WorkflowNotFound, match="there is no workflow 'nobody'"):
            await call()


@pytest.mark.parametrize("impossible", ["", "a\0b", "\ud800", "x" * 100_000], ids=["empty", "NUL", "surrogate", "long"])
async def test_an_id_that_no_workflow_can_have_is_not_found(engine, impossible):
    run = Run(impossible)

    for call in (run.wait, run.result, run.status, run.steps, run.cancel, run.retry):
        with pytest.raises(WorkflowNotFound):
            await call()


async def test_an_id_is_a_string():
    with pytest.raises(InvalidName, match="7 cannot be the name of a workflow: it must be a string"):
        Run(7)


async def test_a_name_that_no_step_can_have_is_not_found(engine, quick):
    run = await Baton.new().add("a", quick.new()).insert()

    for name in ("a\0", "\ud800"):
        for call in (run.result, run.cancel, run.retry):
            with pytest.raises(StepNotFound):
                await call(name)


async def test_a_name_is_found_in_any_form_of_unicode(engine, quick):
    """Names are stored in the composed form."""
    run = await Baton.new().add("caf\u00e9", quick.new()).insert()

    assert await run.cancel("cafe\u0301") == 1
    assert await run.retry("cafe\u0301") == 1


async def test_a_reason_is_stored_whatever_it_holds(engine, quick):
    run = await Baton.new().add("a", quick.new()).insert()
    await run.cancel(reason="no\0 need" + "x" * 10_000)

    (step,) = await run.steps()
    assert step.reason.startswith("no\\x00 need")
    assert "characters left out" in step.reason
    assert len(step.reason) <= 2_000


async def test_a_run_uses_the_engine_it_was_inserted_with(engine, database, quick):
    run = await quick.new().insert()
    async with Engine(database) as other:
        assert (run.engine, Run(run.id).engine, Run(run.id, other).engine) == (engine, other, other)
    with pytest.raises(EngineClosed):
        await Run(run.id, other).status()


async def test_a_status_has_what_was_attached(engine, quick):
    meta = {"tenant": 7, "tags": ["a", None]}
    attached = await Baton.new(meta=meta).add("a", quick.new()).insert()
    plain = await quick.new().insert()

    assert ((await attached.status()).meta, (await plain.status()).meta) == (meta, None)


async def test_a_run_that_was_pruned_is_not_found(engine, quick):
    async with WorkerPool(engine):
        run = await quick.new().insert()
        await run.wait(timeout=10)
    await engine.store.prune(timedelta(0), limit=10)

    with pytest.raises(WorkflowNotFound, match="or it was pruned"):
        await run.result("quick")


async def test_a_run_is_not_found_when_its_borrowed_transaction_rolled_back(engine, database, quick):
    """The connection is given back by then, and answers nobody any more."""
    async with asyncpg.create_pool(database, min_size=1, max_size=1) as borrowed:
        async with borrowed.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            run = await quick.new().insert(connection)
            await transaction.rollback()

        with pytest.raises(WorkflowNotFound):
            await run.wait(timeout=5)


async def test_an_unknown_step_is_named_with_the_nearest_known(engine, quick):
    run = await Baton.new(workflow_id="w").add("charge", quick.new()).insert()

    for call in (run.result, run.cancel, run.retry):
        with pytest.raises(StepNotFound, match=r"^workflow 'w' has no step 'chrage'; did you mean 'charge'\?$"):
            await call("chrage")


# --- reading
# ----------------------------------------------------------------------------------------


async def test_records_have_the_history_of_each_step(engine, quick, held):
    async with WorkerPool(engine, grace=0) as pool:
        run = await (
            Baton.new(workflow_name="named")
            .add("a", quick.new().with_options(priority=2))
            .add("b", held.worker.new(), deps=["a"])
            .add("c", quick.new(), deps=["a", "b"])
            .insert()
        )
        await held.has_begun()
        a, b, c = await run.steps()
        status = await run.status()
        pool_id = pool.id

    assert (a.state, a.attempt, a.result, a.pool, a.priority) == ("completed", 1, 1, pool_id, 2)
    assert a.attempted_at <= a.finished_at
    assert (b.state, b.attempt, b.result, b.finished_at) == ("executing", 1, None, None)
    assert (c.state, c.attempt, c.pending, c.dependencies, c.pool) == ("suspended", 0, 1, ["a", "b"], None)
    assert (status.name, status.state, status.finished_at) == ("named", "executing", None)
    assert status.counts == {"completed": 1, "executing": 1, "suspended": 1}


async def test_the_inserted_steps_are_returned_in_the_order_added(engine, quick):
    run = await Baton.new().add("z", quick.new(), deps=["a"]).add("a", quick.new()).insert()

    assert [(job.name, job.worker, job.queue) for job in run.jobs] == [(name, "quick", "default") for name in "za"]


# --- cancelling
# ----------------------------------------------------------------------------------------


async def test_cancelling_stops_what_runs_and_accepts_nothing_of_it(engine, held, quick):
    async with WorkerPool(engine, poll=60):
        run = await Baton.new().add("a", held.worker.new()).add("b", quick.new(), deps=["a"]).insert()
        await held.has_begun()
        began = time.monotonic()
        assert await run.cancel(reason="no longer wanted") == 2
        assert (await run.status()).state == "cancelled"
        await asyncio.wait_for(held.cancelled.wait(), 3)
        assert time.monotonic() - began < 2

    assert await states(run) == {"a": "cancelled", "b": "cancelled"}
    with pytest.raises(StepCancelled, match="no longer wanted"):
        await run.result("a")


async def test_a_result_that_comes_after_the_cancelling_is_not_accepted(engine):
    began, ended = asyncio.Event(), asyncio.Event()

    @worker
    async def tough() -> str:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
        return "too late"

    async with WorkerPool(engine):
        run = await tough.new().insert()
        await asyncio.wait_for(began.wait(), 5)
        await run.cancel()
        await asyncio.wait_for(ended.wait(), 5)

    (record,) = await run.steps()
    assert (record.state, record.result) == ("cancelled", None)


async def test_cancelling_again_cancels_nothing(engine, quick):
    run = await quick.new().insert()

    assert [await run.cancel(), await run.cancel()] == [1, 0]


async def test_cancelling_one_step_serves_its_dependents_by_the_rules(engine, held, quick):
    async with WorkerPool(engine):
        run = await (
            Baton.new()
            .add("a", held.worker.new())
            .add("needs it", quick.new(), deps=["a"])
            .add("does not", quick.new(), deps=["a"], ignore_cancelled=True)
            .add("apart", quick.new())
            .insert()
        )
        await held.has_begun()
        assert await run.cancel("a") == 1
        assert await run.wait(timeout=10) == "failed"

    assert await states(run) == {
        "a": "cancelled",
        "needs it": "cancelled",
        "does not": "completed",
        "apart": "completed",
    }


async def test_the_slower_of_two_is_skipped_and_the_run_completes(engine, held, quick):
    async with WorkerPool(engine):
        run = await Baton.new().add("slow", held.worker.new()).add("fast", quick.new()).insert()
        await held.has_begun()
        await run.result("fast", timeout=10)
        assert await run.cancel("slow", reason="the other was faster", as_skipped=True) == 1
        assert await run.wait(timeout=10) == "completed"
        with pytest.raises(StepSkipped, match="the other was faster"):
            await run.result("slow")


async def test_a_whole_run_cannot_be_skipped(engine, quick):
    run = await quick.new().insert()

    with pytest.raises(InvalidOption, match="name the steps, or leave it out to cancel the workflow"):
        await run.cancel(as_skipped=True)


async def test_a_retry_that_is_abandoned_ends_in_the_server(engine, connection, quick):
    """It would go on with the workflow locked, however long it takes."""
    run = await quick.new().insert()
    await run.cancel()
    await connection.execute(
        """
        create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
        create trigger slow before update on workflows for each row execute function slow();
        """
    )
    retries = "select count(*) from pg_stat_activity where query like '%.retry(%' and state = 'active'"
    retrying = asyncio.create_task(run.retry())
    await eventually(lambda: connection.fetchval(f"select ({retries}) = 2"))  # and the asking statement itself
    retrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await retrying

    await eventually(lambda: connection.fetchval(f"select ({retries}) = 1"), deadline=5)


# --- retrying
# ----------------------------------------------------------------------------------------


async def test_a_retry_opens_what_failed_and_what_fell_with_it(engine, fails_until, quick):
    async with WorkerPool(engine):
        run = await (
            Baton.new()
            .add("fine", quick.new())
            .add("bad", fails_until.new(), deps=["fine"])
            .add("after", quick.new(), deps=["bad"])
            .insert()
        )
        assert await run.wait(timeout=10) == "failed"
        finished = (await run.steps())[0].finished_at
        fails_until.switch["fail"] = False

        assert await run.retry() == 2
        assert await run.wait(timeout=10) == "completed"

    fine, bad, after = await run.steps()
    assert fine.finished_at == finished
    assert (bad.attempt, bad.result, len(bad.errors)) == (1, "bad at last", 1)
    assert after.state == "completed"


async def test_a_retry_by_name_opens_that_step_and_its_downstream_only(engine, fails_until, quick):
    async with WorkerPool(engine):
        run = await (
            Baton.new()
            .add("one", fails_until.new())
            .add("two", fails_until.new())
            .add("after one", quick.new(), deps=["one"])
            .insert()
        )
        await run.wait(timeout=10)
        fails_until.switch["fail"] = False

        assert await run.retry("one") == 2
        assert await run.wait(timeout=10) == "failed"

    assert await states(run) == {"one": "completed", "two": "discarded", "after one": "completed"}


async def test_a_retry_that_opens_nothing_says_why_in_the_log(engine, caplog):
    @worker
    async def same(n: int) -> int:
        return n

    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="one").add("m", same.new(each([1, 2]))).insert()
        assert await run.wait(timeout=20) == "completed"
    caplog.clear()

    assert await run.retry("m") == 0

    (message,) = caplog.messages
    assert message == (
        "retry('m') of workflow 'one' opened nothing: of a group it opens what failed, and nothing did; name the steps "
        "in it that are to run again, or retry it with downstream=True"
    )


async def test_a_waiter_that_comes_after_a_retry_waits_for_the_new_end(engine, fails_until):
    async with WorkerPool(engine):
        run = await fails_until.new().insert()
        with pytest.raises(StepFailed):
            await run.result(timeout=10)
        fails_until.switch["fail"] = False
        await run.retry()

        assert await run.result(timeout=10) == "fails_until at last"


async def test_a_retry_of_what_is_executing_is_refused_and_changes_nothing(engine, held, fails_until):
    async with WorkerPool(engine, grace=0):
        run = await Baton.new().add("a", held.worker.new()).add("b", fails_until.new()).insert()
        await held.has_begun()
        with pytest.raises(StepFailed):
            await run.result("b", timeout=10)
        with pytest.raises(
            RetryRefused, match="final can run again: 'a' is executing; wait for them, or cancel"
        ) as refused:
            await run.retry("a", "b")
        assert refused.value.states == {"a": "executing"}

        assert await states(run) == {"a": "executing", "b": "discarded"}


async def test_a_retry_of_what_did_not_fail_opens_nothing(engine, quick):
    async with WorkerPool(engine):
        run = await quick.new().insert()
        await run.wait(timeout=10)

        assert await run.retry() == 0
        assert await run.wait(timeout=1) == "completed"
