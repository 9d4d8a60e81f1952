"""`baton retry`, `complete`, `skip` and `start-now`: what they print, and what is noted."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from baton import Baton, WorkerPool, result_of, worker
from tests.cli.command import assert_refused, assert_succeeded, baton

SECONDS = 30


@pytest.fixture
async def failed(engine):
    """A run `r` in which `b` failed, so that `d` was cancelled."""

    @worker(name="decided act", max_attempts=1)
    async def act(value: int) -> int:
        return value or 1 // value

    flow = Baton.new(workflow_id="r").add("a", act.new(1)).add("b", act.new(0), deps=["a"])
    flow.add("c", act.new(3), deps=["a"]).add("d", act.new(result_of("b")), deps=["c"])
    async with WorkerPool(engine):
        run = await flow.insert()
        assert await run.wait(timeout=SECONDS) == "failed"
    return run


@pytest.fixture
def command(database, tmp_path):
    return lambda *arguments: baton(*arguments, cwd=tmp_path, database=database)


async def test_a_dry_run_prints_what_would_change(failed, command):
    assert assert_succeeded(command("retry", "r", "a", "--downstream", "--dry-run")) == (
        "workflow 'r' goes from failed to executing:\n"
        "  available  'a' (now completed)\n"
        "  suspended  'b', 'c', 'd' (now 1 discarded, 1 completed, 1 cancelled)\n"
    )
    found = json.loads(assert_succeeded(command("skip", "r", "b", "--dry-run", "--json")))
    assert found["steps"] == [
        {"name": "b", "before": "discarded", "after": "skipped"},
        {"name": "d", "before": "cancelled", "after": "skipped"},
    ]
    assert (await failed.status()).state == "failed"


async def test_complete_skip_and_start_now_say_what_they_did(engine, failed, command):
    said = assert_succeeded(command("complete", "r", "b", "5", "--actor", "ada", "--reason", "by phone"))
    assert said == "completed step 'b', and opened 1 other step; workflow 'r' is now executing\n"
    assert assert_succeeded(command("skip", "r", "d")) == "skipped step 'd'; workflow 'r' is now completed\n"
    assert await failed.result("b") == 5


async def test_start_now_counts_the_steps(engine, quick, command):
    flow = Baton.new(workflow_id="r")
    for name in "xy":
        flow.add(name, quick.new().with_options(schedule_in=timedelta(days=1)))
    await flow.insert()
    assert assert_succeeded(command("start-now", "r", "x", "y")) == "2 steps start now in workflow 'r'\n"
    assert "it is available already" in assert_refused(command("start-now", "r", "x"))


async def test_show_lists_the_interventions(failed, command):
    assert_succeeded(command("complete", "r", "b", "5", "--actor", "ada", "--reason", "by phone"))
    assert_succeeded(command("cancel", "r", "--actor", "bob"))

    lines = assert_succeeded(command("show", "r")).splitlines()

    place = lines.index("interventions:")
    assert [line[22:] for line in lines[place + 1 : -2]] == [
        "ada (postgres): complete 'b', 2 steps changed: by phone",
        "bob (postgres): cancel, 1 step changed",
    ]
    noted = json.loads(assert_succeeded(command("show", "r", "--json")))["interventions"]
    assert [one["action"] for one in noted] == ["complete", "cancel"]


async def test_the_login_name_is_the_actor_unless_one_is_given(failed, command, monkeypatch):
    monkeypatch.setenv("LOGNAME", "grace")
    assert_succeeded(command("skip", "r", "b"))
    assert [one.actor for one in await failed.interventions()] == ["grace"]


async def test_what_is_not_possible_is_said_in_a_sentence(failed, command):
    assert "step 'a' of workflow 'r' cannot be completed: it is completed already" in assert_refused(
        command("complete", "r", "a", "1")
    )
    assert "is not JSON" in command("complete", "r", "b", "{").stderr
