"""A worker process is killed at each point of its work. Another pool finishes it, and each step is accepted once."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager

import pytest

from baton import Baton, WorkerPool, result_of
from tests.database.raw_pool import assert_consistent
from tests.faults.processes import expire_lease, is_completed, worker_process
from tests.programs.fault_workers import held, may_go_on, noted
from tests.waiting import eventually

POINTS = [
    # the failpoint, starts of the step, attempts of the step and of its dependent
    ("before claim", 1, 1, 1),
    ("after claim", 1, 2, 1),
    ("before the worker", 1, 2, 1),
    ("after the worker", 2, 2, 1),
    ("before settle", 2, 2, 1),
    # The call that settled the step claimed its dependent.
    ("after settle", 1, 1, 2),
]


async def insert(first=noted):
    return await Baton.new().add("a", first.new(value=7)).add("b", noted.new(value=result_of("a"))).insert()


@asynccontextmanager
async def finished_by_another(run, engine, connection, pid):
    """Let another pool finish the workflow of a killed process; yield the records of its steps."""
    await expire_lease(connection, pid)
    async with WorkerPool(engine, lease=1, poll=0.3):
        await eventually(lambda: is_completed(run, connection), deadline=40)
        assert await run.result("b") == 7
    yield {record.name: record for record in await run.steps()}
    await assert_consistent(connection)


@pytest.mark.parametrize(("point", "starts", "attempt", "attempt_of_next"), POINTS)
async def test_killed_at_a_point_of_the_pool(engine, connection, effects, point, starts, attempt, attempt_of_next):
    run = await insert()
    with worker_process(engine.dialing.dsn, effects, kill_at=point) as killed:
        assert await killed.ended() == -signal.SIGKILL

        async with finished_by_another(run, engine, connection, killed.pid) as steps:
            assert steps["a"].attempt == attempt
            assert len(steps["a"].errors) == attempt - 1
            assert len(effects.read(event="start", step="a")) == starts
            assert steps["b"].attempt == attempt_of_next
            assert len(effects.read(event="start", step="b")) == 1


async def test_killed_inside_the_worker(engine, connection, effects):
    with worker_process(engine.dialing.dsn, effects) as killed:
        run = await insert(held)
        await eventually(lambda: effects.read(event="start"), deadline=30)
        killed.send(signal.SIGKILL)

        async with finished_by_another(run, engine, connection, killed.pid) as steps:
            assert steps["a"].attempt == 2
            (lost,) = steps["a"].errors
            assert (lost["kind"], lost["attempt"]) == ("lost", 1)


async def test_killed_while_its_settle_waits_for_a_lock(engine, connection, connect, effects):
    """The server does not notice the death, and settles when it gets the lock: the outcome is accepted."""
    with worker_process(engine.dialing.dsn, effects, lease=5) as killed:
        run = await insert(held)
        await eventually(lambda: effects.read(event="start"), deadline=30)
        other = await connect()
        async with connection.transaction():
            await connection.execute("select from workflows for update")
            may_go_on().touch()
            await eventually(lambda: other.fetchval(WAITS_FOR_A_LOCK), deadline=30)
            killed.send(signal.SIGKILL)
            await killed.ended()
        await eventually(lambda: other.fetchval("select state = 'completed' from baton.steps where name = 'a'"))

        async with finished_by_another(run, engine, connection, killed.pid) as steps:
            assert steps["a"].attempt == 1
            assert len(effects.read(event="start", step="a")) == 1


WAITS_FOR_A_LOCK = """
select count(*) > 0
  from pg_stat_activity
 where datname = current_database() and application_name = 'baton pool' and wait_event_type = 'Lock'
"""


@pytest.mark.parametrize("moment", ["request", "answer"])
async def test_killed_during_the_commit(engine, proxy, connection, effects, moment):
    # Its one slot is taken, so the next call is the one that carries the outcome.
    with worker_process(proxy.dsn, effects, queues={"default": 1}) as killed:
        run = await insert(held)
        await eventually(lambda: effects.read(event="start"), deadline=30)
        trap = proxy.trap(".advance(", moment, purpose="pool", holds=True)
        may_go_on().touch()
        await trap.sprung()
        killed.send(signal.SIGKILL)
        await killed.ended()

        async with finished_by_another(run, engine, connection, killed.pid) as steps:
            assert steps["a"].attempt == (1 if moment == "answer" else 2)
            assert len(effects.read(event="start", step="a")) == (1 if moment == "answer" else 2)
