"""`Fail` and `fatal=`: a step that can never succeed is discarded at once, and its error is kept."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import pytest

from baton import Context, Fail, InvalidOption, StepFailed, WorkerPool, worker
from tests.runtime import imported_workers

SECONDS = 30


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


async def failure(job):
    """Insert a job that fails; return why it is discarded, the errors of its step, and its attempt."""
    run = await job.insert()
    with pytest.raises(StepFailed) as raised:
        await run.result(timeout=SECONDS)
    (step,) = await run.steps()
    return raised.value.reason, step.errors, step.attempt


async def test_fail_discards_the_step_at_once(pool):
    @worker
    async def lookup(name: str) -> str | Fail:
        return Fail(f"no such article: {name}")

    reason, errors, attempt = await failure(lookup.new("lamp").with_options(max_attempts=20))

    assert (reason, attempt) == ("no such article: lamp", 1)
    assert [(error["kind"], error["error"]) for error in errors] == [("discarded", "no such article: lamp")]


async def test_fail_without_a_reason_says_so(pool):
    @worker
    async def gives_up() -> Fail:
        return Fail()

    reason, _, _ = await failure(gives_up.new())

    assert reason == "the worker returned Fail"


async def test_a_fatal_error_discards_the_step_and_is_kept(pool):
    """With its traceback."""

    @worker(fatal=[LookupError])
    async def lookup() -> str:
        raise KeyError("lamp")

    reason, errors, attempt = await failure(lookup.new())

    assert (reason, attempt) == ("KeyError: 'lamp'", 1)
    assert "raise KeyError" in errors[0]["trace"]


async def test_an_error_that_is_not_fatal_is_tried_again(pool):
    @worker(fatal=[LookupError], max_attempts=2, backoff=0)
    async def lookup() -> str:
        raise ValueError("no")

    _, errors, attempt = await failure(lookup.new())

    assert (len(errors), attempt) == (2, 2)


async def test_the_timeout_of_an_attempt_is_not_fatal(pool):
    """Even where the worker's own TimeoutError is."""
    import asyncio

    @worker(fatal=[TimeoutError], timeout=0.05, max_attempts=2, backoff=0)
    async def slow() -> None:
        await asyncio.sleep(60)

    _, errors, _ = await failure(slow.new())

    assert [error["kind"] for error in errors] == ["failed", "failed"]


@pytest.mark.parametrize("executor", ["thread", "process", "own"])
@pytest.mark.parametrize("job", ["fails", "raises"])
async def test_it_is_the_same_in_every_executor(engine, executor, job):
    with ProcessPoolExecutor(1) as own:
        async with WorkerPool(engine, executors={"own": own}):
            chosen = getattr(imported_workers, f"{job}_in_{executor}")
            reason, errors, attempt = await failure(chosen.new())

    assert ("no such article" in reason, len(errors), attempt) == (True, 1, 1)


async def test_a_transactional_worker_that_fails_leaves_nothing(pool, connection):
    await connection.execute("create table public.articles (name text)")

    @worker(transactional=True)
    async def writes(ctx: Context) -> Fail:
        await ctx.connection.execute("insert into public.articles values ('lamp')")
        return Fail("no such article")

    reason, _, attempt = await failure(writes.new())

    assert (reason, attempt) == ("no such article", 1)
    assert await connection.fetchval("select count(*) from public.articles") == 0


async def test_what_a_worker_says_is_redacted(engine):
    async with WorkerPool(engine, redact=lambda text: text.replace("secret", "***")):

        @worker
        async def gives_up() -> Fail:
            return Fail("the secret is wrong")

        reason, errors, _ = await failure(gives_up.new())

    assert reason == errors[0]["error"] == "the *** is wrong"


@pytest.mark.parametrize("fatal", [LookupError, "LookupError", ["LookupError"], [LookupError, 3]])
def test_what_is_not_a_list_of_errors_is_refused(fatal):
    with pytest.raises(InvalidOption, match=r"fatal=\[NotFound\]"):
        worker(fatal=fatal)
