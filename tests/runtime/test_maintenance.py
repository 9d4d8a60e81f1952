"""Upkeep in a pool: a part that fails is seen, and holds up no other part."""

from __future__ import annotations

import pytest

from baton import WorkerPool
from baton.cli.health import answer, facts_of
from tests.waiting import eventually

BREAK_PRUNING = "alter table upkeep rename to kept_elsewhere"
MEND_PRUNING = "alter table kept_elsewhere rename to upkeep"
REFUSE_RESCUE = "alter table steps add constraint no_rescue check (errors is null) not valid"
DEAD_POOL = """
    with dead as (
        insert into pools (name, host, pid, queues, limits, workers, expires_at, dead_at)
        values ('dead', 'here', 1, '{}', '{}', '{}', now(), now())
     returning id
    )
    update queue
       set state = 'executing', pool = (select id from dead), token = gen_random_uuid(), attempt = 1,
           attempted_at = now()
     where queue = 'orphaned'
"""


@pytest.fixture
async def orphan(engine, connection, quick):
    """A run whose one step is claimed by a pool that is dead."""
    run = await quick.new().with_options(queue="orphaned").insert()
    await connection.execute(DEAD_POOL)
    return run


async def test_a_part_that_always_fails_does_not_stop_the_others(engine, connection, quick, orphan):
    """Pruning fails. What is due is staged, and the step of a dead pool is rescued."""
    await connection.execute(BREAK_PRUNING)
    async with WorkerPool(engine, lease=1):
        late = await quick.new().with_options(schedule_in=0.3).insert()
        assert await late.result(timeout=20) == 1
        await eventually(lambda: connection.fetchval("select state = 'retryable' from queue where queue = 'orphaned'"))


async def test_each_part_goes_on_when_looking_for_work_fails(engine, connection, quick, orphan):
    await connection.execute("alter function upkeep_due rename to upkeep_never_due")
    async with WorkerPool(engine, lease=1):
        late = await quick.new().with_options(schedule_in=0.3).insert()
        assert await late.result(timeout=20) == 1
        await eventually(lambda: connection.fetchval("select state = 'retryable' from queue where queue = 'orphaned'"))


async def test_a_pool_whose_upkeep_fails_for_longer_than_a_lease_is_not_ready(engine, connection):
    await connection.execute(BREAK_PRUNING)
    async with WorkerPool(engine, lease=1) as pool:
        await eventually(lambda: not pool.health().is_ready)
        failing = pool.health()

        await connection.execute(MEND_PRUNING)
        await eventually(lambda: pool.health().is_ready)

    (failure,) = failing.failures
    assert failure.startswith("prune fails: UndefinedTableError (42P01)")
    assert failing.faults == [f"its upkeep cannot go on: {failure}"]
    assert answer("GET /readyz HTTP/1.1", facts_of(failing)).status == 503
    assert pool.health().failures == ()


async def test_a_row_that_is_passed_over_is_seen_and_the_pool_stays_ready(engine, connection, orphan, caplog):
    await connection.execute(REFUSE_RESCUE)
    async with WorkerPool(engine, lease=1) as pool:
        await eventually(lambda: pool.health().failures)
        seen = pool.health()
        await eventually(lambda: connection.fetchval("select failures <> '{}' from pools where id = $1", pool.id))
        reported = await connection.fetchval("select failures from pools where id = $1", pool.id)

        await connection.execute("alter table steps drop constraint no_rescue")
        await eventually(lambda: not pool.health().failures)
        await eventually(lambda: connection.fetchval("select failures = '{}' from pools where id = $1", pool.id))

    (failure,) = seen.failures
    assert failure.startswith(f"rescue passes over step 'quick' of workflow '{orphan.id}': ")
    assert failure.endswith('violates check constraint "no_rescue" (23514)')
    assert (seen.is_ready, reported) == (True, [failure])
