"""Cancelling: final in its own transaction, whatever the step was doing."""

from __future__ import annotations

import asyncpg
import pytest

from tests.database.raw_pool import outcome, state, states, step, steps


async def in_every_state(pool, psql, **options):
    """Insert a workflow with a step in each state there is; return their states."""
    free = [step(name, **options) for name in ("done", "skipped", "failed", "runs", "again")]
    waiting = [step("waits", "runs", **options), step("later", schedule_in=3600, **options), step("next", **options)]
    await pool.insert("w", *free, *waiting)
    await pool.claim(limit=5)
    await pool.settle(*pool.outcomes("w", completed="done", skipped="skipped", discarded="failed"))
    await pool.settle(outcome(pool.held["w", "again"], "failed", delay=3600))
    return await states(psql, "w")


async def test_cancelling_a_workflow_cancels_every_step_that_is_not_final(pool, psql):
    before = await in_every_state(pool, psql)
    assert set(before.values()) == {
        *("completed", "skipped", "discarded", "executing", "suspended", "scheduled", "available", "retryable")
    }

    cancelled = await pool.cancel("w")

    assert cancelled.count == 5
    assert await states(psql, "w") == {
        name: was if was in ("completed", "skipped", "discarded") else "cancelled" for name, was in before.items()
    }


async def test_flags_do_not_matter_when_a_workflow_is_cancelled(pool, psql):
    await in_every_state(pool, psql, ignoring="cancelled discarded skipped")

    await pool.cancel("w")

    assert (await states(psql, "w"))["waits"] == "cancelled"
    assert await state(psql, "w") == "cancelled"


async def test_the_cancelled_workflow_is_terminal_in_that_transaction(pool, psql):
    await in_every_state(pool, psql)

    await pool.cancel("w")

    found = await psql.fetchrow("select state, remaining, finished_at from workflows")
    assert tuple(found)[:2] == ("cancelled", 0)
    ended = "select distinct finished_at from steps where state = 'cancelled'"
    assert await psql.fetchval(ended) == found["finished_at"]
    assert await psql.fetchval("select count(*) from queue") == 0


async def test_the_reason_is_on_each_cancelled_step_and_the_attempt_is_kept(pool, psql):
    await in_every_state(pool, psql)

    await pool.cancel("w", reason="no longer wanted")

    found = await steps(psql, "w")
    assert {found[name]["reason"] for name in ("runs", "again", "waits", "later", "next")} == {"no longer wanted"}
    assert (found["runs"]["attempt"], found["runs"]["pool"], found["waits"]["attempt"]) == (1, pool.id, 0)


async def test_cancelling_again_finds_nothing_and_changes_nothing(pool, psql):
    await in_every_state(pool, psql)
    await pool.cancel("w", reason="first")
    before = await psql.fetch("select * from workflows"), await steps(psql, "w")

    assert (await pool.cancel("w", reason="second")).count == 0

    assert (await psql.fetch("select * from workflows"), await steps(psql, "w")) == before


async def test_a_finished_workflow_stays_what_it_is(pool, psql):
    await pool.insert("w", step("a"))
    await pool.finish()

    assert (await pool.cancel("w")).count == 0

    assert await state(psql, "w") == "completed"


async def test_an_unknown_workflow_differs_from_one_with_nothing_to_cancel(pool):
    assert (await pool.cancel("nowhere")).count is None


@pytest.mark.parametrize("name", ["runs", "again", "waits", "later", "next"])
async def test_one_step_is_cancelled_in_any_state_that_is_not_final(pool, psql, name):
    before = await in_every_state(pool, psql)

    assert (await pool.cancel("w", name)).count == 1

    downstream = {"waits": "cancelled"} if name == "runs" else {}
    assert await states(psql, "w") == before | {name: "cancelled"} | downstream


async def test_a_cancelled_step_ends_its_dependents_by_the_rules(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "a", ignoring="cancelled"), step("d", "c"))

    await pool.cancel("w", "a")

    assert await states(psql, "w") == {"a": "cancelled", "b": "cancelled", "c": "available", "d": "suspended"}


async def test_a_step_and_its_dependent_are_cancelled_in_one_call(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b", ignoring="cancelled"), step("d", "a", "c"))

    assert (await pool.cancel("w", "b", "a")).count == 2

    assert await states(psql, "w") == {"a": "cancelled", "b": "cancelled", "c": "available", "d": "cancelled"}


async def test_a_suspended_step_that_was_cancelled_is_not_counted_down(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b", ignoring="cancelled"))
    await pool.cancel("w", "b")

    await pool.end("w", completed="a")

    assert await states(psql, "w") == {"a": "completed", "b": "cancelled", "c": "executing"}


async def test_a_name_that_is_no_step_cancels_nothing(pool, psql):
    await pool.insert("w", step("a"))

    cancelled = await pool.cancel("w", "a", "typo")

    assert (cancelled.count, list(cancelled.unknown)) == (0, ["typo"])
    assert await states(psql, "w") == {"a": "available"}


async def test_a_final_step_cannot_be_cancelled(pool, psql):
    await pool.insert("w", step("a"), step("b"))
    await pool.end("w", completed="a")

    assert (await pool.cancel("w", "a")).count == 0

    assert await states(psql, "w") == {"a": "completed", "b": "executing"}


@pytest.mark.parametrize(("ignoring", "expected"), [("", "failed"), ("cancelled", "completed")])
async def test_a_workflow_cancelled_step_by_step_ends_by_the_usual_rules(pool, psql, ignoring, expected):
    await pool.insert("w", step("a"), step("b", "a", ignoring=ignoring))

    await pool.cancel("w", "a")
    await pool.finish()

    assert await state(psql, "w") == expected


async def test_a_step_cancelled_by_its_own_worker_has_its_reason(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"))
    (claimed,) = await pool.claim()

    await pool.settle(outcome(claimed, "cancelled", "nothing to do"))

    found = await steps(psql, "w")
    assert found["a"]["reason"] == "nothing to do"
    assert found["b"]["reason"] == "step 'a' upstream was cancelled: nothing to do"


@pytest.mark.parametrize("name", ["runs", "again", "waits", "later", "next"])
async def test_a_step_ends_as_skipped_from_any_state_that_is_not_final(pool, psql, name):
    before = await in_every_state(pool, psql)

    assert (await pool.cancel("w", name, as_skipped=True)).count == 1

    downstream = {"waits": "skipped"} if name == "runs" else {}
    assert await states(psql, "w") == before | {name: "skipped"} | downstream


async def test_a_step_that_is_skipped_fails_nothing(pool, psql):
    await pool.insert("w", step("a"), step("b"), step("c", "a"), step("d", "a", ignoring="skipped"))

    await pool.cancel("w", "a", as_skipped=True)
    await pool.finish()

    assert await states(psql, "w") == {"a": "skipped", "b": "completed", "c": "skipped", "d": "completed"}
    assert await state(psql, "w") == "completed"
    assert (await pool.retry("w")).count == 0


async def test_a_whole_workflow_cannot_be_skipped(pool, psql):
    await pool.insert("w", step("a"))

    with pytest.raises(asyncpg.InvalidParameterValueError, match="a whole workflow cannot be skipped"):
        await pool.cancel("w", as_skipped=True)

    assert await states(psql, "w") == {"a": "available"}
