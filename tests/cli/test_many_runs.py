"""`baton list`, `cancel` and `retry` of workflows that are chosen by tag, key and name."""

from __future__ import annotations

import pytest

from baton import Baton, WorkerPool
from tests.cli.command import assert_succeeded, baton
from tests.programs.shared_workers import failing, noted

RED = {"team": "red"}


@pytest.fixture
async def workflows(engine):
    for number in range(3):
        await Baton.new(workflow_id=f"red{number}", tags=RED, key=f"k{number}").add("a", noted.new()).insert()
    await Baton.new(workflow_id="plain", workflow_name="nightly").add("a", noted.new()).insert()


async def states(engine):
    return {run.id: run.state for run in (await engine.runs()).runs}


async def test_workflows_are_listed_by_tag_and_key(workflows, database, tmp_path):
    by_tag = assert_succeeded(baton("list", "--tag", "team=red", cwd=tmp_path, database=database))
    by_key = assert_succeeded(baton("list", "--key", "k1", cwd=tmp_path, database=database))

    assert [line.split()[0] for line in by_tag.splitlines()] == ["id", "red2", "red1", "red0"]
    assert [line.split()[0] for line in by_key.splitlines()] == ["id", "red1"]


async def test_workflows_are_cancelled_by_tag(workflows, engine, database, tmp_path):
    tried = assert_succeeded(baton("cancel", "--tag", "team=red", "--dry-run", cwd=tmp_path, database=database))
    unanswered = baton("cancel", "--tag", "team=red", cwd=tmp_path, database=database)
    said = assert_succeeded(baton("cancel", "--tag", "team=red", "--yes", cwd=tmp_path, database=database))

    assert tried == "would cancel 3 workflows\n"
    assert unanswered.returncode == 1
    assert "cancel 3 workflows? Nobody can answer here: repeat the command with --yes" in unanswered.stderr
    assert said == "cancelled 3 steps of 3 workflows\n"
    assert (await states(engine))["plain"] == "executing"


async def test_workflows_are_retried_by_name(engine, database, tmp_path):
    async with WorkerPool(engine):
        for name in ("one", "two"):
            run = await Baton.new(workflow_id=name, workflow_name="nightly").add("a", failing.new()).insert()
            await run.wait(timeout=30)

    said = assert_succeeded(baton("retry", "--name", "nightly", "--yes", cwd=tmp_path, database=database))

    assert said == "opened 2 steps of 2 workflows\n"
    assert await states(engine) == {"one": "executing", "two": "executing"}


@pytest.mark.parametrize("options", [(), ("one", "--tag", "team=red")])
async def test_an_id_or_a_choice_is_needed(options, database, engine, tmp_path):
    said = baton("cancel", *options, cwd=tmp_path, database=database)

    assert said.returncode == 1
    assert "give a workflow's id, or choose workflows by --tag" in said.stderr


async def test_a_run_and_a_worker_are_paused_and_resumed(workflows, database, tmp_path):
    for subject, said in ((("--run", "red0"), "run 'red0'"), (("--worker", "noted"), "worker 'noted'")):
        assert assert_succeeded(baton("pause", *subject, cwd=tmp_path, database=database)) == f"paused {said}\n"
        assert f"{said} is paused since 2" in assert_succeeded(baton("queues", cwd=tmp_path, database=database))
        assert assert_succeeded(baton("resume", *subject, cwd=tmp_path, database=database)) == f"resumed {said}\n"
