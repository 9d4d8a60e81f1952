"""What a step's end does to the steps that wait for it."""

from __future__ import annotations

import pytest

from tests.database.raw_pool import overlap, state, states, step, steps

ENDS = ["completed", "cancelled", "discarded", "skipped"]
FLAGS = ["", "cancelled", "discarded", "skipped"]
UNFAVOURABLE = {"cancelled": "cancelled", "discarded": "cancelled", "skipped": "skipped"}


@pytest.mark.parametrize("ignoring", FLAGS)
@pytest.mark.parametrize("end", ENDS)
async def test_a_dependent_counts_a_dependency_as_done_or_ends_with_it(pool, end, ignoring):
    await pool.insert("w", step("a"), step("b", "a", ignoring=ignoring))

    await pool.end("w", **{end: "a"})

    counts_as_done = end in ("completed", ignoring)
    assert await states(pool.connection, "w") == {"a": end, "b": "available" if counts_as_done else UNFAVOURABLE[end]}


@pytest.mark.parametrize("ignoring", ["", "cancelled discarded skipped"])
@pytest.mark.parametrize("waiting", ["suspended", "scheduled", "available", "executing", "retryable"])
async def test_a_dependent_waits_until_its_dependency_is_final(pool, psql, waiting, ignoring):
    """It spends no attempt meanwhile."""
    await pool.insert("w", step("first"), step("a", "first"), step("b", "a", ignoring=ignoring))
    await bring_to(pool, psql, waiting)

    found = await steps(psql, "w")

    assert found["a"]["state"] == waiting
    assert (found["b"]["state"], found["b"]["pending"], found["b"]["attempt"]) == ("suspended", 1, 0)
    assert await psql.fetchval("select count(*) from queue where step_id = $1", found["b"]["id"]) == 0


async def bring_to(pool, psql, waiting):
    if waiting == "suspended":
        return
    if waiting == "scheduled":
        await psql.execute("update steps set schedule_in = 3600 where name = 'a'")
    await pool.end("w", completed="first")
    if waiting in ("executing", "retryable"):
        await pool.claim()
    if waiting == "retryable":
        (failed,) = pool.outcomes("w", failed="a")
        await pool.settle(failed)
        await psql.execute("update queue set state = 'retryable', scheduled_at = scheduled_at + interval '1 hour'")


@pytest.mark.parametrize(("end", "downstream"), UNFAVOURABLE.items())
async def test_an_unfavourable_end_goes_all_the_way_down(pool, end, downstream):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b"), step("d", "c"))

    await pool.end("w", **{end: "a"})

    assert await states(pool.connection, "w") == {"a": end, "b": downstream, "c": downstream, "d": downstream}


async def test_ignore_discarded_helps_direct_dependents_only(pool):
    """Below a discarded step the dependents are cancelled, and that is what their own dependents see."""
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b", ignoring="discarded"))

    await pool.end("w", discarded="a")

    assert await states(pool.connection, "w") == {"a": "discarded", "b": "cancelled", "c": "cancelled"}


@pytest.mark.parametrize(("end", "downstream"), UNFAVOURABLE.items())
async def test_a_cascade_stops_at_a_step_that_ignores_it(pool, end, downstream):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b", ignoring=downstream), step("d", "c"))

    await pool.end("w", **{end: "a"})

    assert await states(pool.connection, "w") == {"a": end, "b": downstream, "c": "available", "d": "suspended"}


async def test_a_step_that_ignores_one_branch_still_waits_for_the_other(pool):
    await pool.insert("w", step("a"), step("x"), step("b", "a", "x", ignoring="discarded"))

    await pool.end("w", discarded="a")

    found = await steps(pool.connection, "w")
    assert (found["b"]["state"], found["b"]["pending"]) == ("suspended", 1)


async def test_a_diamond_ends_by_the_branch_it_does_not_ignore(pool):
    # d ignores that a was discarded, but not that b was cancelled for it.
    await pool.insert("w", step("a"), step("b", "a"), step("d", "a", "b", ignoring="discarded"))

    await pool.end("w", discarded="a")

    assert await states(pool.connection, "w") == {"a": "discarded", "b": "cancelled", "d": "cancelled"}


async def test_a_diamond_whose_join_ignores_everything_runs_its_join(pool):
    """Once, when both branches have ended."""
    join = step("d", "b", "c", ignoring="cancelled discarded skipped")
    await pool.insert("w", step("a"), step("b", "a"), step("c", "a"), join)
    await pool.end("w", completed="a")

    await pool.end("w", discarded="b")
    assert (await states(pool.connection, "w"))["d"] == "suspended"
    await pool.end("w", skipped="c")

    assert (await states(pool.connection, "w"))["d"] == "available"


async def test_a_whole_ignored_cascade_is_counted_once_for_each_dependency(pool):
    ended_below = [step(f"b{n}", "a") for n in range(5)]
    join = step("join", "a", *[each.name for each in ended_below], "x", ignoring="cancelled discarded")
    await pool.insert("w", step("a"), step("x"), *ended_below, join)

    await pool.end("w", discarded="a")
    assert (await steps(pool.connection, "w"))["join"]["pending"] == 1
    await pool.end("w", completed="x")

    assert (await states(pool.connection, "w"))["join"] == "available"


@pytest.mark.parametrize("order", [("skipped", "cancelled"), ("cancelled", "skipped")])
@pytest.mark.parametrize("names", [("x", "y"), ("y", "x")])
async def test_within_one_transaction_cancelled_comes_before_skipped(pool, order, names):
    await pool.insert("w", step("x"), step("y"), step("z", "x", "y"), step("below", "z"))

    await pool.end("w", **dict(zip(order, names, strict=True)))

    found = await states(pool.connection, "w")
    assert (found["z"], found["below"]) == ("cancelled", "cancelled")


async def test_a_step_that_ignores_the_cancelled_one_is_skipped_by_the_other(pool):
    await pool.insert("w", step("x"), step("y"), step("z", "x", "y", ignoring="cancelled"), step("below", "z"))

    await pool.end("w", cancelled="x", skipped="y")

    found = await states(pool.connection, "w")
    assert (found["z"], found["below"]) == ("skipped", "skipped")


@pytest.mark.parametrize(("first", "second"), [("skipped", "cancelled"), ("cancelled", "skipped")])
async def test_across_transactions_the_first_to_settle_decides(pool, first, second):
    await pool.insert("w", step("x"), step("y"), step("z", "x", "y"))

    await pool.end("w", **{first: "y"})
    await pool.end("w", **{second: "x"})

    assert (await states(pool.connection, "w"))["z"] == first


@pytest.mark.parametrize(("first", "second"), [("skipped", "discarded"), ("discarded", "skipped")])
async def test_of_two_overlapping_transactions_the_first_to_lock_decides(pool, other, first, second):
    await pool.insert("w", step("x"), step("y"), step("z", "x", "y"))
    await pool.claim()

    await overlap(
        pool.connection,
        pool.settle(*pool.outcomes("w", **{first: "y"})),
        other.connection,
        other.settle(*pool.outcomes("w", **{second: "x"})),
    )

    assert (await states(pool.connection, "w"))["z"] == UNFAVOURABLE[first]


async def test_the_cause_is_written_on_every_step_below(pool):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b"))
    await pool.claim()
    (discarded,) = pool.outcomes("w", discarded="a")

    await pool.settle(discarded)

    found = await steps(pool.connection, "w")
    assert found["a"]["reason"] == "discarded by the test"
    assert found["b"]["reason"] == "step 'a' upstream was discarded: discarded by the test"
    assert "'a' upstream was discarded: discarded by the test" in found["c"]["reason"]


async def test_a_step_without_a_reason_still_names_itself_below(pool):
    await pool.insert("w", step("a"), step("b", "a"), step("x"))

    await pool.cancel("w", "a", reason=None)

    assert (await steps(pool.connection, "w"))["b"]["reason"] == "step 'a' upstream was cancelled"


async def test_unrelated_branches_go_on(pool):
    await pool.insert("w", step("a"), step("b", "a"), step("x"), step("y", "x"))

    await pool.end("w", discarded="a")
    await pool.finish()

    assert await states(pool.connection, "w") == {
        "a": "discarded",
        "b": "cancelled",
        "x": "completed",
        "y": "completed",
    }


@pytest.mark.parametrize(
    ("graph", "ends", "expected"),
    [
        ([step("a"), step("b", "a")], {"completed": "a"}, "completed"),
        ([step("a"), step("b", "a")], {"skipped": "a"}, "completed"),
        ([step("a"), step("b", "a")], {"discarded": "a"}, "failed"),
        ([step("a"), step("b", "a")], {"cancelled": "a"}, "failed"),
        ([step("a"), step("b", "a", ignoring="discarded")], {"discarded": "a"}, "completed"),
        ([step("a"), step("b", "a", ignoring="cancelled")], {"cancelled": "a"}, "completed"),
        ([step("a"), step("b", "a", ignoring="discarded")], {"cancelled": "a"}, "failed"),
        ([step("a"), step("b", "a", ignoring="discarded"), step("c", "a")], {"discarded": "a"}, "failed"),
        ([step("a"), step("b", "a"), step("c", "b", ignoring="cancelled")], {"discarded": "a"}, "failed"),
        ([step("a")], {"discarded": "a"}, "failed"),
        ([step("a")], {"cancelled": "a"}, "failed"),
        ([step("a")], {"skipped": "a"}, "completed"),
    ],
)
async def test_a_workflow_fails_by_a_failure_that_not_every_dependent_ignores(pool, graph, ends, expected):
    await pool.insert("w", *graph)

    await pool.end("w", **ends)
    await pool.finish()

    assert await state(pool.connection, "w") == expected


async def test_a_dependency_is_served_in_the_transaction_that_settles_it(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "b"))
    await pool.claim()

    async with pool.connection.transaction():
        await pool.settle(*pool.outcomes("w", discarded="a"))
        assert await states(psql, "w") == {"a": "executing", "b": "suspended", "c": "suspended"}

    finished = {row["finished_at"] for row in (await steps(psql, "w")).values()}
    assert len(finished) == 1


async def test_an_ignored_failure_has_no_result_and_a_none_has_one(pool):
    join = step("join", "a", "b", ignoring="discarded", reads=["a", "b"])
    await pool.insert("w", step("a"), step("b"), join)
    await pool.claim()
    completed, discarded = pool.outcomes("w", completed="a", discarded="b")
    nothing = type(completed)(completed.step_id, completed.token, type(completed.outcome)("completed", "null"))

    await pool.settle(nothing, discarded)
    (claimed,) = await pool.claim()

    assert claimed.results == '{ "a" : null }'


async def test_a_cascade_reaches_a_thousand_steps_in_a_row(pool):
    chain = [step("s0"), *[step(f"s{n}", f"s{n - 1}") for n in range(1, 1000)]]
    await pool.insert("w", *chain)

    await pool.end("w", discarded="s0")

    assert set(list((await states(pool.connection, "w")).values())[1:]) == {"cancelled"}
    assert await state(pool.connection, "w") == "failed"
