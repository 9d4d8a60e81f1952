"""Attempts: how many, how far apart, and what a worker may return to steer its step."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from baton import (
    Baton,
    Cancel,
    Context,
    Exponential,
    RetryAfter,
    Skip,
    Snooze,
    StepCancelled,
    StepFailed,
    StepSkipped,
    each,
    worker,
)
from tests.waiting import eventually


class Policy:
    def delay(self, attempt):
        return 100 * attempt


async def only(run):
    (record,) = await run.steps()
    return record


async def settled(run, state):
    """The step's record once it is in this state."""

    async def look():
        record = await only(run)
        return record if record.state == state else None

    return await eventually(look)


def delay_of(record):
    return (record.scheduled_at - record.attempted_at).total_seconds()


@pytest.mark.parametrize(
    ("backoff", "least", "most"),
    [
        (None, 1.8, 2.3),
        (30, 30, 30.5),
        (timedelta(minutes=1), 60, 60.5),
        (lambda attempt: 7 * attempt, 7, 7.5),
        (Policy(), 100, 100.5),
        (Exponential(base=5, jitter=0), 5, 5.5),
        (lambda attempt: "soon", 1.8, 2.3),
    ],
    ids=["default", "number", "timedelta", "function", "policy", "exponential", "broken"],
)
async def test_the_next_attempt_waits_as_the_backoff_says(pool, backoff, least, most):
    @worker(backoff=backoff)
    async def fails() -> None:
        raise ValueError("no")

    record = await settled(await fails.new().insert(), "retryable")

    assert least <= delay_of(record) <= most
    assert (record.attempt, record.reason) == (1, "ValueError: no")


async def test_a_step_that_fails_at_first_completes_and_keeps_its_history(pool):
    @worker(backoff=0)
    async def flaky(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise ValueError(f"attempt {ctx.attempt}")
        return ctx.attempt

    run = await flaky.new().insert()

    assert await run.result(timeout=10) == 3
    record = await only(run)
    assert [(error["attempt"], error["kind"], error["error"]) for error in record.errors] == [
        (1, "failed", "ValueError: attempt 1"),
        (2, "failed", "ValueError: attempt 2"),
    ]
    assert "in flaky" in record.errors[0]["trace"]
    assert record.reason is None


async def test_a_step_is_discarded_when_its_attempts_are_used_up(pool):
    @worker(max_attempts=3, backoff=0)
    async def fails(ctx: Context) -> None:
        raise ValueError(f"attempt {ctx.attempt}")

    run = await fails.new().insert()

    with pytest.raises(StepFailed, match="ValueError: attempt 3") as raised:
        await run.result(timeout=10)
    assert raised.value.reason == "ValueError: attempt 3"
    assert [error["attempt"] for error in (await only(run)).errors] == [1, 2, 3]


async def test_retry_after_spends_an_attempt_and_names_its_own_delay(pool):
    @worker(backoff=1)
    async def asks() -> RetryAfter:
        return RetryAfter(timedelta(seconds=40))

    record = await settled(await asks.new().insert(), "retryable")

    assert 40 <= delay_of(record) <= 40.5
    assert record.attempt == 1
    assert "asked for a retry after 40 s" in record.errors[0]["error"]


async def test_retry_after_on_the_last_attempt_discards(pool):
    @worker(max_attempts=1)
    async def asks() -> RetryAfter:
        return RetryAfter(0)

    with pytest.raises(StepFailed, match="asked for a retry"):
        await (await asks.new().insert()).result(timeout=10)


async def test_a_snooze_spends_no_attempt(pool):
    attempts = []

    @worker(max_attempts=1)
    async def sleepy(ctx: Context) -> str | Snooze:
        attempts.append(ctx.attempt)
        return "awake" if len(attempts) > 3 else Snooze(0.01)

    run = await sleepy.new().insert()

    assert await run.result(timeout=10) == "awake"
    assert attempts == [1, 1, 1, 1]
    assert (await only(run)).errors == []


async def test_a_snoozed_step_is_scheduled_with_nothing_spent(pool):
    @worker
    async def sleepy() -> Snooze:
        return Snooze(60)

    record = await settled(await sleepy.new().insert(), "scheduled")

    assert (record.attempt, record.reason) == (0, None)
    assert 60 <= delay_of(record) <= 60.5


async def test_cancel_and_skip_end_the_step_and_its_dependents(pool):
    """With their reasons."""

    @worker
    async def cancels() -> Cancel:
        return Cancel("not wanted")

    @worker
    async def skips() -> Skip:
        return Skip("nothing to do")

    @worker
    async def after() -> str:
        return "ran"

    run = await (
        Baton.new()
        .add("cancels", cancels.new())
        .add("skips", skips.new())
        .add("after cancel", after.new(), deps=["cancels"])
        .add("after skip", after.new(), deps=["skips"])
        .add("in spite of both", after.new(), deps=["cancels", "skips"], ignore_cancelled=True, ignore_skipped=True)
        .insert()
    )

    assert await run.result("in spite of both", timeout=10) == "ran"
    with pytest.raises(StepCancelled, match="was cancelled: not wanted"):
        await run.result("cancels")
    with pytest.raises(StepSkipped, match="was skipped: nothing to do"):
        await run.result("skips")
    with pytest.raises(StepCancelled, match="step 'cancels' upstream was cancelled: not wanted"):
        await run.result("after cancel")
    with pytest.raises(StepSkipped, match="step 'skips' upstream was skipped: nothing to do"):
        await run.result("after skip")


async def test_a_reason_that_is_no_text_fails_the_attempt(pool):
    @worker(max_attempts=1)
    async def cancels() -> Cancel:
        return Cancel(404)

    with pytest.raises(StepFailed, match="TypeError"):
        await (await cancels.new().insert()).result(timeout=10)


async def test_a_reason_may_have_a_nul(pool):
    @worker
    async def cancels() -> Cancel:
        return Cancel("a \x00 and a \udfff")

    with pytest.raises(StepCancelled, match=r"a \\x00 and a \\udfff"):
        await (await cancels.new().insert()).result(timeout=10)


async def test_the_timeout_of_a_job_goes_before_that_of_its_worker(pool):
    @worker(timeout=60, max_attempts=1)
    async def slow() -> None:
        await asyncio.sleep(60)

    with pytest.raises(StepFailed, match=r"timeout of 0\.05 s"):
        await (await slow.new().with_options(timeout=0.05).insert()).result(timeout=10)


async def test_each_attempt_has_its_own_timeout(pool):
    @worker(timeout=0.2, backoff=0)
    async def slow_at_first(ctx: Context) -> int:
        await asyncio.sleep(60 if ctx.attempt < 3 else 0)
        return ctx.attempt

    assert await (await slow_at_first.new().insert()).result(timeout=10) == 3


@pytest.mark.parametrize(
    ("backoff", "least", "most"),
    [(30, 30, 30.5), (timedelta(minutes=1), 60, 60.5), (Exponential(base=5, jitter=0), 5, 5.5)],
)
async def test_the_backoff_of_a_job_goes_before_that_of_its_worker(pool, backoff, least, most):
    @worker(backoff=900)
    async def fails() -> None:
        raise ValueError("no")

    run = await fails.new().with_options(backoff=backoff).insert()

    assert least <= delay_of(await settled(run, "retryable")) <= most


async def test_children_of_a_map_have_the_backoff_of_their_job(pool):
    @worker(backoff=900)
    async def fails(number: int) -> None:
        raise ValueError("no")

    run = await Baton.new().add("m", fails.new(each([1])).with_options(backoff=30)).insert()

    async def look():
        (group,) = await run.steps()
        return next((child for child in group.children if child.state == "retryable"), None)

    assert 30 <= delay_of(await eventually(look)) <= 30.5
