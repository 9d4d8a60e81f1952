"""Retrying: what is opened, what waits again, what keeps its run."""

from __future__ import annotations

import pytest

from tests.database.raw_pool import outcome, overlap, state, states, step, steps


async def test_every_discarded_and_cancelled_step_is_opened(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("x"), step("y", "x"), step("s"))
    await pool.end("w", discarded="a", completed="x", skipped="s")
    await pool.cancel("w", "y")

    assert (await pool.retry("w")).count == 3

    assert await states(psql, "w") == {
        "a": "available",
        "b": "suspended",
        "x": "completed",
        "y": "available",
        "s": "skipped",
    }


async def test_attempts_begin_again_at_zero_and_the_history_is_kept(pool, psql):
    await pool.insert("w", step("a", max_attempts=2))
    await pool.end("w", failed="a")
    await pool.end("w", failed="a")

    await pool.retry("w")

    found = (await steps(psql, "w"))["a"]
    assert (found["attempt"], found["reason"], found["result"], found["finished_at"]) == (0, None, None, None)
    assert len(found["errors"]) == 2
    (claimed,) = await pool.claim()
    assert claimed.attempt == 1


async def test_a_cancelled_workflow_is_opened_and_can_complete(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "a", "b"))
    await pool.end("w", completed="a")
    await pool.cancel("w")

    await pool.retry("w")
    assert await state(psql, "w") == "executing"
    await pool.finish()

    assert await state(psql, "w") == "completed"


async def test_an_opened_step_counts_the_dependencies_that_are_open_too(pool, psql):
    await pool.insert("w", step("a"), step("b"), step("c"), step("d", "a", "b", "c"))
    await pool.end("w", completed="a")
    await pool.cancel("w")

    await pool.retry("w")

    assert (await steps(psql, "w"))["d"]["pending"] == 2


@pytest.mark.parametrize("began", ["executing", "retryable", "completed", "discarded"])
async def test_a_dependent_that_began_by_ignoring_the_failure_keeps_its_run(pool, psql, began):
    await pool.insert("w", step("a"), step("b", "a", ignoring="discarded", max_attempts=2), step("z"))
    await pool.end("w", discarded="a")
    (claimed, *_) = [claimed for claimed in await pool.claim() if claimed.step == "b"]
    if began == "retryable":
        await pool.settle(outcome(claimed, "failed", delay=60))
    elif began != "executing":
        await pool.settle(outcome(claimed, began))

    await pool.retry("w", "a")

    assert (await states(psql, "w"))["b"] == began


@pytest.mark.parametrize("waits", ["available", "scheduled"])
async def test_a_dependent_that_ignored_the_failure_waits_again(pool, psql, waits):
    """It had been released and had not begun."""
    delay = {"schedule_in": 60} if waits == "scheduled" else {}
    await pool.insert("w", step("a"), step("b", "a", ignoring="discarded", **delay))
    await pool.end("w", discarded="a")
    assert (await states(psql, "w"))["b"] == waits

    await pool.retry("w")

    assert await states(psql, "w") == {"a": "available", "b": "suspended"}
    assert [claimed.step for claimed in await pool.claim()] == ["a"]
    await pool.settle(*pool.outcomes("w", completed="a"))
    assert (await states(psql, "w"))["b"] == waits


async def test_a_dependent_given_back_before_it_ran_waits_again(pool, psql):
    await pool.insert("w", step("a"), step("b", "a", ignoring="discarded"))
    await pool.end("w", discarded="a")
    await pool.end("w", given_back="b")

    await pool.retry("w")

    assert (await states(psql, "w"))["b"] == "suspended"


async def test_a_suspended_dependent_counts_the_opened_step_again(pool, psql):
    await pool.insert("w", step("a"), step("x"), step("b", "a", "x"))
    await pool.end("w", completed="a")

    await pool.retry("w", "a")

    assert (await steps(psql, "w"))["b"]["pending"] == 2


async def test_a_completed_step_may_be_run_again_by_name(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"))
    await pool.finish()

    assert (await pool.retry("w", "a")).count == 1

    found = await steps(psql, "w")
    assert (found["a"]["state"], found["a"]["result"], found["b"]["state"]) == ("available", None, "completed")
    await pool.finish()
    assert await state(psql, "w") == "completed"


async def test_a_named_step_opens_what_was_cancelled_below_it_too(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b"), step("x"), step("y", "x"))
    await pool.end("w", discarded="a x")

    assert (await pool.retry("w", "a")).count == 3

    assert await states(psql, "w") == {
        "a": "available",
        "b": "suspended",
        "c": "suspended",
        "x": "discarded",
        "y": "cancelled",
    }


async def test_a_named_skipped_step_opens_what_was_skipped_below_it_too(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b", ignoring="skipped"))
    await pool.end("w", skipped="a")

    assert (await pool.retry("w", "a")).count == 2

    assert await states(psql, "w") == {"a": "available", "b": "suspended", "c": "suspended"}


@pytest.mark.parametrize(("end", "again"), [("discarded", "cancelled"), ("cancelled", "cancelled")])
async def test_an_opened_step_whose_dependency_stays_failed_is_cancelled_again(pool, psql, end, again):
    """At once, in the transaction of the retry."""
    await pool.insert("w", step("a"), step("b"), step("c", "a", "b"), step("d", "c"))
    await pool.end("w", **{end: "a"})

    await pool.retry("w", "c")

    found = await steps(psql, "w")
    assert (found["c"]["state"], found["d"]["state"]) == (again, again)
    assert found["c"]["reason"].startswith(f"step 'a' upstream was {end}")


async def test_an_opened_step_whose_dependency_was_skipped_is_skipped_again(pool, psql):
    """At once, in the transaction of the retry."""
    await pool.insert("w", step("a"), step("b"), step("c", "a", "b"), step("d", "c"))
    await pool.end("w", skipped="a")

    await pool.retry("w", "c")

    assert await states(psql, "w") == {"a": "skipped", "b": "executing", "c": "skipped", "d": "skipped"}


async def test_an_opened_step_is_skipped_by_what_was_skipped_since(pool, psql):
    """A failure had cancelled it."""
    await pool.insert("w", step("a"), step("b"), step("c", "a", "b"))
    await pool.end("w", discarded="a")
    await pool.end("w", skipped="b")

    await pool.retry("w")

    assert await states(psql, "w") == {"a": "available", "b": "skipped", "c": "skipped"}


async def test_a_retry_that_ends_everything_again_leaves_a_terminal_workflow(pool, psql):
    await pool.insert("w", step("a"), step("c", "a"))
    await pool.end("w", discarded="a")

    await pool.retry("w", "c")

    assert await states(psql, "w") == {"a": "discarded", "c": "cancelled"}
    assert await state(psql, "w") == "failed"


async def test_an_ignored_failure_below_an_opened_step_stays_ignored(pool, psql):
    await pool.insert("w", step("a"), step("f"), step("g", "f", ignoring="discarded"))
    await pool.end("w", discarded="a f")
    await pool.finish()
    assert await state(psql, "w") == "failed"

    await pool.retry("w", "a")
    await pool.finish()

    assert await state(psql, "w") == "completed"


@pytest.mark.parametrize("name", ["waits", "next", "runs"])
async def test_a_step_that_is_not_final_is_refused_by_name_and_nothing_changes(pool, psql, name):
    await pool.insert("w", step("done"), step("runs"), step("next"), step("waits", "runs"))
    await pool.claim(limit=2)
    await pool.settle(*pool.outcomes("w", discarded="done"))
    before = await steps(psql, "w")

    retried = await pool.retry("w", "done", name)

    assert (retried.count, list(retried.refused)) == (0, [name])
    assert await steps(psql, "w") == before


async def test_a_name_that_is_no_step_opens_nothing(pool, psql):
    await pool.insert("w", step("a"))
    await pool.end("w", discarded="a")

    retried = await pool.retry("w", "a", "typo")

    assert (retried.count, list(retried.unknown)) == (0, ["typo"])
    assert await states(psql, "w") == {"a": "discarded"}


async def test_a_workflow_with_nothing_to_open_stays_as_it_is(pool, psql):
    await pool.insert("w", step("a"))
    await pool.finish()

    assert (await pool.retry("w")).count == 0

    assert await state(psql, "w") == "completed"


async def test_an_unknown_workflow_is_reported(pool):
    assert (await pool.retry("nowhere")).count is None


async def test_a_dependent_being_claimed_when_the_retry_comes_keeps_its_run(pool, other):
    await pool.insert("w", step("a"), step("b", "a", ignoring="discarded"))
    await pool.end("w", discarded="a")

    await overlap(pool.connection, pool.claim(), other.connection, other.retry("w"))

    assert await states(pool.connection, "w") == {"a": "available", "b": "executing"}


async def test_a_dependent_that_a_retry_takes_back_is_not_claimed(pool, other):
    await pool.insert("w", step("a"), step("b", "a", ignoring="discarded"))
    await pool.end("w", discarded="a")
    async with pool.connection.transaction():
        await pool.retry("w")

        assert await other.claim() == []

    assert [claimed.step for claimed in await other.claim()] == ["a"]


async def test_a_retry_that_waited_for_a_settle_sees_what_it_failed(pool, other):
    await pool.insert("w", step("a"), step("b", "a"))
    await pool.claim()

    _, retried = await overlap(
        pool.connection, pool.settle(*pool.outcomes("w", discarded="a")), other.connection, other.retry("w")
    )

    assert retried.count == 2
    assert await states(pool.connection, "w") == {"a": "available", "b": "suspended"}


async def test_a_settle_that_waited_for_a_retry_uses_the_new_count(pool, other):
    await pool.insert("w", step("a"), step("x"), step("b", "a", "x"))
    await pool.claim()
    await pool.settle(*pool.outcomes("w", completed="a"))

    await overlap(
        pool.connection,
        pool.retry("w", "a"),
        other.connection,
        other.settle(*pool.outcomes("w", completed="x")),
    )

    assert (await steps(pool.connection, "w"))["b"]["pending"] == 1
    await pool.end("w", completed="a")
    assert (await states(pool.connection, "w"))["b"] == "available"


async def test_a_retry_while_other_steps_run_leaves_them_running(pool, psql):
    await pool.insert("w", step("a"), step("x"), step("j", "a", "x"))
    await pool.end("w", discarded="a")

    await pool.retry("w")

    assert await states(psql, "w") == {"a": "available", "x": "executing", "j": "suspended"}
    assert await pool.settle(*pool.outcomes("w", completed="x")) == [True]
