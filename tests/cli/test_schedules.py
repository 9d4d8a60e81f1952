"""`baton schedules`: what it lists, and what it does to one."""

from __future__ import annotations

import json

import pytest

from baton import worker
from tests.cli.command import assert_refused, assert_succeeded, baton

MISSED_AND_FAILED = """
    update schedules
       set missed = 2, missed_at = '2026-01-01 03:00+00', failures = 1, error = 'no'
     where name = 'nightly'
"""


@worker(name="cli schedules")
async def quick() -> int:
    return 1


@pytest.fixture
def schedules(database, tmp_path):
    """Runs the command against the test's database."""
    return lambda *arguments: baton("schedules", *arguments, cwd=tmp_path, database=database)


async def test_schedules_are_listed_with_what_is_wrong(engine, connection, schedules):
    await engine.schedule("nightly", quick.new(), cron="0 3 * * *", timezone="Europe/Berlin")
    await engine.schedule("poll", quick.new(), every=90)
    await engine.pause_schedule("poll")
    await connection.execute(MISSED_AND_FAILED)

    lines = assert_succeeded(schedules()).splitlines()

    assert lines[0].split()[:3] == ["schedule", "when", "next"]
    assert "0 3 * * * Europe/Berlin" in lines[1]
    assert lines[1].endswith("failed once: no; 2 missed, the last at 2026-01-01 03:00 UTC")
    assert "every 90 s" in lines[2]
    assert "paused since" in lines[2]


async def test_no_schedule_is_a_sentence(engine, schedules):
    assert assert_succeeded(schedules()).startswith("there is no schedule; engine.schedule(")


async def test_schedules_are_listed_as_json(engine, schedules):
    await engine.schedule("nightly", quick.new(), cron="0 3 * * *")

    (found,) = json.loads(assert_succeeded(schedules("--json")))

    assert (found["name"], found["cron"], found["fired"]) == ("nightly", "0 3 * * *", 0)


async def test_a_schedule_is_paused_resumed_run_and_deleted(engine, schedules):
    await engine.schedule("nightly", quick.new(), cron="0 3 * * *")

    said = [assert_succeeded(schedules(action, "nightly")).strip() for action in ("pause", "pause", "resume", "resume")]
    ran = assert_succeeded(schedules("run", "nightly")).strip()
    deleted = assert_succeeded(schedules("delete", "nightly")).strip()

    assert said == ["nightly is paused", "nightly was paused already", "nightly goes on", "nightly was not paused"]
    assert ran.startswith("nightly: inserted nightly@")
    assert (deleted, await engine.schedules()) == ("nightly is deleted", [])


async def test_an_unknown_schedule_and_a_missing_name_are_refused(engine, schedules):
    await engine.schedule("nightly", quick.new(), cron="0 3 * * *")

    assert "did you mean 'nightly'?" in assert_refused(schedules("pause", "nightli"))
    assert assert_refused(schedules("pause")) == "which schedule? baton schedules pause NAME"
