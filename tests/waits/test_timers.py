"""Steps that wait for a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from baton import Baton, InvalidOption, Timer, WorkerPool, worker

SECONDS = 20


@worker(name="timers after")
async def after() -> str:
    return "done"


async def test_a_timer_ends_after_its_duration(engine):
    run = await Baton.new().add("cool down", Timer(seconds=0.2)).add("after", after.new(), deps=["cool down"]).insert()

    async with WorkerPool(engine):
        assert await run.result("after", timeout=SECONDS) == "done"

    timer, following = await run.steps()
    assert timer.finished_at - timer.scheduled_at >= timedelta(seconds=0.2) if timer.scheduled_at else True
    assert (timer.state, timer.result, timer.attempt) == ("completed", None, 0)
    assert following.attempted_at >= timer.finished_at


async def test_a_timer_until_a_time_that_has_passed_ends_at_once(engine):
    run = await Baton.new().add("past", Timer(until=datetime(2020, 1, 1, tzinfo=UTC))).insert()

    async with WorkerPool(engine):
        assert await run.wait(timeout=SECONDS) == "completed"


async def test_a_timer_needs_no_pool_that_serves_its_queue(engine):
    run = await Baton.new().add("timer", Timer(seconds=0.01)).insert()

    async with WorkerPool(engine, queues={"elsewhere": 1}):
        assert await run.wait(timeout=SECONDS) == "completed"


@pytest.mark.parametrize("given", [{}, {"hours": -1}, {"hours": 1, "until": datetime(2030, 1, 1, tzinfo=UTC)}])
def test_a_timer_without_one_time_is_refused(given):
    with pytest.raises(InvalidOption):
        Timer(**given)
