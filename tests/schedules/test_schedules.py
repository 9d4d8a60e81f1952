"""Schedules: made, fired by real pools, paused, run now, backfilled, deleted."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from baton import (
    Baton,
    Engine,
    InvalidOption,
    InvalidWorkflow,
    Run,
    Schedule,
    ScheduleNotFound,
    WorkerPool,
    param,
    worker,
)
from tests.waiting import eventually

SECONDS = 20
NEVER_SOON = "0 3 1 1 *"


@worker(name="schedules quick")
async def quick(value: int = 1) -> int:
    return value


@worker(name="schedules hang")
async def hang() -> None:
    await asyncio.sleep(600)


@pytest.fixture
def put_back(connection):
    """Moves the next slot of a schedule back, as if no pool had run since then."""

    async def put_back(name, **ago):
        await connection.execute(
            """
            update schedules
               set next_at = date_trunc('minute', clock_timestamp()) - $2::interval,
                   due_at = date_trunc('minute', clock_timestamp()) - $2::interval
             where name = $1
            """,
            name,
            timedelta(**ago),
        )

    return put_back


async def record(engine, name):
    return next(one for one in await engine.schedules() if one.name == name)


async def run_ids(connection):
    return [row["id"] for row in await connection.fetch("select id from workflows order by key")]


async def test_each_slot_gets_a_run_with_its_id(engine, connection):
    async with WorkerPool(engine):
        assert await engine.schedule("tick", quick.new(), every=1) == "created"
        await eventually(lambda: connection.fetchval("select fired >= 3 from schedules"))
        await engine.pause_schedule("tick")
        ids = await run_ids(connection)
        assert await Run(ids[0], engine).result(timeout=SECONDS) == 1

    slots = [datetime.fromisoformat(one.removeprefix("tick@")) for one in ids]
    assert len(slots) >= 3
    assert {later - earlier for earlier, later in pairwise(slots)} == {timedelta(seconds=1)}


async def test_a_workflow_is_scheduled_whole(engine):
    flow = (
        Baton.new(workflow_name="nightly", meta={"team": "red"})
        .add("a", quick.new(1))
        .add("b", quick.new(2), deps=["a"])
    )
    await engine.schedule("nightly", flow, cron=NEVER_SOON)
    async with WorkerPool(engine):
        run = await engine.run_schedule("nightly")
        assert await run.wait(timeout=SECONDS) == "completed"

    status = await run.status()
    assert (status.name, status.meta, run.id.startswith("nightly@")) == ("nightly", {"team": "red"}, True)


async def test_the_same_schedule_again_changes_nothing(engine):
    await engine.schedule("nightly", quick.new(), cron=NEVER_SOON)
    before = await record(engine, "nightly")

    assert await engine.schedule("nightly", quick.new(), cron=NEVER_SOON) == "unchanged"
    assert await record(engine, "nightly") == before


async def test_another_workflow_keeps_the_next_slot(engine, connection, put_back):
    await engine.schedule("nightly", quick.new(1), cron="* * * * *")
    await put_back("nightly", minutes=3)
    before = await record(engine, "nightly")

    assert await engine.schedule("nightly", quick.new(2), cron="* * * * *") == "changed"
    assert (await record(engine, "nightly")).next_at == before.next_at
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select fired > 0 from schedules"))
        assert await Run((await run_ids(connection))[0], engine).result(timeout=SECONDS) == 2


async def test_another_cron_draws_the_next_slot_anew(engine):
    await engine.schedule("nightly", quick.new(), cron=NEVER_SOON)
    before = await record(engine, "nightly")

    assert await engine.schedule("nightly", quick.new(), cron="* * * * *") == "changed"
    assert (await record(engine, "nightly")).next_at < before.next_at


async def test_slots_within_catch_up_run_and_earlier_ones_are_missed(engine, connection, put_back):
    await engine.schedule("tick", quick.new(), cron="* * * * *", catch_up=timedelta(minutes=5), overlap="allow")
    await put_back("tick", minutes=20)
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select next_at > clock_timestamp() from schedules"))

    found = await record(engine, "tick")
    assert found.fired + found.missed in (21, 22)
    assert found.fired in (5, 6, 7)
    assert found.missed_at < datetime.now(UTC) - timedelta(minutes=4)


async def test_a_slot_is_skipped_while_an_earlier_run_is_not_final(engine, connection, put_back):
    await engine.schedule("tick", hang.new(), cron="* * * * *", overlap="skip")
    await put_back("tick", minutes=3)
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select next_at > clock_timestamp() from schedules"))
        await Run((await run_ids(connection))[0], engine).cancel()

    found = await record(engine, "tick")
    assert (found.fired, found.skipped in (3, 4), len(await run_ids(connection))) == (1, True, 1)


async def test_a_slot_replaces_the_run_of_an_earlier_one(engine, connection, put_back):
    await engine.schedule("tick", hang.new(), cron="* * * * *", overlap="replace")
    await put_back("tick", minutes=1)
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select next_at > clock_timestamp() from schedules"))
        ids = await run_ids(connection)
        assert await Run(ids[0], engine).wait(timeout=SECONDS) == "cancelled"
        await Run(ids[-1], engine).cancel()

    (step,) = await Run(ids[0], engine).steps()
    assert step.reason == "replaced by the next run of schedule tick"


async def test_the_newest_slot_waits_for_the_end_of_an_earlier_run(engine, connection, put_back):
    await engine.schedule("tick", hang.new(), cron="* * * * *", overlap="queue one", catch_up=timedelta(hours=1))
    await put_back("tick", minutes=3)
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select is_waiting and skipped = 2 from schedules"))
        (first,) = await run_ids(connection)
        await Run(first, engine).cancel()
        await eventually(lambda: connection.fetchval("select fired = 2 from schedules"))
        waited = (await run_ids(connection))[1]
        await Run(waited, engine).cancel()

    assert waited > first


async def test_a_paused_schedule_fires_nothing_and_misses_nothing(engine, connection, put_back):
    await engine.schedule("tick", quick.new(), cron="* * * * *")
    assert await engine.pause_schedule("tick")
    assert not await engine.pause_schedule("tick")
    await put_back("tick", minutes=30)
    await engine.schedule("other", quick.new(), every=1)
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select fired > 0 from schedules where name = 'other'"))
        assert (await record(engine, "tick")).fired == 0

        assert await engine.resume_schedule("tick")

    found = await record(engine, "tick")
    assert (found.missed, found.paused_at, found.next_at > datetime.now(UTC) - timedelta(minutes=1)) == (0, None, True)


async def test_a_slot_that_cannot_be_fired_is_shown_and_holds_up_no_other(engine, connection, put_back):
    await engine.schedule("bad", quick.new(), cron="* * * * *")
    await connection.execute("update schedules set workflow = '{\"id\": 1}'")
    await engine.schedule("good", quick.new(), cron="* * * * *")
    await put_back("bad", minutes=2)
    await put_back("good", minutes=1)
    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select fired > 0 from schedules where name = 'good'"))
        await eventually(lambda: connection.fetchval("select failures > 0 from schedules where name = 'bad'"))

    found = await record(engine, "bad")
    assert (found.fired, "this is not a workflow" in found.error) == (0, True)
    assert found.next_at < datetime.now(UTC) - timedelta(minutes=1)


async def test_many_pools_fire_each_slot_once(engine, connection, put_back):
    names = [f"s{number}" for number in range(20)]
    for name in names:
        await engine.schedule(name, quick.new(), cron="* * * * *", overlap="allow")
        await put_back(name, minutes=9)
    async with WorkerPool(engine), WorkerPool(engine), WorkerPool(engine), WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select min(next_at) > clock_timestamp() from schedules"))

    ids = await run_ids(connection)
    fired = {one.name: one.fired for one in await engine.schedules()}
    assert len(ids) == len(set(ids)) == sum(fired.values())
    assert all(count in (10, 11) for count in fired.values())
    assert all(one.missed == 0 for one in await engine.schedules())


async def test_past_slots_are_filled_in_and_those_with_a_run_left(engine, connection):
    await engine.schedule("nightly", quick.new(), cron="0 3 * * *", timezone="Europe/Berlin")
    since, until = datetime(2025, 10, 25, tzinfo=UTC), datetime(2025, 10, 28, tzinfo=UTC)

    runs = await engine.backfill("nightly", since, until)
    again = await engine.backfill("nightly", since, until)

    expected = [
        "nightly@2025-10-25T03:00+02:00",
        "nightly@2025-10-26T03:00+01:00",
        "nightly@2025-10-27T03:00+01:00",
    ]
    assert [run.id for run in runs] == [run.id for run in again] == expected == await run_ids(connection)


async def test_a_deleted_schedule_is_gone_and_its_runs_stay(engine):
    await engine.schedule("nightly", quick.new(), cron=NEVER_SOON)
    run = await engine.run_schedule("nightly")

    await engine.unschedule("nightly")

    assert await engine.schedules() == []
    assert (await run.status()).state == "executing"


async def test_who_runs_a_schedule_is_noted(engine):
    await engine.schedule("nightly", quick.new(), cron=NEVER_SOON)

    run = await engine.run_schedule("nightly", actor="ada")

    (noted,) = await run.interventions()
    assert (noted.action, noted.actor, noted.subject) == ("run schedule", "ada", "nightly")


async def test_an_unknown_schedule_is_named_with_one_like_it(engine):
    await engine.schedule("nightly", quick.new(), cron=NEVER_SOON)
    for call in (engine.unschedule, engine.pause_schedule, engine.resume_schedule, engine.run_schedule):
        with pytest.raises(ScheduleNotFound, match="'nightli'; did you mean 'nightly'"):
            await call("nightli")


async def test_schedules_declared_in_code_are_made_and_changed_on_entry(database, caplog):
    caplog.set_level("INFO", logger="baton")
    first = [Schedule("a", quick.new(), cron=NEVER_SOON), Schedule("b", quick.new(), every=3600)]
    async with Engine(database, schedules=first) as engine:
        assert [one.name for one in await engine.schedules()] == ["a", "b"]

    async with Engine(database, schedules=[Schedule("a", quick.new(2), cron=NEVER_SOON)]) as engine:
        assert [one.name for one in await engine.schedules()] == ["a", "b"]

    said = [entry.message for entry in caplog.records if "schedule" in entry.message]
    assert said == [
        "schedule 'a' was created",
        "schedule 'b' was created",
        "schedule 'a' was changed",
        "schedules that are not declared here, and stay: 'b'",
    ]


async def test_of_declared_schedules_all_are_made_or_none(database):
    declared = [Schedule("a", quick.new(), cron=NEVER_SOON), Schedule("b", quick.new(), cron="x")]
    with pytest.raises(InvalidOption):
        async with Engine(database, schedules=declared):
            pass

    async with Engine(database) as engine:
        assert await engine.schedules() == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"cron": "61 * * * *"}, "bad minute; it has five fields"),
        ({"cron": "0 0 31 2 *"}, "bad day-of-month"),
        ({"cron": 5}, "it must be text"),
        ({}, "give cron= or every="),
        ({"cron": "* * * * *", "every": 5}, "give cron= or every="),
        ({"every": 0.5}, "at least a second"),
        ({"every": 5, "timezone": "Mars/Olympus"}, "give an IANA name"),
        ({"every": 5, "overlap": "both"}, "it must be one of 'skip'"),
        ({"every": 5, "catch_up": -1}, "0 or more seconds"),
        ({"every": 5, "name": "x" * 151}, "at most 150 characters"),
    ],
)
async def test_what_cannot_be_scheduled_is_refused_in_a_sentence(engine, given, why):
    with pytest.raises(InvalidOption, match=why):
        await engine.schedule(given.pop("name", "s"), quick.new(), **given)


async def test_a_worker_in_place_of_a_job_is_refused(engine):
    with pytest.raises(TypeError, match="needs a workflow or a job, as in nightly"):
        await engine.schedule("s", quick, every=5)


async def test_a_workflow_with_holes_is_not_scheduled(engine):
    flow = Baton.new().add("a", quick.new(param("number")))

    with pytest.raises(InvalidWorkflow, match="step 'a' has the hole 'number', and no value for it"):
        await engine.schedule("nightly", flow, cron=NEVER_SOON)
    filled = Baton.from_template(flow.to_template(), number=3)

    assert await engine.schedule("nightly", filled, cron=NEVER_SOON) == "created"


async def test_a_schedule_stores_a_template(engine, connection):
    await engine.schedule("nightly", quick.new(4), cron=NEVER_SOON)

    stored = json.loads(await connection.fetchval("select workflow from schedules"))

    assert stored["steps"] == [{"name": "schedules quick", "worker": "schedules quick", "arguments": {"value": 4}}]


async def test_a_slot_whose_workflow_cannot_be_made_fails_and_stays_due(engine, connection, put_back):
    await engine.schedule("nightly", quick.new(), cron="* * * * *")
    await connection.execute("update schedules set workflow = replace(workflow, '\"steps\"', '\"stepz\"')")
    await put_back("nightly", minutes=3)

    async with WorkerPool(engine):
        await eventually(lambda: connection.fetchval("select failures > 0 from schedules"))

    found = await record(engine, "nightly")
    assert found.fired == 0
    assert "there is no field 'stepz' in version 1; did you mean 'steps'?" in found.error
