"""Lists of runs by tag, key, worker and failed step, and what is done to all that match."""

from __future__ import annotations

import pytest

from baton import Baton, InvalidOption, WorkerPool, insert_many, worker
from baton.database import run_list

RED, BLUE = {"team": "red"}, {"team": "blue"}


@pytest.fixture
def flow(quick):
    def flow(name, **options):
        return Baton.new(workflow_id=name, **options).add("a", quick.new())

    return flow


async def ids(engine, **wanted):
    return [run.id for run in (await engine.runs(**wanted)).runs]


async def test_runs_are_found_by_tag(engine, flow):
    await flow("r1", tags=RED).insert()
    await insert_many([flow("r2", tags=RED | {"env": "prod"}), flow("b", tags=BLUE), flow("none")])

    assert await ids(engine, tag=RED) == ["r2", "r1"]
    assert await ids(engine, tag=RED | {"env": "prod"}) == ["r2"]
    assert await ids(engine, tag={"env": "test"}) == []
    assert (await engine.runs(tag=BLUE)).runs[0].tags == BLUE


async def test_a_job_and_a_json_document_have_tags(engine, quick, connection):
    await quick.new().insert(workflow_id="job", tags=RED)
    await connection.execute("select insert_workflow_json($1)", quick.new().to_json(workflow_id="text", tags=RED))

    assert await ids(engine, tag=RED) == ["text", "job"]


async def test_runs_are_found_by_the_key_they_had(engine, flow):
    first = await flow("first", key="k").insert()
    await first.cancel()
    await flow("second", key="k").insert()
    await flow("other", key="other").insert()

    assert await ids(engine, key="k") == ["second", "first"]
    assert (await engine.runs(key="k", state="cancelled")).runs[0].key == "k"


async def test_runs_are_found_by_worker_and_failed_step(engine, quick):
    @worker(max_attempts=1)
    async def broken() -> None:
        raise ValueError("no")

    async with WorkerPool(engine):
        for name, job in (("good", quick.new()), ("bad", broken.new())):
            await (await Baton.new(workflow_id=name).add("a", job).insert()).wait(timeout=10)

    assert await ids(engine, worker="quick") == ["good"]
    assert await ids(engine, failed_step="a") == ["bad"]
    assert await ids(engine, failed_step="b") == []


async def test_a_page_of_tagged_runs_says_where_to_go_on(engine, flow, monkeypatch):
    """Only runs with the tag are looked at, however many others lie between them."""
    monkeypatch.setattr(run_list, "WINDOW", 3)
    monkeypatch.setattr(run_list, "WINDOWS", 2)
    await insert_many([flow(f"{number:02}", tags=BLUE if number % 5 else RED) for number in range(50)])

    found, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = await engine.runs(tag=RED, limit=4, after=after)
        found += [run.id for run in page.runs]
        after, pages = page.after, pages + 1

    assert found == [f"{number:02}" for number in range(45, -1, -5)]
    assert pages == 3


async def test_runs_are_cancelled_by_tag(engine, flow):
    await insert_many([flow("r1", tags=RED), flow("r2", tags=RED), flow("b", tags=BLUE)])

    tried = await engine.cancel_many(tag=RED, dry_run=True)
    assert (set(tried.runs), tried.steps) == ({"r1", "r2"}, 0)
    done = await engine.cancel_many(tag=RED, reason="enough", actor="me")

    assert (set(done.runs), done.steps, done.refused) == ({"r1", "r2"}, 2, {})
    assert await ids(engine, state="executing") == ["b"]
    assert [one.actor for one in await engine.interventions()] == ["me", "me"]
    assert (await engine.cancel_many(tag=RED)).runs == []


async def test_runs_are_retried_by_name_and_a_taken_key_is_refused(engine, quick):
    attempts = []

    @worker(max_attempts=1)
    async def broken(name: str) -> None:
        attempts.append(name)
        if len(attempts) <= 3:
            raise ValueError("no")

    def flow(name, **options):
        return Baton.new(workflow_id=name, workflow_name="nightly", **options).add("a", broken.new(name))

    async with WorkerPool(engine):
        for name, key in (("one", None), ("two", "k"), ("three", None)):
            await (await flow(name, key=key).insert()).wait(timeout=10)
        await quick.new().with_options(schedule_in=60).insert(key="k", workflow_id="holder")
        done = await engine.retry_many(name="nightly")

        assert (list(done.runs), done.steps, list(done.refused)) == (["three", "one"], 2, ["two"])
        assert "workflow 'holder' holds the key 'k'" in done.refused["two"]


@pytest.mark.parametrize(
    ("action", "options", "why"),
    [
        ("cancel_many", {}, "say which workflows"),
        ("retry_many", {}, "say which workflows"),
        ("retry_many", {"state": "executing", "name": "a"}, 'that are "failed" or "cancelled"'),
        ("runs", {"tag": "team=red"}, "it must be a mapping"),
        ("runs", {"tag": {"team": 7}}, "must be a string"),
    ],
)
async def test_what_does_not_say_which_runs_is_refused(engine, action, options, why):
    with pytest.raises(InvalidOption, match=why):
        await getattr(engine, action)(**options)


async def test_pruned_runs_leave_no_tags(engine, flow, connection):
    from datetime import timedelta

    run = await flow("w", tags=RED).insert()
    await run.cancel()
    await engine.store.prune(timedelta(0), limit=10)

    assert await connection.fetchval("select count(*) from run_tags") == 0
