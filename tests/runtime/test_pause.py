"""Pausing a queue on all pools, and resuming it: with real pools, and by command."""

from __future__ import annotations

import pytest

from baton import Baton, InvalidOption, WorkerPool, worker
from tests.cli.command import assert_succeeded, baton
from tests.waiting import eventually


@worker(name="paused at times")
async def quick() -> str:
    return "done"


@worker(name="paused at times, on the web", queue="web")
async def fetched() -> str:
    return "done"


async def test_pools_leave_a_paused_queue_alone_and_are_woken_when_it_is_resumed(engine):
    await engine.pause("default")
    async with WorkerPool(engine, queues={"default": 5, "web": 5}, poll=60), WorkerPool(engine, poll=60):
        paused = await quick.new().insert()
        other = await fetched.new().insert()
        assert await other.wait(timeout=10) == "completed"
        assert (await paused.status()).counts == {"available": 1}

        assert await engine.resume("default")

        # The poll would come a minute later.
        assert await paused.wait(timeout=10) == "completed"


async def test_what_runs_when_its_queue_is_paused_goes_on(engine):
    import asyncio

    go_on = asyncio.Event()

    @worker(name="goes on")
    async def goes_on() -> None:
        await go_on.wait()

    async with WorkerPool(engine):
        run = await Baton.new().add("a", goes_on.new()).add("b", quick.new(), deps=["a"]).insert()
        await eventually(lambda: running(run))
        await engine.pause("default")
        go_on.set()
        await eventually(lambda: counted(run, {"completed": 1, "available": 1}))
        await engine.resume("default")
        assert await run.wait(timeout=10) == "completed"


async def running(run):
    return (await run.status()).counts.get("executing")


async def counted(run, counts):
    return (await run.status()).counts == counts


async def test_the_status_says_that_the_queue_is_paused(engine):
    async with WorkerPool(engine):
        await engine.pause("default")
        run = await quick.new().insert()

        (unserved,) = (await run.status()).unserved
        assert unserved.why.startswith("queue 'default' has been paused for ")


async def test_the_queues_are_listed_with_what_is_in_them(engine):
    await engine.pause("paused")
    async with WorkerPool(engine, queues={"default": 5, "served": 3}):
        await Baton.new().add("a", fetched.new()).add("b", fetched.new().with_options(schedule_in=600)).insert()

        found = {queue.name: queue for queue in await engine.queues()}

    assert sorted(found) == ["default", "paused", "served", "web"]
    assert (found["web"].available, found["web"].waiting, found["web"].pools) == (1, 1, 0)
    assert (found["served"].pools, found["served"].slots, found["served"].paused_at) == (1, 3, None)
    assert found["paused"].paused_at is not None


@pytest.mark.parametrize("name", ["", None, 7])
async def test_an_invalid_queue_name_is_refused(engine, name):
    with pytest.raises(InvalidOption):
        await engine.pause(name)
    with pytest.raises(InvalidOption):
        await engine.resume(name)


async def test_the_commands_say_what_they_did(database, engine, tmp_path):
    await quick.new().insert()
    said = [
        assert_succeeded(baton(*command.split(), cwd=tmp_path, database=database))
        for command in ("pause default", "pause default", "queues", "resume default", "resume default")
    ]

    assert said[0] == "paused queue 'default': 0 executing, 1 available\n"
    assert said[1] == "queue 'default' is paused already: 0 executing, 1 available\n"
    assert said[2].splitlines()[0].split() == ["queue", "available", "waiting", "executing", "pools", "slots"]
    assert " paused since " in said[2].splitlines()[1]
    assert said[3:] == ["resumed queue 'default'\n", "queue 'default' was not paused\n"]
