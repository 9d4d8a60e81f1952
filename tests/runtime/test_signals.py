"""Signals: which of them drain a pool, and that those of its steps' own processes do not."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from baton import BatonError, Engine, PoolNotRunning, WorkerPool
from baton.runtime.signals import shutdown_signals
from tests.cli.command import worker_process as baton_worker
from tests.faults.processes import worker_process as asyncio_worker
from tests.programs import forking_workers
from tests.waiting import eventually

PROGRAM = "tests.programs.forking_workers"


@pytest.fixture(params=["asyncio", "uvloop"])
async def serving(request, engine, effects, connection, tmp_path):
    """A process that serves, on the event loop of asyncio or, as `baton worker` does, on that of uvloop."""
    if request.param == "asyncio":
        with asyncio_worker(engine.dialing.dsn, effects) as process:
            await process.registered(connection)
            yield process.process
    else:
        pytest.importorskip("uvloop")
        with baton_worker(PROGRAM, cwd=tmp_path, database=engine.dialing.dsn) as process:
            yield process


@pytest.mark.parametrize("forking", [forking_workers.in_a_thread, forking_workers.in_the_event_loop])
async def test_a_sigterm_for_a_forked_child_ends_the_child_alone(serving, engine, forking):
    run = await forking.new().insert()

    assert await run.result(timeout=40) == -signal.SIGTERM
    again = await forking.new().insert()
    assert await again.result(timeout=40) == -signal.SIGTERM
    assert serving.poll() is None


async def test_a_pool_of_processes_that_breaks_does_not_drain_the_worker(serving, engine):
    run = await forking_workers.pool_that_breaks.new().insert()

    assert await run.result(timeout=40) == 3
    again = await forking_workers.in_a_thread.new().insert()
    assert await again.result(timeout=40) == -signal.SIGTERM
    assert serving.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_drains_a_pool_that_serves(engine, number):
    async with WorkerPool(engine) as pool:
        before = signal.getsignal(number)
        serving = asyncio.create_task(pool.serve())
        await eventually(lambda: signal.getsignal(number) is not before)
        os.kill(os.getpid(), number)
        async with asyncio.timeout(20):
            drained = await serving

    assert drained.is_settled


async def test_a_hangup_that_the_process_ignores_stays_ignored():
    """As under nohup, which lets a process outlive its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with shutdown_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_serve_in_another_thread_says_what_to_do_instead(database):
    said = []

    async def serve():
        async with Engine(database) as engine, WorkerPool(engine, grace=0) as pool:
            with pytest.raises(BatonError, match=r"in the main thread only: in another thread use 'async with pool'"):
                await pool.serve()
            said.append(True)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    await eventually(lambda: not thread.is_alive(), deadline=30)
    assert said


@pytest.mark.parametrize("used", ["drain", "serve", "id"])
async def test_a_pool_that_is_not_running_says_so(engine, used):
    async def use(pool):
        if used == "id":
            return pool.id
        return await getattr(pool, used)()

    pool = WorkerPool(engine)
    with pytest.raises(PoolNotRunning, match="use it inside 'async with pool'"):
        await use(pool)
    async with pool:
        assert pool.id > 0
    with pytest.raises(PoolNotRunning):
        await use(pool)
