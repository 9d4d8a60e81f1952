"""Limits as people see them: in explanations, lists and commands."""

from __future__ import annotations

import pytest

from baton import Baton, QueueLimits, Rate, WorkerPool, worker
from tests.cli.command import assert_succeeded, baton
from tests.waiting import eventually


@worker(name="limits shown", queue="service")
async def shown() -> None: ...


async def held_back(engine, held, **limits):
    """Return a run whose step waits for a limit, while another holds it."""
    await engine.limit("service", **limits)
    run = (
        await Baton.new(workflow_id="w")
        .add("first", held.worker.new().with_options(queue="service", lane="red", priority=0))
        .add("second", shown.new().with_options(lane="red", priority=1))
        .insert()
    )
    await eventually(lambda: executes(run))
    return run


async def executes(run):
    return (await run.status()).counts.get("executing")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"running": 1}, "waits for the limit of queue 'service', 1 step that executes, the longest step 'first'"),
        ({"lane_running": 1}, "waits for the limit of lane 'red' of queue 'service', 1 step that executes"),
        ({"starts": 1, "per": 600}, "waits for the limit of queue 'service', 1 starts in 10 min, which are used up"),
        ({"lane_starts": 1, "lane_per": 600}, "limit of lane 'red' of queue 'service', 1 starts in 10 min"),
    ],
)
async def test_an_explanation_names_the_limit(engine, held, limits, says):
    async with WorkerPool(engine, queues={"service": 5}):
        run = await held_back(engine, held, **limits)

        assert says in str(await run.explain("second"))
        held.may_end.set()


async def test_an_explanation_names_a_paused_lane(engine):
    await engine.pause("service", lane="red")
    async with WorkerPool(engine, queues={"service": 5}):
        run = await shown.new().with_options(lane="red").insert()
        explained = str(await run.explain())

    assert (
        "lane 'red' of queue 'service' has been paused for 0 s: resume it with `baton resume service --lane red`"
        in explained
    )


async def test_limits_are_listed_with_what_is_used(engine):
    await engine.limit("service", running=3, starts=10, per=60, burst=5, lane_running=2)
    await shown.new().insert()

    (listed,) = await engine.limits()

    assert listed.queue == "service"
    assert listed.limits == QueueLimits(3, Rate(10, 60, 5), 2, None)
    assert (listed.executing, listed.available, listed.free_units) == (0, 1, 5)


async def test_the_command_sets_lists_and_removes(database, engine, tmp_path):
    said = [
        assert_succeeded(baton(*command.split(), cwd=tmp_path, database=database))
        for command in (
            "limits",
            "limits set service --running 3 --starts 10 --per 60 --lane-running 2",
            "limits set service --running 3 --starts 10 --per 60 --lane-running 2",
            "pause service --lane red",
            "limits",
            "resume service --lane red",
            "limits remove service",
            "limits remove service",
        )
    ]

    assert said[0] == "no queue has limits; `baton limits set QUEUE --running 20` sets one\n"
    assert said[1:3] == ["queue 'service' has these limits now\n", "queue 'service' had these limits already\n"]
    assert said[3].startswith("paused lane 'red' of queue 'service': ")
    assert "10 in 60 s, 1 at once" in said[4]
    assert "paused: lane red" in said[4]
    assert said[5:] == [
        "resumed lane 'red' of queue 'service'\n",
        "queue 'service' has no limits any more\n",
        "queue 'service' had no limits\n",
    ]
