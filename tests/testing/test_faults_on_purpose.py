"""Stubs, crashes and second runs: the faults that a test asks for, and what it looks at afterwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from unittest.mock import AsyncMock

import pytest

from baton import Baton, Context, Snooze, provided, result_of, worker
from baton.core import registry
from baton.core.provided import Provided
from baton.database.migrate import migrate
from baton.testing import Harness, NeverReached, NotATestDatabase, NotIdempotent, WorkerNotRegistered, context_for
from tests.programs import pool_workers

DAY = timedelta(days=1)


class Bank:
    """Something that only production provides."""


@pytest.fixture
def paid():
    return []


@pytest.fixture
def charge(paid):
    """A worker that pays each time it runs."""

    @worker(max_attempts=3)
    async def charge(order: int, amount: int = 5) -> str:
        paid.append(order)
        return f"receipt {order}"

    return charge


async def test_a_stub_takes_the_place_of_a_worker(harness, charge, paid):
    harness.stub(charge, lambda order, amount: f"{order} for {amount}")
    run = await charge.new(order=1).insert()

    await harness.drain()

    assert await run.result(timeout=5) == "1 for 5"
    assert paid == []


@pytest.mark.parametrize(
    "function", [lambda: "fake", lambda order: "fake", lambda **_: "fake", AsyncMock(return_value="fake")]
)
async def test_a_stub_takes_as_many_arguments_as_it_likes(harness, charge, function):
    harness.stub("charge", function)
    run = await charge.new(order=1).insert()

    await harness.drain()

    assert await run.result(timeout=5) == "fake"


async def test_a_stub_may_raise_or_control_the_step(harness, charge):
    answers = [RuntimeError("down"), Snooze(60), "fine"]

    def fake():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    harness.stub(charge, fake)
    run = await charge.new(order=1).insert()

    drained = await harness.drain(advance=DAY)

    assert [one.kind for one in drained.attempts] == ["failed", "snoozed", "completed"]
    assert await run.result(timeout=5) == "fine"


async def test_a_stub_is_not_given_what_the_pool_provides(harness):
    @worker
    async def transfer(amount: int, bank: Provided[Bank] = provided) -> int:
        raise AssertionError

    harness.stub(transfer, lambda amount: amount)
    run = await transfer.new(amount=3).insert()

    await harness.drain()

    assert await run.result(timeout=5) == 3


async def test_a_stub_of_a_process_worker_runs_in_this_one(harness):
    """What it does is seen by the test."""
    seen = []
    harness.stub(pool_workers.process_id, lambda: seen.append("here") or 1)
    run = await pool_workers.process_id.new().insert()

    await harness.drain()

    assert (await run.result(timeout=5), seen) == (1, ["here"])


async def test_a_stub_with_a_misspelt_argument_is_refused(harness, charge):
    with pytest.raises(TypeError, match="takes 'ordr', which the worker is not given; did you mean 'order'"):
        harness.stub(charge, lambda ordr: None)


async def test_a_stub_for_a_worker_nobody_registered_is_refused(harness, charge):
    with pytest.raises(WorkerNotRegistered, match="no worker named 'chrage' is registered here; did you mean 'charge'"):
        harness.stub("chrage", lambda: None)


async def test_workers_are_as_before_when_the_harness_is_left(engine, charge):
    async with Harness(engine) as harness:
        harness.stub(charge, lambda: "fake")

    assert registry.get("charge") is charge


async def test_a_crash_before_the_worker_spends_an_attempt(harness, charge, paid):
    harness.crash_before("charge")
    run = await charge.new(order=1).insert()

    await harness.drain()
    (step,) = await run.steps()
    assert (step.state, step.attempt, paid) == ("retryable", 1, [])

    await harness.drain(advance=DAY)
    assert await run.wait(timeout=5) == "completed"
    assert paid == [1]


async def test_a_crash_after_the_worker_leaves_its_effect(harness, charge, paid):
    harness.crash_after("charge")
    run = await charge.new(order=1).insert()

    await harness.drain(advance=DAY)

    assert await run.result(timeout=5) == "receipt 1"
    assert paid == [1, 1]


async def test_a_step_that_always_crashes_is_discarded(harness, charge):
    harness.crash_before("charge", times=3)
    run = await charge.new(order=1).insert()

    await harness.drain(advance=DAY)

    (step,) = await run.steps()
    assert (step.state, [error["kind"] for error in step.errors]) == ("discarded", ["lost"] * 3)


async def test_a_crash_takes_what_runs_beside_it_along(harness, charge):
    began = asyncio.Event()
    calls = []

    @worker
    async def beside() -> None:
        calls.append(1)
        if len(calls) == 1:
            began.set()
            await asyncio.Event().wait()

    harness.stub(charge, began.wait)
    harness.crash_after("charge")
    run = await Baton.new().add("beside", beside.new()).add("charge", charge.new(order=1)).insert()

    await harness.drain(concurrency=2, advance=DAY)

    errors = {step.name: [error["kind"] for error in step.errors] for step in await run.steps()}
    assert errors == {"beside": ["lost"], "charge": ["lost"]}
    assert await run.wait(timeout=5) == "completed"


async def test_a_crash_rolls_a_transactional_worker_back(harness, connection):
    await connection.execute("create table public.notes (attempt integer)")

    @worker(transactional=True)
    async def note(ctx: Context) -> int:
        await ctx.connection.execute("insert into public.notes values ($1)", ctx.attempt)
        return 1

    harness.crash_after("note")
    run = await note.new().insert()

    await harness.drain(advance=DAY)

    assert await run.wait(timeout=5) == "completed"
    assert [row["attempt"] for row in await connection.fetch("select attempt from public.notes")] == [2]


async def test_a_step_that_runs_twice_needs_no_time(harness, charge, paid):
    harness.runs_twice("charge")
    run = await charge.new(order=1).insert()

    drained = await harness.drain()

    assert [one.attempt for one in drained.attempts] == [1, 2]
    assert (await run.result(timeout=5), paid) == ("receipt 1", [1, 1])


async def test_a_second_run_with_another_result_is_named(harness, charge, paid):
    harness.stub(charge, lambda: paid.append(1) or f"receipt {len(paid)}")
    harness.runs_twice("charge")
    await charge.new(order=1).insert()

    with pytest.raises(NotIdempotent, match='returned "receipt 1" the first time and returned "receipt 2" the second'):
        await harness.drain()


async def test_results_that_may_differ_are_not_compared(harness, charge, paid):
    harness.stub(charge, lambda: paid.append(1) or f"receipt {len(paid)}")
    harness.runs_twice("charge", same_result=False)
    run = await charge.new(order=1).insert()

    await harness.drain()

    assert await run.result(timeout=5) == "receipt 2"


async def test_a_crash_that_never_happened_is_named(engine, charge):
    async def misspelt() -> None:
        async with Harness(engine) as harness:
            harness.crash_after("chrage")
            await charge.new(order=1).insert()
            await harness.drain()

    with pytest.raises(NeverReached, match=r"crash_after\('chrage'\) had no effect.*did you mean 'charge'"):
        await misspelt()


async def test_inserted_jobs_are_found_by_worker_and_arguments(harness, charge, quick):
    flow = Baton.new(workflow_name="two").add("first", charge.new(order=1)).add("second", charge.new(order=2))
    run = await flow.add("quick", quick.new()).insert()

    assert [job.step for job in await harness.inserted(charge)] == ["first", "second"]
    (found,) = await harness.inserted(charge, order=2)
    assert (found.run.id, found.workflow_name, found.state) == (run.id, "two", "available")
    assert await harness.inserted(charge, order=3) == []


async def test_an_argument_from_another_step_is_left_out(harness, charge, quick):
    await Baton.new().add("quick", quick.new()).add("pay", charge.new(order=result_of("quick"), amount=2)).insert()

    (found,) = await harness.inserted(charge)

    assert found.arguments == {"amount": 2}


async def test_a_worker_is_called_with_a_context_of_the_test():
    @worker(max_attempts=4)
    async def greet(ctx: Context, name: str) -> str:
        return f"{name} {ctx.step} {ctx.attempt}/{ctx.max_attempts} {ctx.results['before']}"

    context = context_for(greet, attempt=2, results={"before": 3})

    assert await greet(context, name="ada") == "ada greet 2/4 3"


def test_a_worker_without_a_context_gets_none(quick):
    with pytest.raises(TypeError, match="worker 'quick' takes no Context"):
        context_for(quick)


async def test_emptying_leaves_nothing_and_the_schema_works_on(harness, connection, charge):
    await charge.new(order=1).insert()
    await harness.drain()

    await harness.empty()
    assert await connection.fetchval("select count(*) from workflows") == 0

    run = await charge.new(order=2).insert()
    await harness.drain()
    assert await run.wait(timeout=5) == "completed"


async def test_an_emptied_schema_is_as_a_new_one(harness, connection, connect, charge):
    """Each table has as many rows as after the migration; a table that is added later is checked as well."""
    await connection.execute("create schema other")
    await migrate(connection, schema="other")
    await connection.execute("set search_path = baton")
    tables = [
        row["name"]
        for row in await connection.fetch(
            "select c.relname as name from pg_class c where c.relkind = 'r' and c.relnamespace = 'baton'::regnamespace"
        )
    ]
    await charge.new(order=1).insert()
    await harness.drain()

    await harness.empty()

    rows = {}
    for schema in ("baton", "other"):
        counts = [await connection.fetchval(f"select count(*) from {schema}.{table}") for table in tables]
        rows[schema] = dict(zip(tables, counts, strict=True))
    assert rows["baton"] == rows["other"]


async def test_a_schema_that_others_work_in_is_not_emptied(harness, connection, charge):
    await charge.new(order=1).insert()
    await connection.execute(
        """
        insert into pools (name, host, pid, queues, limits, workers, expires_at)
        values ('production', 'elsewhere', 1, '{default}', '{1}', '{}', clock_timestamp() + interval '1 minute')
        """
    )

    with pytest.raises(NotATestDatabase, match="worker pool production of another process is alive in it"):
        await harness.empty(even_if_in_use=False)
    assert await connection.fetchval("select count(*) from workflows") == 1
