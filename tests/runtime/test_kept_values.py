"""What a worker keeps from one attempt for the next, and the count of failures that begins anew with it."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from baton import Context, KeptNotJSON, Limits, NotKept, RetryAfter, Snooze, StepFailed, WorkerPool, worker
from tests.runtime import imported_workers
from tests.waiting import eventually

SECONDS = 30


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


async def only(run):
    (step,) = await run.steps()
    return step


async def test_a_snooze_keeps_a_value_for_the_next_attempt(pool):
    found = []

    @worker
    async def pages(ctx: Context) -> int | Snooze:
        found.append(ctx.kept)
        page = 0 if ctx.kept is None else ctx.kept["page"]
        return page if page == 2 else Snooze(0, keep={"page": page + 1})

    assert await (await pages.new().insert()).result(timeout=SECONDS) == 2
    assert found == [None, {"page": 1}, {"page": 2}]


async def test_a_snooze_without_keep_leaves_what_was_kept(pool):
    found = []

    @worker
    async def pages(ctx: Context) -> Snooze | None:
        found.append(ctx.kept)
        match len(found):
            case 1:
                return Snooze(0, keep=7)
            case 2:
                return Snooze(0)
            case 3:
                return Snooze(0, keep=None)
        return None

    await (await pages.new().insert()).result(timeout=SECONDS)

    assert found == [None, 7, 7, None]


async def test_a_snooze_says_its_reason_while_the_step_waits(pool):
    @worker
    async def waits() -> Snooze:
        return Snooze(timedelta(hours=1), reason="the mailbox is full")

    run = await waits.new().insert()
    await eventually(lambda: _is_scheduled(run))

    assert (await only(run)).reason == "the mailbox is full"


async def _is_scheduled(run):
    return (await only(run)).state == "scheduled"


async def test_what_is_kept_survives_the_attempt(pool):
    found = []

    @worker(backoff=0)
    async def imports(ctx: Context) -> int:
        found.append((ctx.attempt, ctx.kept))
        if ctx.kept is None:
            await ctx.keep([1, 2])
            raise ValueError("no")
        return len(ctx.kept)

    assert await (await imports.new().insert()).result(timeout=SECONDS) == 2
    assert found == [(1, None), (2, [1, 2])]


async def test_each_kept_value_begins_the_count_of_failures_anew(pool):
    """Each failure is the first in a row, for its number, its delay and the end."""

    @worker(max_attempts=2, backoff=lambda attempt: 0 if attempt == 1 else 600)
    async def imports(ctx: Context) -> int:
        page = ctx.kept or 0
        if page == 5:
            return page
        await ctx.keep(page + 1)
        raise ValueError("no")

    run = await imports.new().insert()

    assert await run.result(timeout=SECONDS) == 5
    step = await only(run)
    assert [error["attempt"] for error in step.errors] == [1, 1, 1, 1, 1]


async def test_a_poller_with_many_snoozes_and_hiccups_lives(pool):
    """1,000 snoozes and 50 failures, never more than two of them in a row."""
    calls = []

    @worker(max_attempts=3, backoff=0)
    async def polls() -> str | Snooze:
        calls.append(len(calls))
        if len(calls) > 1050:
            return "done"
        if len(calls) % 42 in (0, 1):
            raise ConnectionError("a hiccup")
        return Snooze(0)

    run = await polls.new().insert()

    assert await run.result(timeout=60) == "done"
    assert (await only(run)).attempt <= 3


async def test_failures_in_a_row_still_discard_a_poller(pool):
    calls = []

    @worker(max_attempts=3, backoff=0)
    async def polls() -> Snooze:
        calls.append(len(calls))
        if len(calls) > 5:
            raise ConnectionError("gone")
        return Snooze(0)

    with pytest.raises(StepFailed, match="gone"):
        await (await polls.new().insert()).result(timeout=SECONDS)
    assert len(calls) == 8


async def test_a_plain_function_keeps_without_await(pool):
    found = []

    @worker(backoff=0)
    def imports(ctx: Context) -> int:
        found.append(ctx.kept)
        if ctx.kept is None:
            ctx.keep(41)
            raise ValueError("no")
        return ctx.kept + 1

    assert await (await imports.new().insert()).result(timeout=SECONDS) == 42
    assert found == [None, 41]


@pytest.mark.parametrize(("value", "why"), [(math.nan, "nan has no form"), ({"a": object()}, "a"), ({1, 2}, "set")])
async def test_a_value_that_is_not_plain_json_is_not_kept(pool, value, why):
    caught = []

    @worker
    async def imports(ctx: Context) -> None:
        try:
            await ctx.keep(value)
        except KeptNotJSON as error:
            caught.append(str(error))

    await (await imports.new().insert()).result(timeout=SECONDS)

    assert "what worker" in caught[0]
    assert why in caught[0]


async def test_a_snooze_with_a_value_that_is_not_json_fails_the_attempt(pool):
    @worker(max_attempts=1)
    async def waits() -> Snooze:
        return Snooze(60, keep={1, 2})

    with pytest.raises(StepFailed, match=r"KeptNotJSON: what worker .* keeps is not plain JSON"):
        await (await waits.new().insert()).result(timeout=SECONDS)


async def test_a_value_that_is_too_large_is_not_kept(engine):
    caught = []

    @worker(max_attempts=1)
    async def waits(ctx: Context) -> Snooze:
        try:
            await ctx.keep("x" * 200)
        except NotKept as error:
            caught.append(str(error))
        return Snooze(60, keep="x" * 200)

    engine.size_limits = Limits(kept_bytes=100)
    async with WorkerPool(engine):
        with pytest.raises(StepFailed, match="the value to be kept is too large: it has 202 bytes as JSON"):
            await (await waits.new().insert()).result(timeout=SECONDS)

    assert "it has 202 bytes as JSON, and the limit is 100" in caught[0]


async def test_an_attempt_that_was_overtaken_keeps_nothing(pool, connection):
    caught = []

    @worker
    async def imports(ctx: Context) -> None:
        await connection.execute("update baton.queue set token = gen_random_uuid()")
        try:
            await ctx.keep(1)
        except NotKept as error:
            caught.append(str(error))

    await imports.new().insert()

    await eventually(lambda: caught)
    assert "it was cancelled, or another attempt has taken it over" in caught[0]
    assert await connection.fetchval("select count(*) from baton.kept") == 0


async def test_a_transactional_worker_keeps_with_what_it_writes(pool):
    found = []

    @worker(transactional=True)
    async def writes(ctx: Context) -> str | Snooze:
        found.append(ctx.kept)
        if ctx.kept is None:
            with pytest.raises(NotKept, match="may return Snooze"):
                await ctx.keep(1)
            return Snooze(0, keep=2)
        return "done"

    assert await (await writes.new().insert()).result(timeout=SECONDS) == "done"
    assert found == [None, 2]


async def test_a_worker_in_another_process_keeps_with_a_snooze(pool):
    assert await (await imported_workers.keeps_in_process.new().insert()).result(timeout=SECONDS) == 3


async def test_a_retry_of_a_completed_step_begins_without_what_it_kept(pool):
    found = []

    @worker
    async def pages(ctx: Context) -> str | Snooze:
        found.append(ctx.kept)
        return Snooze(0, keep=1) if ctx.kept is None else "done"

    run = await pages.new().insert()
    await run.result(timeout=SECONDS)
    await run.retry((await only(run)).name)
    await run.result(timeout=SECONDS)

    assert found == [None, 1, None, 1]


async def test_a_retry_of_a_failed_step_goes_on_from_what_it_kept(pool):
    found = []

    @worker(max_attempts=1)
    async def pages(ctx: Context) -> str:
        found.append(ctx.kept)
        if ctx.kept is None:
            await ctx.keep(1)
            raise ValueError("no")
        return "done"

    run = await pages.new().insert()
    await run.wait(timeout=SECONDS)
    await run.retry()

    assert await run.result(timeout=SECONDS) == "done"
    assert found == [None, 1]


async def test_a_requested_retry_counts_as_a_failure(pool):
    @worker(max_attempts=2)
    async def asks() -> RetryAfter:
        return RetryAfter(0)

    with pytest.raises(StepFailed):
        await (await asks.new().insert()).result(timeout=SECONDS)
