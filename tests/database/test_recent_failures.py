"""What failed lately is found, and what failed long ago is not."""

from __future__ import annotations

import pytest

from baton import Baton, Context, WorkerPool, worker
from baton.database.recent_failures import RecentFailure, recent_failures
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_workers")


@pytest.fixture
def failing(own_workers):
    @worker(name="fails lately", max_attempts=1)
    async def failing(ctx: Context) -> None:
        raise ValueError(f"no {ctx.step}")

    return failing


@pytest.fixture
def found(connection):
    return lambda: recent_failures(connection, "baton")


async def test_steps_that_used_up_their_attempts_are_found_by_worker(engine, failing, found):
    @worker(name="is fine")
    async def fine() -> None: ...

    async with WorkerPool(engine):
        flow = (
            Baton.new(workflow_id="w").add("a", failing.new()).add("b", fine.new()).add("c", failing.new(), deps=["b"])
        )
        await (await flow.insert()).wait(timeout=20)

    assert await found() == [RecentFailure("fails lately", 2, 0, "w", "c", "ValueError: no c")]


async def test_steps_that_wait_for_another_attempt_are_found(engine, found):
    @worker(name="fails lately", backoff=600)
    async def failing() -> None:
        raise ValueError("not yet")

    async with WorkerPool(engine):
        await failing.new().insert(workflow_id="w")
        assert await eventually(found) == [
            RecentFailure("fails lately", 0, 1, "w", "fails lately", "ValueError: not yet")
        ]


async def test_what_failed_before_the_last_hour_is_not_found(engine, failing, found, connection):
    async with WorkerPool(engine):
        await (await failing.new().insert()).wait(timeout=20)
    assert len(await found()) == 1

    await connection.execute("update workflows set finished_at = now() - interval '61 minutes'")
    await connection.execute("update steps set finished_at = now() - interval '61 minutes'")
    assert await found() == []


async def test_where_nothing_failed_nothing_is_found(engine, found):
    assert await found() == []
