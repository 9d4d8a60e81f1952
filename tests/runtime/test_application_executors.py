"""Executors of the application's, by name: threads, processes, a cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from baton import Baton, InvalidOption, WorkerPool, result_of, worker
from tests.programs import executor_workers
from tests.waiting import eventually

KINDS = ["threads", "processes", "dask"]


@pytest.fixture(scope="module")
def dask_client() -> Iterator[object]:
    """A client of a scheduler with two worker processes."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def executor(request, kind) -> Iterator[Executor]:
    match kind:
        case "threads":
            with ThreadPoolExecutor(2) as made:
                yield made
        case "processes":
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as made:
                yield made
        case "dask":
            yield request.getfixturevalue("dask_client").get_executor()


@pytest.mark.parametrize("kind", KINDS)
async def test_steps_run_there_and_their_results_come_back(engine, executor, kind):
    flow = (
        Baton.new()
        .add("a", executor_workers.add.new(left=1, right=2))
        .add("b", executor_workers.typed.new(point=executor_workers.Point(1, 2)), deps=["a"])
        .add("where", executor_workers.where.new())
        .add("sum", executor_workers.add.new(left=result_of("a"), right=4))
    )
    async with WorkerPool(engine, executors={"elsewhere": executor}):
        run = await flow.insert()
        assert await run.result("sum", timeout=60) == 7
        assert await run.result("b", timeout=60) == executor_workers.Point(2, 3)
        pid, _thread = await run.result("where", timeout=60)
    assert (pid == os.getpid()) is (kind == "threads")


@pytest.mark.parametrize("kind", KINDS)
async def test_errors_and_control_values_work_as_in_other_executors(engine, executor, kind):
    flow = Baton.new().add("raises", executor_workers.raising.new()).add("skips", executor_workers.skipping.new())
    async with WorkerPool(engine, executors={"elsewhere": executor}):
        run = await flow.insert()
        await run.wait(timeout=60)
        raises, skips = await run.steps()
    assert (raises.state, skips.state, skips.reason) == ("discarded", "skipped", "not today")
    assert "ValueError: as it happens" in str(raises.errors)
    assert "executor_workers.py" in str(raises.errors)


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("is_shown", [False, True])
async def test_what_a_model_refused_is_stored_only_where_it_is_allowed(engine, executor, is_shown):
    """In the event loop, in threads, in processes of the pool and in executors of the application."""
    secret = "4111 1111 1111 1111"
    flow = Baton.new()
    for number, refusing in enumerate(
        (
            executor_workers.refusing,
            executor_workers.refusing_in_a_process,
            executor_workers.refusing_in_the_loop,
            executor_workers.refusing_in_a_thread,
        )
    ):
        flow.add(f"s{number}", refusing.new(number=secret))
    async with WorkerPool(engine, executors={"elsewhere": executor}, errors_show_input=is_shown):
        run = await flow.insert()
        assert await run.wait(timeout=60) == "failed"
        steps = await run.steps()
    assert ["int_parsing" in str(step.errors) for step in steps] == [True] * 4
    assert [secret in f"{step.errors} {step.reason}" for step in steps] == [is_shown] * 4


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_step_is_cancelled_at_once_though_its_code_runs_on(engine, executor, kind, tmp_path):
    async with WorkerPool(engine, executors={"elsewhere": executor}, grace=0):
        run = await executor_workers.held.new(folder=str(tmp_path)).insert()
        await eventually((tmp_path / "began").exists, deadline=60)
        await run.cancel()
        assert await run.wait(timeout=10) == "cancelled"
        (tmp_path / "go").touch()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_timeout_ends_the_attempt(engine, executor, kind, tmp_path):
    job = executor_workers.held.new(folder=str(tmp_path)).with_options(timeout=1.5, max_attempts=1)
    async with WorkerPool(engine, executors={"elsewhere": executor}, grace=0):
        run = await job.insert()
        assert await run.wait(timeout=60) == "failed"
        (record,) = await run.steps()
        (tmp_path / "go").touch()
    assert "took longer than its timeout" in str(record.errors)


@pytest.mark.parametrize("kind", ["threads", "processes"])
async def test_code_that_cannot_be_stopped_keeps_its_slot(engine, executor, kind, tmp_path):
    job = executor_workers.held.new(folder=str(tmp_path)).with_options(timeout=1, max_attempts=1)
    async with WorkerPool(engine, executors={"elsewhere": executor}, queues={"default": 1}, grace=0):
        run = await job.insert()
        assert await run.wait(timeout=60) == "failed"
        another = await executor_workers.add.new(left=1, right=1).insert()
        with pytest.raises(TimeoutError):
            await another.wait(timeout=1)
        (tmp_path / "go").touch()
        assert await another.result(timeout=60) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_shutdown_gives_back_what_does_not_end(engine, executor, kind, tmp_path):
    async with WorkerPool(engine, executors={"elsewhere": executor}, grace=0):
        run = await executor_workers.held.new(folder=str(tmp_path), timeout=30).insert()
        await eventually((tmp_path / "began").exists, deadline=60)
        asyncio.get_running_loop().call_later(0.5, (tmp_path / "go").touch)
    (record,) = await run.steps()
    assert (record.state, record.attempt) == ("available", 0)


@pytest.mark.parametrize("kind", ["processes"])
async def test_a_killed_process_costs_an_attempt(engine, executor, kind, tmp_path):
    """Its executor says that it is broken."""
    async with WorkerPool(engine, executors={"elsewhere": executor}):
        run = await executor_workers.deadly.new(folder=str(tmp_path)).insert()
        (record,) = await eventually(lambda: refused(run), deadline=60)
    assert record.attempt == 1
    assert "lost the attempt: BrokenProcessPool" in str(record.errors)
    assert "executor 'elsewhere' takes no work any more (BrokenProcessPool" in record.reason

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:
        await due_now(engine)
        async with WorkerPool(engine, executors={"elsewhere": another}):
            assert await run.result(timeout=60) == "survived"


@pytest.mark.parametrize("kind", ["dask"])
async def test_a_worker_of_the_cluster_that_is_killed_is_replaced(engine, executor, kind, tmp_path):
    async with WorkerPool(engine, executors={"elsewhere": executor}):
        run = await executor_workers.deadly.new(folder=str(tmp_path)).insert()
        assert await run.result(timeout=90) == "survived"


@pytest.mark.parametrize("kind", ["threads", "processes", "dask"])
async def test_an_executor_that_was_shut_down_costs_no_attempt(engine, executor, kind):
    executor.shutdown()
    async with WorkerPool(engine, executors={"elsewhere": executor}):
        run = await executor_workers.add.new(left=1, right=2).insert()
        (record,) = await eventually(lambda: refused(run), deadline=30)
    assert (record.state, record.attempt) == ("scheduled", 0)
    assert "executor 'elsewhere' takes no work any more (RuntimeError: cannot schedule new futures" in record.reason


async def test_a_future_that_somebody_cancelled_is_a_lost_attempt(engine):
    class Cancelling(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.cancel()
            return future

    async with WorkerPool(engine, executors={"elsewhere": Cancelling()}):
        run = await executor_workers.add.new(left=1, right=2).with_options(max_attempts=1).insert()
        assert await run.wait(timeout=20) == "failed"
        (record,) = await run.steps()
    assert "executor 'elsewhere' cancelled the attempt: it was shut down, or lost it" in str(record.errors)


async def test_an_executor_that_is_not_there_is_explained_and_costs_no_attempt(engine):
    async with WorkerPool(engine):
        run = await executor_workers.add.new(left=1, right=2).insert()
        (record,) = await eventually(lambda: refused(run), deadline=30)
    assert (record.state, record.attempt) == ("scheduled", 0)
    assert record.reason == (
        "worker 'elsewhere add' runs in executor 'elsewhere', which is not there; there are 'async', 'thread', "
        "'process': write WorkerPool(executors={'elsewhere': ...})"
    )


@pytest.mark.parametrize("kind", ["processes"])
async def test_a_module_that_is_not_there_is_explained(engine, executor, kind, monkeypatch):
    monkeypatch.setattr(executor_workers.add, "module", "nowhere_at_all")
    async with WorkerPool(engine, executors={"elsewhere": executor}):
        run = await executor_workers.add.new(left=1, right=2).with_options(max_attempts=1).insert()
        assert await run.wait(timeout=60) == "failed"
        (record,) = await run.steps()
    assert "'nowhere_at_all' cannot be imported where the executor runs: ModuleNotFoundError" in str(record.errors)


@pytest.mark.parametrize(
    ("executors", "why"),
    [
        ({"thread": ThreadPoolExecutor(1)}, "that name is taken by one of the pool's own; choose another"),
        ({"": ThreadPoolExecutor(1)}, "it must not be empty"),
        ({"x": 5}, "'x' must be a concurrent.futures.Executor, not int"),
    ],
    ids=["taken", "empty", "none"],
)
def test_invalid_executors_are_refused(executors, why):
    with pytest.raises(InvalidOption) as caught:
        WorkerPool(executors=executors)
    assert why in str(caught.value)


async def test_threads_are_no_more_than_asked_for(engine):
    running, most = 0, 0

    @worker
    def counted() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        asyncio.run(asyncio.wait_for(asyncio.sleep(0.02), 5))
        running -= 1

    flow = Baton.new()
    for number in range(12):
        flow.add(str(number), counted.new())
    async with WorkerPool(engine, threads=1):
        assert await (await flow.insert()).wait(timeout=30) == "completed"
    assert most == 1


async def refused(run):
    """The records of the steps, once one was given back because nothing here can run it."""
    records = await run.steps()
    return records if any(record.state == "scheduled" for record in records) else None


async def due_now(engine):
    async with engine.connections.acquire() as connection:
        await connection.execute("update baton.queue set scheduled_at = clock_timestamp()")


async def test_a_step_whose_executor_no_pool_has_is_unserved(engine, connection):
    async with WorkerPool(engine):
        run = await executor_workers.add.new(left=1, right=2).insert()
        await eventually(lambda: refused(run), deadline=30)
        (unserved,) = (await run.status()).unserved
    assert unserved.why.startswith(
        "no living worker pool that serves queue 'default' can run worker 'elsewhere add'; the last one that tried "
        "says: worker 'elsewhere add' runs in executor 'elsewhere', which is not there"
    )
    assert "elsewhere add" not in await connection.fetchval("select workers from pools")
