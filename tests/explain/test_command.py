"""`baton explain`, and what `baton doctor` says of what does not go on."""

from __future__ import annotations

import json

from baton import Baton, Engine, Run
from tests.cli.command import assert_refused, assert_succeeded, baton
from tests.programs.shared_workers import noted

START = "start one with `baton worker MODULE --queues default=N`"


async def test_a_step_is_explained_line_by_line(database, engine, tmp_path):
    flow = Baton.new(workflow_id="w").add("a", noted.new()).add("b", noted.new(), deps=["a"])
    await flow.add("c", noted.new(), deps=["b"]).insert()

    said = assert_succeeded(baton("explain", "w", "c", cwd=tmp_path, database=database))

    assert said.splitlines() == [
        "step 'c' waits for 'b', that for 'a'",
        f"step 'a' is available, and no living worker pool serves queue 'default': {START}",
    ]


async def test_a_run_is_explained_as_json(database, engine, tmp_path):
    await Baton.new(workflow_id="w").add("a", noted.new()).insert()

    found = json.loads(assert_succeeded(baton("explain", "w", "--json", cwd=tmp_path, database=database)))

    assert found["cause"] == {"kind": "run_executes", "unfinished": 1}
    assert [(one["step"], one["cause"]["kind"]) for one in found["roots"]] == [("a", "not_served")]
    assert found["text"].startswith("workflow 'w' is executing, and 1 step of it is not final; step 'a' is available")


async def test_a_name_that_is_no_step_is_refused(database, engine, tmp_path):
    await Baton.new(workflow_id="w").add("charge", noted.new()).insert()

    assert "'charge'" in assert_refused(baton("explain", "w", "chrage", cwd=tmp_path, database=database))
    assert "'v'" in assert_refused(baton("explain", "v", cwd=tmp_path, database=database))


async def test_another_name_of_the_schema(database, tmp_path):
    async with Engine(database, schema='my "jobs"') as engine:
        run = await Baton.new(workflow_id="w").add("a", noted.new()).insert(engine)

        assert (await run.explain("a")).root.step == "a"
        assert (await run.explain()).root.step == "a"


async def test_the_doctor_names_runs_that_wait_for_one_another(database, engine, tmp_path):
    await Baton.new(workflow_id="a").add("x", Run("b", may_come_within=60)).insert()
    await Baton.new(workflow_id="b").add("y", Run("a")).insert()

    findings = json.loads(baton("doctor", "--json", cwd=tmp_path, database=database).stdout)["findings"]

    (found,) = [one for one in findings if one["check"] == "runs"]
    assert found["level"] == "problem"
    assert found["fact"] == ("workflows wait for one another, and none of them ends: 'a' waits for 'b' waits for 'a'")
    assert found["remedy"] == "cancel one of them: baton cancel a"


async def test_the_doctor_says_why_a_step_has_not_started(database, engine, connection, tmp_path):
    await Baton.new(workflow_id="w").add("a", noted.new()).insert()
    await connection.execute("update baton.queue set scheduled_at = scheduled_at - interval '1 hour'")

    findings = json.loads(baton("doctor", "--json", cwd=tmp_path, database=database).stdout)["findings"]

    (found,) = [one for one in findings if one["check"] == "runs"]
    assert found["fact"] == (
        "step 'a' of workflow 'w' has not started for 60 min: it is available, and no living worker pool serves queue "
        f"'default': {START}"
    )
