"""Drains of `baton.testing` keep to the limits of queues."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import Baton, worker
from baton.testing import Harness
from tests.waiting import eventually


@pytest.fixture
async def harness(engine):
    async with Harness(engine) as harness:
        yield harness


@worker(name="limits drained", queue="service")
async def drained(value: int = 0) -> int:
    return value


async def test_a_drain_runs_no_more_at_once_than_the_limit(harness, engine, running):
    @worker(name="limits held", queue="service")
    async def held() -> None:
        with running.attempt():
            await eventually(lambda: running.most["all"] >= 2)
            # Time for another claim, which must bring nothing.
            for _ in range(10):
                await engine.queues()

    await engine.limit("service", running=2)
    flow = Baton.new()
    for number in range(6):
        flow.add(f"s{number}", held.new())
    run = await flow.insert()

    await harness.drain(concurrency=6)

    assert running.most["all"] == 2
    assert (await run.status()).state == "completed"


async def test_a_full_queue_does_not_hold_up_another(harness, engine, quick):
    await engine.limit("service", starts=1, per=3600)
    await drained.new().insert()
    waits = await drained.new().insert()
    goes = await quick.new().with_options(priority=9).insert()

    await harness.drain()

    assert (await goes.status()).state == "completed"
    assert (await waits.status()).counts == {"available": 1}


async def test_time_that_passes_in_a_drain_earns_starts(harness, engine):
    await engine.limit("service", starts=1, per=3600)
    runs = [await drained.new().insert() for _ in range(4)]

    await harness.drain(advance=timedelta(hours=2.5))

    assert [(await run.status()).state for run in runs] == ["completed"] * 3 + ["executing"]
