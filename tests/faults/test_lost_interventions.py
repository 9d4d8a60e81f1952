"""An intervention whose answer is lost is sent again: it takes effect once, is noted once, and answers the same."""

from __future__ import annotations

import pytest

from baton import Baton, Engine, Run, worker
from tests.database.raw_pool import assert_consistent

CALLS = {
    "complete": ".complete(",
    "skip": ".skip(",
    "start_now": ".start_now(",
    "retry": ".retry(",
    "cancel": ".cancel(",
}


@pytest.fixture
def job():
    @worker(name="lost interventions")
    async def job(value: int = 0) -> int:
        return value

    return job


@pytest.mark.parametrize("moment", ["request", "answer"])
@pytest.mark.parametrize("action", CALLS)
async def test_it_takes_effect_once(engine, proxy, connection, job, action, moment):
    flow = Baton.new(workflow_id="w").add("a", job.new().with_options(schedule_in=1000))
    await flow.add("b", job.new(), deps=["a"]).insert(engine)
    if action == "retry":
        await Run("w", engine).cancel("a")
    async with Engine(proxy.dsn) as away:
        trap = proxy.trap(CALLS[action], moment)

        changed = await getattr(Run("w", away), action)("a")

        await trap.sprung()
    assert changed == (2 if action == "retry" else 1)
    noted = [one.action for one in await Run("w", engine).interventions()]
    assert noted == (["cancel", "retry"] if action == "retry" else [action])
    await assert_consistent(connection)


@pytest.mark.parametrize("moment", ["request", "answer"])
async def test_a_dry_run_changes_nothing(engine, proxy, connection, job, moment):
    run = await Baton.new(workflow_id="w").add("a", job.new()).insert(engine)
    async with Engine(proxy.dsn) as away:
        trap = proxy.trap(".dry_run(", moment)

        tried = await Run("w", away).complete("a", dry_run=True)

        await trap.sprung()
    assert (tried.before, tried.after) == ("executing", "completed")
    assert (await run.status()).state == "executing"
    assert await run.interventions() == []


@pytest.mark.parametrize("moment", ["request", "answer"])
async def test_results_are_reused_once(engine, proxy, connection, job, moment):
    first = await Baton.new(workflow_id="old").add("a", job.new()).insert(engine)
    await first.complete("a", 5)
    flow = Baton.new(workflow_id="new").add("a", job.new()).add("b", job.new(), deps=["a"])
    async with Engine(proxy.dsn) as away:
        trap = proxy.trap(".insert_workflow(", moment)

        run = await flow.insert(away, reusing=first)

        await trap.sprung()
    assert [step.state for step in await Run(run.id, engine).steps()] == ["completed", "available"]
    assert len(await Run(run.id, engine).interventions()) == 1
    await assert_consistent(connection)
