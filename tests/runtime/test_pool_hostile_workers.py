"""Workers that misbehave: each spoils its own attempt, and nothing else."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import pytest

import baton.runtime.running_pool
from baton import Baton, StepFailed, WorkerPool, worker
from tests.programs import pool_workers
from tests.waiting import eventually


class Unprintable(Exception):  # noqa: N818  # the name says what is the matter
    def __str__(self):
        raise RuntimeError("no text")


class Uncaught(BaseException):
    pass


async def after(run, step="bad"):
    """The record of a step once it is final."""
    with pytest.raises(StepFailed):
        await run.result(step, timeout=20)
    return next(record for record in await run.steps() if record.name == step)


async def beside(bad_job):
    """Insert a step that is bad beside one that is good; return the run when the good one has its result."""
    run = await Baton.new().add("bad", bad_job).add("good", pool_workers.double.new(number=4)).insert()
    assert await run.result("good", timeout=20) == 8
    return run


RAISED = {
    r"ValueError: a \x00 in it": ValueError("a \x00 in it"),
    r"ValueError: a \ud800 in it": ValueError("a \ud800 in it"),
    "Unprintable: (the text of this error cannot be had: its __str__ raises)": Unprintable(),
    "SystemExit: 3": SystemExit(3),
    "RuntimeError: coroutine raised StopIteration": StopIteration(),
    "GeneratorExit: gone": GeneratorExit("gone"),
    "CancelledError: by itself": asyncio.CancelledError("by itself"),
    "TimeoutError: its own": TimeoutError("its own"),
    "Uncaught: rare": Uncaught("rare"),
    "KeyError: 'x'": KeyError("x"),
    "ExceptionGroup: several (1 sub-exception)": ExceptionGroup("several", [ValueError("one")]),
}
"""What a worker may raise, by what is stored of it."""


def raiser(error, *, is_async):
    async def from_a_coroutine():
        raise error

    def from_a_thread():
        raise error

    return from_a_coroutine if is_async else from_a_thread


@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "thread"])
async def test_whatever_a_worker_raises_fails_its_attempt_alone(engine, is_async):
    flow = Baton.new().add("good", pool_workers.double.new(number=4))
    for number, error in enumerate(RAISED.values()):
        bad = worker(name=f"bad {number}", max_attempts=1)(raiser(error, is_async=is_async))
        flow.add(f"bad {number}", bad.new())

    async with WorkerPool(engine):
        run = await flow.insert()
        assert await run.wait(timeout=20) == "failed"
        good, *bad = await run.steps()

    assert good.result == 8
    assert [record.reason for record in bad] == list(RAISED)


async def test_a_coroutine_that_cancels_its_own_task_fails_its_attempt(engine):
    @worker(max_attempts=1)
    async def bad():
        asyncio.current_task().cancel("enough of this")
        await asyncio.sleep(1)

    async with WorkerPool(engine):
        run = await beside(bad.new())
        record = await after(run)

    assert record.errors[-1]["error"] == "CancelledError: enough of this"


async def test_a_coroutine_that_exits_in_a_callback_fails_nothing_else(engine):
    @worker(max_attempts=1)
    async def bad():
        sys.exit("bye")

    async with WorkerPool(engine, queues={"default": 1}):
        run = await beside(bad.new())
        record = await after(run)

    assert record.errors[-1]["error"] == "SystemExit: bye"


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "at $: nan has no form in JSON"),
        ({"deep": [1, float("inf")]}, "at $.deep[1]: inf has no form in JSON"),
        (object(), "at $: a value of type object has no form in JSON"),
        (nested(10_000), "nested deeper than 200 levels"),
        (10**6_000, "an integer of more than 4,300 digits cannot be read back"),
    ],
    ids=["nan", "inf", "object", "deep", "huge"],
)
async def test_a_result_that_is_not_json_fails_its_attempt_alone(engine, value, text):
    @worker(max_attempts=1)
    async def bad():
        return value

    async with WorkerPool(engine):
        run = await beside(bad.new())
        record = await after(run)

    assert record.state == "discarded"
    assert text in record.errors[-1]["error"]
    assert record.errors[-1]["error"].startswith("ResultNotJSON: the result of worker 'bad' is not JSON")


async def test_what_is_bad_in_a_large_batch_fails_alone(engine):
    @worker(name="one", max_attempts=1)
    async def one(number: int) -> float:
        return float("nan") if number % 50 == 0 else float(number)

    many = Baton.new()
    for number in range(200):
        many.add(str(number), one.new(number=number))

    async with WorkerPool(engine, queues={"default": 100}):
        run = await many.insert()
        assert await run.wait(timeout=30) == "failed"
        states = {record.name: record.state for record in await run.steps()}

    assert {name for name, state in states.items() if state == "discarded"} == {"0", "50", "100", "150"}
    assert (await run.status()).counts == {"completed": 196, "discarded": 4}


async def test_arguments_that_no_longer_fit_discard_the_step_in_the_end(engine, connection):
    """Here at once: `misfit` says for how long they are put back before."""

    @worker
    async def picky(number: int) -> int:
        return number

    run = await picky.new(number=1).insert()
    await connection.execute("""update steps set args = '{"number": "many"}'""")

    async with WorkerPool(engine, misfit=0):
        record = await after(run, "picky")

    assert (record.state, record.attempt) == ("discarded", 1)
    assert record.reason == (
        "ArgumentsDoNotFit: the arguments do not fit worker 'picky': Expected `int`, got `str` - at `$.number`"
    )


async def test_a_thread_that_is_cancelled_before_it_begins_gives_its_slot_back(engine):
    """Its call may never be made: nothing would then say that the thread has returned."""

    @worker(max_attempts=1, timeout=1e-9)
    def late():
        return None

    @worker
    async def quick() -> str:
        return "done"

    async with WorkerPool(engine, queues={"default": 1}, grace=0):
        for _ in range(20):
            run = await late.new().insert()
            await run.wait(timeout=5)
        run = await quick.new().insert()
        assert await run.result(timeout=5) == "done"


async def test_a_thread_that_timed_out_keeps_its_slot_until_it_returns(engine):
    began, may_end = threading.Event(), threading.Event()

    @worker(max_attempts=1, timeout=0.05)
    def slow():
        began.set()
        may_end.wait(20)

    @worker
    async def quick() -> str:
        return "done"

    async with WorkerPool(engine, queues={"default": 1}):
        timed_out = await slow.new().insert()
        await after(timed_out, "slow")
        other = await quick.new().insert()
        with pytest.raises(TimeoutError):
            await other.result(timeout=0.3)
        may_end.set()
        assert await other.result(timeout=5) == "done"


async def test_a_coroutine_that_swallows_its_cancellation_does_not_keep_the_pool(engine, monkeypatch):
    monkeypatch.setattr(baton.runtime.running_pool, "STOP_SECONDS", 0.1)
    began, last = asyncio.Event(), asyncio.Event()

    @worker
    async def stubborn():
        began.set()
        while not last.is_set():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    run = await stubborn.new().insert()
    try:
        async with asyncio.timeout(20):
            async with WorkerPool(engine, grace=0):
                await asyncio.wait_for(began.wait(), 5)
    finally:
        last.set()

    assert (await run.status()).state == "executing"


async def test_a_failure_after_the_pool_asked_it_to_stop_spends_no_attempt(engine):
    began = asyncio.Event()

    @worker
    async def touchy():
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            raise ConnectionError("closed under me") from error

    run = await touchy.new().insert()
    async with WorkerPool(engine, grace=0):
        await asyncio.wait_for(began.wait(), 5)

    (record,) = await run.steps()
    assert (record.state, record.attempt, list(record.errors)) == ("available", 0, [])


async def test_a_process_that_dies_fails_its_attempt_and_the_next_one_runs(engine):
    async with WorkerPool(engine, processes=1):
        run = await beside(pool_workers.die.new().with_options(max_attempts=1))
        record = await after(run)
        again = await pool_workers.process_id.new().insert()
        assert isinstance(await again.result(timeout=20), int)

    assert "the worker's process ended with exit code 9" in record.errors[-1]["error"]


async def test_a_process_killed_from_outside_fails_its_attempt(engine, tmp_path):
    mark = tmp_path / "pid"

    async with WorkerPool(engine, processes=1):
        run = await beside(pool_workers.write_pid_and_hang.new(path=str(mark)).with_options(max_attempts=1))
        await eventually(lambda: mark.exists() and mark.read_text())
        pool_workers.kill(int(mark.read_text()))
        record = await after(run)

    assert "the worker's process was killed by SIGKILL" in record.errors[-1]["error"]


async def test_a_process_past_its_timeout_is_killed_and_the_next_one_runs(engine, tmp_path):
    mark = tmp_path / "pid"

    async with WorkerPool(engine, processes=1):
        job = pool_workers.write_pid_and_hang.new(path=str(mark))
        run = await job.with_options(max_attempts=1, timeout=2).insert()
        record = await after(run, "write_pid_and_hang")
        again = await pool_workers.process_id.new().insert()
        assert await again.result(timeout=20) != int(mark.read_text())

    assert record.errors[-1]["error"] == "TimeoutError: the attempt took longer than its timeout of 2 s"
    await eventually(lambda: not pool_workers.is_alive(int(mark.read_text())))


async def test_a_process_may_exit_print_and_start_others_without_harm(engine):
    async with WorkerPool(engine, processes=1):
        run = await (
            Baton.new()
            .add("exits", pool_workers.exits.new().with_options(max_attempts=1))
            .add("prints", pool_workers.prints.new().with_options(max_attempts=1))
            .insert()
        )
        record = await after(run, "exits")
        assert await run.result("prints", timeout=20) == "printed"

    assert record.errors[-1]["error"] == "SystemExit: 5"


async def test_an_attempt_past_its_timeout_fails_and_is_cancelled(engine):
    cancelled = asyncio.Event()

    @worker(max_attempts=1, timeout=0.05)
    async def slow():
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async with WorkerPool(engine):
        run = await slow.new().insert()
        record = await after(run, "slow")

    assert cancelled.is_set()
    assert record.errors[-1]["error"] == "TimeoutError: the attempt took longer than its timeout of 0.05 s"


async def test_what_is_returned_after_the_timeout_does_not_count(engine):
    @worker(max_attempts=1, timeout=0.05)
    async def tough():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "I did it all the same"

    async with WorkerPool(engine):
        run = await tough.new().insert()
        record = await after(run, "tough")

    assert record.errors[-1]["error"].startswith("TimeoutError")


async def test_a_blocking_coroutine_past_its_timeout_fails_too(engine):
    @worker(max_attempts=1, timeout=0.05)
    async def blocking():
        time.sleep(0.2)  # noqa: ASYNC251  # what is tried here
        await asyncio.sleep(60)

    async with WorkerPool(engine):
        run = await blocking.new().insert()
        record = await after(run, "blocking")

    assert record.errors[-1]["error"].startswith("TimeoutError")
