"""Worker processes that are stopped, terminated, killed by a step, or have a wrong clock."""

from __future__ import annotations

import os
import signal
import socket
from uuid import uuid4

import pytest

from baton import Baton, WorkerPool, result_of
from baton.database.messages import ClaimRequest
from tests.database.raw_pool import assert_consistent
from tests.faults.processes import expire_lease, make_retries_due, worker_process
from tests.programs.fault_workers import blocking, held, may_go_on, noted, poison
from tests.waiting import eventually


async def completes(run, connection):
    """Wait until the workflow is completed, with retries due at once."""

    async def is_completed():
        await make_retries_due(connection)
        return (await run.status()).state == "completed"

    await eventually(is_completed, deadline=40)
    await assert_consistent(connection)


async def by_name(run):
    return {record.name: record for record in await run.steps()}


async def test_a_process_stopped_past_its_lease_goes_on_as_another_pool(engine, connection, effects):
    """What it settles is refused, and it logs that."""
    with worker_process(engine.dialing.dsn, effects, queues={"default": 2, "own": 1}) as zombie:
        lost = await zombie.registered(connection)
        run = await Baton.new().add("held", held.new(value=3)).add("blocking", blocking.new(seconds=2)).insert()
        await eventually(lambda: len(effects.read(event="start")) == 2, deadline=30)
        zombie.send(signal.SIGSTOP)
        await expire_lease(connection, zombie.pid)
        async with WorkerPool(engine, lease=1, poll=0.3):
            await completes(run, connection)
            before = await connection.fetch("select * from steps_view order by id")
            zombie.send(signal.SIGCONT)
            await zombie.has_logged("was refused")
            await zombie.registered(connection, but=lost)

            mine = await noted.new(value=5).with_options(queue="own").insert()
            assert await mine.result(timeout=30) == 5

        assert await connection.fetch("select * from steps_view where workflow_id = $1 order by id", run.id) == before
    assert effects.read(event="cancelled", step="held", attempt=1, pid=zombie.pid)
    assert [(row["attempt"], row["result"]) for row in before] == [(2, "3"), (2, "2")]


async def test_a_terminated_process_lets_steps_end_and_starts_no_more(engine, connection, effects):
    with worker_process(engine.dialing.dsn, effects, queues={"default": 2}) as process:
        run = await five_held()
        await eventually(lambda: len(effects.read(event="start")) == 2, deadline=30)
        process.send(signal.SIGTERM)
        await process.has_logged("drains: 2 attempt(s) run")
        may_go_on().touch()

        assert await process.ended() == 0

    assert sorted((record.state, record.attempt) for record in await run.steps()) == [
        *[("available", 0)] * 3,
        *[("completed", 1)] * 2,
    ]
    assert len(effects.read(event="start")) == len(effects.read(event="end")) == 2


async def test_a_terminated_process_gives_back_what_outlasts_the_grace(engine, connection, effects):
    """Without spending an attempt."""
    with worker_process(engine.dialing.dsn, effects, queues={"default": 2}, grace=0.1) as process:
        run = await five_held()
        await eventually(lambda: len(effects.read(event="start")) == 2, deadline=30)
        process.send(signal.SIGTERM)

        assert await process.ended() == 0

    assert [(record.state, record.attempt) for record in await run.steps()] == [("available", 0)] * 5
    assert len(effects.read(event="cancelled")) == 2


async def test_a_second_signal_cuts_the_grace_short(engine, connection, effects):
    with worker_process(engine.dialing.dsn, effects, queues={"default": 2}, grace=300) as process:
        run = await five_held()
        await eventually(lambda: len(effects.read(event="start")) == 2, deadline=30)
        process.send(signal.SIGTERM)
        await process.has_logged("drains: 2 attempt(s) run")
        process.send(signal.SIGTERM)

        assert await process.ended() == 0

    assert [(record.state, record.attempt) for record in await run.steps()] == [("available", 0)] * 5
    assert await connection.fetchval("select count(*) from pools where dead_at is null") == 0


async def five_held():
    workflow = Baton.new()
    for number in range(5):
        workflow.add(str(number), held.new())
    return await workflow.insert()


async def test_a_step_that_kills_its_process_runs_out_of_attempts(engine, connection, effects):
    run = await (
        Baton.new()
        .add("poison", poison.new().with_options(queue="risky"))
        .add("dependent", noted.new(), deps=["poison"])
        .add("beside", noted.new())
        .insert()
    )
    # The pool of this process must not run it: that would kill the tests.
    async with WorkerPool(engine, lease=1, poll=0.3, queues={"default": 1}):
        for _ in range(2):
            with worker_process(engine.dialing.dsn, effects, queues={"risky": 1}) as process:
                assert await process.ended() == -signal.SIGKILL
            await expire_lease(connection, process.pid)
            await eventually(lambda: connection.fetchval("select count(*) = 0 from queue where state = 'executing'"))
            await make_retries_due(connection)
        state = await run.wait(timeout=30)

    steps = await by_name(run)
    assert state == "failed"
    assert {name: record.state for name, record in steps.items()} == {
        "poison": "discarded",
        "dependent": "cancelled",
        "beside": "completed",
    }
    assert [event["attempt"] for event in effects.read(event="start", step="poison")] == [1, 2]
    assert [error["kind"] for error in steps["poison"].errors] == ["lost", "lost"]
    await assert_consistent(connection)


async def test_a_restarted_process_with_the_same_host_and_pid_is_another_pool(engine, connection, effects):
    former = await engine.store.register(
        name="former", host=socket.gethostname(), pid=os.getpid(), limits={"default": 1}, workers=[], lease_seconds=60
    )
    run = await noted.new(value=4).insert()
    await engine.store.claim(former, ClaimRequest(uuid4(), {"default": 1}))
    async with WorkerPool(engine, lease=1, poll=0.3) as pool:
        await expire_one_lease(connection, former)
        await completes(run, connection)
        living = await connection.fetchval("select array_agg(id) from pools where dead_at is null")

        assert living == [pool.id]
        (record,) = await run.steps()
        assert (record.attempt, record.pool) == (2, pool.id)


async def expire_one_lease(connection, pool):
    await connection.execute("update pools set expires_at = clock_timestamp() where id = $1", pool)


@pytest.mark.parametrize("clock_off", [3600, -3600])
async def test_a_process_whose_clock_is_an_hour_off_does_what_the_others_do(engine, connection, effects, clock_off):
    with worker_process(engine.dialing.dsn, effects, clock_off=clock_off, queues={"default": 5}) as process:
        pool = await process.registered(connection)
        async with WorkerPool(engine, lease=1, poll=0.3, queues={"other": 1}):
            run = await (
                Baton.new()
                .add("delayed", noted.new(value=1).with_options(schedule_in=1))
                .add("after", noted.new(value=result_of("delayed")))
                .insert()
            )
            assert await run.result(timeout=30) == 1
            lived = "select beats >= 5 and dead_at is null from pools where id = $1"
            await eventually(lambda: connection.fetchval(lived, pool))

    lateness, attempts = await connection.fetchrow(
        """
        select extract(epoch from s.attempted_at - w.inserted_at), array_agg(attempt) over ()
          from steps s, workflows w
         where s.name = 'delayed'
        """
    )
    assert 1 <= lateness < 10
    assert attempts == [1]
