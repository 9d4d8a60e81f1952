"""A process dies while somebody puts its run right: what it did is not accepted any more, and the run goes on."""

from __future__ import annotations

import signal

import pytest

from baton import Baton, WorkerPool, result_of
from tests.database.raw_pool import assert_consistent
from tests.faults.processes import expire_lease, worker_process
from tests.programs.fault_workers import held, may_go_on, noted
from tests.waiting import eventually

SECONDS = 40


async def is_started(effects, step):
    return any(event["step"] == step for event in effects.read(event="start"))


@pytest.mark.parametrize("action", ["complete", "skip"])
async def test_a_step_of_a_killed_process_is_ended_once_it_is_given_back(engine, connection, effects, action):
    """While nobody knows that the process is dead the step executes, and is refused; cancelled, it can be ended."""
    flow = Baton.new().add("a", held.new(value=1)).add("b", noted.new(value=result_of("a", default=0)))
    run = await flow.insert()
    with worker_process(engine.connector.dsn, effects) as killed:
        await eventually(lambda: is_started(effects, "a"), deadline=SECONDS)
        killed.process.send_signal(signal.SIGKILL)
        assert await killed.ended() == -signal.SIGKILL
    await run.cancel("a")

    await (run.complete("a", 5) if action == "complete" else run.skip("a"))

    await expire_lease(connection, killed.pid)
    async with WorkerPool(engine, poll=0.3):
        assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("b") == (5 if action == "complete" else 0)
    assert [event["step"] for event in effects.read(event="start")] == ["a", "b"]
    await assert_consistent(connection)


async def test_an_attempt_that_comes_back_is_not_accepted_over_a_completed_step(engine, connection, effects):
    """Its process was stopped past its lease, and somebody completed the step meanwhile."""
    run = await Baton.new().add("a", held.new(value=1)).insert()
    with worker_process(engine.connector.dsn, effects) as stopped:
        await eventually(lambda: is_started(effects, "a"), deadline=SECONDS)
        stopped.process.send_signal(signal.SIGSTOP)
        await run.cancel("a")
        await run.complete("a", 5)
        may_go_on().touch()
        stopped.process.send_signal(signal.SIGCONT)
        await eventually(lambda: bool(effects.read(event="end") or effects.read(event="cancelled")), deadline=SECONDS)

    assert await run.result("a", timeout=SECONDS) == 5
    await assert_consistent(connection)


async def test_a_run_retried_downstream_survives_the_death_of_its_process(engine, connection, effects):
    flow = Baton.new().add("a", noted.new(value=1)).add("b", held.new(value=result_of("a")))
    run = await flow.add("c", noted.new(value=result_of("b"))).insert()
    may_go_on().touch()
    async with WorkerPool(engine, poll=0.3):
        assert await run.wait(timeout=SECONDS) == "completed"
    may_go_on().unlink()

    await run.retry("a", downstream=True)

    with worker_process(engine.connector.dsn, effects) as killed:
        await eventually(lambda: len([1 for one in effects.read(event="start") if one["step"] == "b"]) == 2, SECONDS)
        killed.process.send_signal(signal.SIGKILL)
        await killed.ended()
    await expire_lease(connection, killed.pid)
    may_go_on().touch()
    async with WorkerPool(engine, poll=0.3):
        await eventually(lambda: _is_due(connection), deadline=SECONDS)
        assert await run.wait(timeout=SECONDS) == "completed"
    ends = [event["step"] for event in effects.read(event="end")]
    assert ends == ["a", "b", "c", "a", "b", "c"]
    await assert_consistent(connection)


async def _is_due(connection):
    done = await connection.execute("update queue set scheduled_at = now() where state = 'retryable'")
    return done != "UPDATE 0"
