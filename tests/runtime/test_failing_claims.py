"""A claim that fails: the step that causes it is found, and takes neither its queue nor anybody's outcome with it."""

from __future__ import annotations

import asyncio

import pytest

from baton import Baton, Context, Engine, Limits, WorkerPool, each, result_of, worker
from baton.database.store import Store
from tests.waiting import eventually

RETURN_ITSELF = "update steps set returns = (id & 4194303)::integer where name = 'g'"
REFUSE_CLAIM = """
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not this one'; end $$;
    create trigger refuse before update on queue for each row
        when (new.state = 'executing' and new.priority = 9) execute function refuse()
"""


@pytest.fixture
def part():
    @worker
    async def part(value: object = None) -> str:
        return "x" * 30_000

    return part


@pytest.fixture
def reader_of_a_group(engine, connection, part):
    """Insert a run whose step "reader" cannot be claimed with others: the group it reads returns itself.

    It becomes available when a step that waits in the queue "gate" is completed.
    """

    async def insert():
        group = Baton.new().add("x", part.new()).add("y", part.new()).returns("y")
        reader = part.new(value=result_of("g"))
        gate = part.new().with_options(queue="gate")
        run = await Baton.new().add("g", group).add("gate", gate).add("reader", reader, deps=["gate"]).insert()
        async with WorkerPool(engine):
            await run.result("g", timeout=20)
        await connection.execute(RETURN_ITSELF)
        return run

    return insert


@pytest.fixture
def record(connection):
    """Return a step as the view shows it: the client would put results together."""

    async def record(run, name):
        query = "select state, attempt, reason, errors from steps_view where workflow_id = $1 and name = $2"
        return await connection.fetchrow(query, run.id, name)

    return record


async def test_a_step_that_reads_too_much_is_discarded_and_others_run(database, part, record):
    async with Engine(database, limits=Limits(input_bytes=50_000)) as engine, WorkerPool(engine):
        flow = Baton.new().add("a", part.new()).add("b", part.new())
        run = await flow.add("both", part.new(value=[result_of("a"), result_of("b")])).insert()
        other = await part.new().insert()

        assert [await one.wait(timeout=20) for one in (run, other)] == ["failed", "completed"]

    both = await record(run, "both")
    assert (both["state"], both["attempt"]) == ("discarded", 1)
    assert both["reason"] == (
        "the results that it reads have 60,004 bytes as JSON, and the limit is 50,000; "
        "store the data elsewhere and return where it is"
    )


async def test_of_many_results_that_are_too_much_together_none_is_delivered(database, part, record):
    """140 results, each far below every limit. As a row of an answer they would be larger than one may be."""
    limits = Limits(input_bytes=140 * 30_000)
    async with Engine(database, limits=limits) as engine, WorkerPool(engine, queues={"default": 50}):
        flow = Baton.new()
        for number in range(140):
            flow.add(str(number), part.new())
        run = await flow.add("all", part.new(value=[result_of(str(number)) for number in range(140)])).insert()
        others = [await part.new().insert() for _ in range(3)]

        assert await run.wait(timeout=30) == "failed"
        assert [await one.wait(timeout=20) for one in others] == ["completed"] * 3

    assert (await record(run, "all"))["reason"].startswith("the results that it reads have 4,200,")


async def test_a_map_that_reads_too_much_is_discarded(database, part, record):
    @worker
    async def listed() -> list[str]:
        return ["x" * 30_000]

    async with Engine(database, limits=Limits(input_bytes=20_000)) as engine, WorkerPool(engine):
        run = await Baton.new().add("a", listed.new()).add("m", part.new(value=each(result_of("a")))).insert()

        assert await run.wait(timeout=20) == "failed"

    assert (await record(run, "m"))["state"] == "discarded"


async def test_the_reason_passes_through_the_redaction(database, part, record):
    limits = Limits(input_bytes=20_000)
    async with Engine(database, limits=limits) as engine, WorkerPool(engine, redact=lambda text: "redacted"):
        run = await Baton.new().add("a", part.new()).add("b", part.new(value=result_of("a"))).insert()
        await run.wait(timeout=20)

    assert (await record(run, "b"))["reason"] == "redacted"


async def test_a_step_whose_results_cannot_be_put_together_is_discarded(engine, part, reader_of_a_group, record):
    run = await reader_of_a_group()
    async with WorkerPool(engine, queues={"default": 20, "gate": 1}):
        others = [await part.new().insert() for _ in range(3)]

        assert [await one.wait(timeout=20) for one in (run, *others)] == ["failed", *["completed"] * 3]

    reason = (await record(run, "reader"))["reason"]
    assert reason == "the results that it reads cannot be put together: stack depth limit exceeded (54001)"


async def test_an_outcome_is_not_blamed_for_the_claim_in_the_same_call(engine, connection, reader_of_a_group, record):
    """The outcome of "gate" releases the step that makes the claim fail, and both are in one call."""
    run = await reader_of_a_group()
    async with WorkerPool(engine, queues={"default": 20, "gate": 1}):
        assert await run.wait(timeout=20) == "failed"

    gate = await record(run, "gate")
    assert (gate["state"], gate["attempt"], gate["errors"]) == ("completed", 1, None)


async def test_an_outcome_that_cannot_be_stored_alone_is_still_a_failed_attempt(engine, connection, part):
    await connection.execute("alter table steps add constraint no_result check (result is null) not valid")
    run = await part.new().with_options(max_attempts=1).insert()
    async with WorkerPool(engine):
        assert await run.wait(timeout=20) == "failed"

    (step,) = await run.steps()
    assert step.errors[0]["error"] == "the outcome of this attempt could not be stored: CheckViolationError"


async def test_a_step_that_cannot_be_claimed_holds_up_no_other(engine, connection, part):
    await connection.execute(REFUSE_CLAIM)
    bad = await part.new().with_options(priority=9).insert()
    others = [await part.new().with_options(priority=10).insert() for _ in range(3)]
    async with WorkerPool(engine, queues={"default": 2}) as pool:
        assert [await one.wait(timeout=20) for one in others] == ["completed"] * 3
        seen = pool.health()

        await connection.execute("drop trigger refuse on queue")
        assert await bad.wait(timeout=20) == "completed"

    assert seen.failures == (f"claim passes over step 'part' of workflow '{bad.id}': not this one (P0001)",)
    assert seen.is_ready


async def test_a_claim_is_halved_until_it_is_answered(engine, connection, part, monkeypatch):
    """As when each claim takes longer than the server allows."""
    advance, separately, asked = Store.advance, Store.claim_separately, []

    async def canceled_above_two(call, self, *args):
        asked.append(args[-1].limits.get("default", 0))
        if asked[-1] > 2:
            await connection.execute("set statement_timeout = '1ms'; select pg_sleep(1)")
        return await call(self, *args)

    monkeypatch.setattr(Store, "advance", lambda *args: canceled_above_two(advance, *args))
    monkeypatch.setattr(Store, "claim_separately", lambda *args: canceled_above_two(separately, *args))
    runs = [await part.new().insert() for _ in range(20)]
    async with WorkerPool(engine, queues={"default": 8}):
        assert [await run.wait(timeout=30) for run in runs] == ["completed"] * 20

    assert asked[:4] == [8, 8, 4, 2]


async def test_attempts_that_run_are_not_disturbed_by_a_claim_that_fails(engine, connection, reader_of_a_group):
    began, may_end = asyncio.Event(), asyncio.Event()

    @worker
    async def slow(ctx: Context) -> int:
        began.set()
        await may_end.wait()
        return ctx.attempt

    await reader_of_a_group()
    async with WorkerPool(engine, queues={"default": 20, "gate": 1}):
        running = await slow.new().insert()
        await began.wait()
        await eventually(lambda: connection.fetchval("select state = 'discarded' from steps where name = 'reader'"))
        may_end.set()

        assert await running.result(timeout=20) == 1
