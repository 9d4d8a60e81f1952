"""Debug capture: what attempts leave for people who look into them, and what is kept out of it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from baton import Baton, Context, Engine, InvalidOption, Run, StepNotFound, WorkerPool, result_of, worker
from baton.database.grants import grant
from baton.runtime import attempt_records
from tests.runtime import imported_workers
from tests.waiting import eventually

SECONDS = 30


@pytest.fixture
async def pool(engine: Engine):
    async with WorkerPool(engine, queues={"default": 20}) as pool:
        yield pool


@pytest.fixture
def noting():
    @worker(max_attempts=1)
    async def noting(ctx: Context, note: object = "noted", fails: bool = False) -> str:
        ctx.record("note", note)
        if fails:
            raise RuntimeError
        return "done"

    return noting


async def debugged(job, debug, step: str = "step"):
    run = await Baton.new(debug=debug).add(step, job).insert()
    await run.wait(timeout=SECONDS)
    return [(record.kind, record.value) for record in await run.debug(step)]


async def test_an_attempt_leaves_arguments_results_log_and_records(pool):
    @worker
    async def total(ctx: Context, left: int, right: int) -> int:
        ctx.log.warning("adding %d and %d", left, right)
        ctx.record("thought", {"sum": left + right})
        return left + right

    @worker
    async def two() -> int:
        return 2

    run = await Baton.new(debug=True).add("two", two.new()).add("total", total.new(result_of("two"), right=3)).insert()
    await run.wait(timeout=SECONDS)

    records = await run.debug("total")
    assert [(record.kind, record.value) for record in records] == [
        ("arguments", {"left": 2, "right": 3}),
        ("results", {"two": 2}),
        ("log", {"level": "WARNING", "logger": "baton.step", "message": "adding 2 and 3"}),
        ("thought", {"sum": 5}),
    ]
    assert {record.attempt for record in records} == {1}


async def test_without_debug_nothing_is_kept(pool, noting, connection):
    assert await debugged(noting.new(), debug=False) == []
    assert not await connection.fetchval("select count(*) from debug_records")


async def test_a_worker_without_a_context_is_captured_as_well(pool, quick):
    assert await debugged(quick.new(7), debug=True) == [("arguments", {"value": 7})]


async def test_lines_of_any_logger_belong_to_the_attempt_that_logs(pool):
    @worker
    async def logs(name: str) -> None:
        await asyncio.sleep(0)
        logging.getLogger("library").warning("of %s", name)

    run = await Baton.new(debug=True).add("a", logs.new("a")).add("b", logs.new("b")).insert()
    await run.wait(timeout=SECONDS)

    for name in "ab":
        lines = [record.value["message"] for record in await run.debug(name) if record.kind == "log"]
        assert lines == [f"of {name}"]


@pytest.mark.parametrize("executor", ["thread", "process"])
async def test_workers_outside_of_the_loop_are_captured(pool, executor):
    records = await debugged(getattr(imported_workers, f"debugged_in_{executor}").new(3), debug=True)

    assert records == [
        ("arguments", {"number": 3}),
        ("log", {"level": "WARNING", "logger": "library", "message": "three"}),
        ("note", executor),
    ]


async def test_errors_keeps_what_attempts_that_fail_left(pool, noting):
    assert await debugged(noting.new(), debug="errors") == []

    kinds = [kind for kind, _ in await debugged(noting.new(fails=True), debug="errors")]
    assert kinds == ["arguments", "note"]


async def test_errors_writes_nothing_before_the_attempt_has_failed(pool, connection, monkeypatch):
    monkeypatch.setitem(attempt_records.SECONDS, "debug", 0.01)
    monkeypatch.setitem(attempt_records.SECONDS, "progress", 0.02)
    may_end = asyncio.Event()

    @worker
    async def holds(ctx: Context) -> None:
        ctx.record("note", 1)
        ctx.progress(0.5)
        await may_end.wait()

    run = await Baton.new(debug="errors").add("step", holds.new()).insert()
    await eventually(lambda: connection.fetchval("select count(*) from progress"))
    assert not await connection.fetchval("select count(*) from debug_records")
    may_end.set()
    await run.wait(timeout=SECONDS)
    assert await run.debug("step") == []


async def test_a_share_of_the_attempts_is_kept(pool, quick):
    flow = Baton.new(debug=0.5)
    for number in range(100):
        flow.add(str(number), quick.new())
    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    kept = [number for number in range(100) if await run.debug(str(number))]
    assert 15 < len(kept) < 85


@pytest.mark.parametrize("debug", ["all", "yes", -0.1, 1.5, float("nan"), None, [True]])
def test_a_mode_that_is_none_is_an_error(debug):
    with pytest.raises(InvalidOption, match="debug="):
        Baton.new(debug=debug)


async def test_a_record_that_is_not_json_is_a_sentence(pool, noting):
    @worker
    async def odd(ctx: Context) -> None:
        ctx.record("note", object())
        ctx.record("note", float("nan"))

    values = [value for kind, value in await debugged(odd.new(), debug=True) if kind == "note"]

    assert [list(value) for value in values] == [["not JSON"]] * 2
    assert all(value["not JSON"].startswith("this record has no form in JSON: ") for value in values)


@pytest.mark.parametrize("kind", ["log", "arguments", "results", "dropped", 7, "a\x00"])
async def test_a_kind_that_is_taken_or_no_text_fails_the_attempt(pool, kind):
    """With debug and without: the worker does the same either way."""

    @worker(max_attempts=1)
    async def odd(ctx: Context) -> None:
        ctx.record(kind, 1)

    assert await (await odd.new().insert()).wait(timeout=SECONDS) == "failed"


async def test_a_large_record_is_cut_and_too_many_are_dropped(pool):
    @worker
    async def much(ctx: Context) -> None:
        ctx.record("large", "x" * 100_000)
        for number in range(1000):
            ctx.record("many", number)

    records = await debugged(much.new(), debug=True)

    large = next(value for kind, value in records if kind == "large")
    assert (large["characters"], len(large["cut"])) == (100_002, 16_000)
    assert len(records) == 501
    assert records[-1][0] == "dropped"


async def test_secrets_are_left_out_by_key(pool, noting):
    note = {"password": "p", "nested": [{"API_KEY": "k", "max_tokens": 3, "access_token": "t"}]}

    values = dict(await debugged(noting.new(note=note), debug=True))

    redacted = {
        "password": "(redacted)",
        "nested": [{"API_KEY": "(redacted)", "max_tokens": 3, "access_token": "(redacted)"}],
    }
    assert values["note"] == redacted
    assert values["arguments"]["note"] == redacted


@pytest.mark.parametrize("executor", ["thread", "process"])
async def test_texts_pass_through_the_redaction_of_the_pool(engine, executor):
    async with WorkerPool(engine, redact=lambda text: text.replace("three", "***")):
        records = await debugged(getattr(imported_workers, f"debugged_in_{executor}").new(3), debug=True)

    assert ("log", {"level": "WARNING", "logger": "library", "message": "***"}) in records


async def test_a_redaction_that_fails_lets_nothing_through(engine, noting):
    def redact(text: str) -> str:
        raise ValueError(text)

    async with WorkerPool(engine, redact=redact):
        records = dict(await debugged(noting.new(note="secret"), debug=True))

    assert records["note"] == "(left out: the redaction of this text failed)"


async def test_old_records_are_pruned_and_their_runs_are_not(engine, noting, connection):
    async with WorkerPool(engine, keep_debug=3600, lease=1.5):
        await debugged(noting.new(), debug=True, step="old")
        await connection.execute("update debug_records set recorded_at = recorded_at - interval '2 hours'")
        run = await Baton.new(debug=True).add("new", noting.new()).insert()

        async def is_pruned() -> bool:
            return await connection.fetchval("select count(*) from debug_records") == 2

        await run.wait(timeout=SECONDS)
        await eventually(is_pruned, deadline=SECONDS)

    assert [record.kind for record in await run.debug("new")] == ["arguments", "note"]
    assert await connection.fetchval("select count(*) from workflows") == 2


async def test_a_role_needs_a_grant_of_its_own(database, connection, pool, noting):
    await connection.execute("create role baton_looks login; create role baton_views login")
    try:
        await grant(
            connection, "baton", {"debug": ["baton_looks"], "viewer": ["baton_views"], "worker": ["baton_views"]}
        )
        run = await Baton.new(debug=True).add("step", noting.new()).insert()
        await run.wait(timeout=SECONDS)

        async with Engine(database.replace("postgres@", "baton_looks@", 1)) as engine:
            assert len(await Run(run.id, engine).debug("step")) == 2
        async with Engine(database.replace("postgres@", "baton_views@", 1)) as engine:
            with pytest.raises(PermissionError, match="--grant debug=ROLE"):
                await Run(run.id, engine).debug("step")
    finally:
        await connection.execute("drop owned by baton_looks, baton_views; drop role baton_looks, baton_views")


async def test_an_unknown_step_is_an_error(pool, quick):
    run = await Baton.new().add("step", quick.new()).insert()

    with pytest.raises(StepNotFound):
        await run.debug("stop")


async def test_debug_goes_the_way_of_clients_and_of_json(pool, quick, connection):
    for number, debug in enumerate([True, "errors", 0.25, False]):
        text = Baton.new(workflow_id=str(number), debug=debug).add("step", quick.new()).to_json()
        await connection.execute("select insert_workflow_json($1)", text)

    stored = await connection.fetch("select debug from workflows order by id")
    assert [row["debug"] for row in stored] == ["all", "errors", "0.25", None]
