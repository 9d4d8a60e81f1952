"""Rule 3: count before you subtract. A join is released exactly once, however its dependencies end."""

from __future__ import annotations

import pytest

from tests.database.raw_pool import outcome, overlap, state, states, step, steps


def fan_in(width, **options):
    return [*[step(f"s{n}") for n in range(width)], step("join", *[f"s{n}" for n in range(width)], **options)]


async def test_overlapping_settles_of_the_last_two_dependencies_release_once(pool, other, notifications):
    await pool.insert("w", *fan_in(2))
    (first,) = await pool.claim(limit=1)
    (second,) = await other.claim(limit=1)
    await notifications.received()

    accepted = await overlap(
        pool.connection,
        pool.settle(outcome(first, "completed")),
        other.connection,
        other.settle(outcome(second, "completed")),
    )

    assert accepted == ([True], [True])
    assert (await states(pool.connection, "w"))["join"] == "available"
    assert await notifications.received() == ["queue 1 default"]


async def test_many_dependencies_settled_in_one_batch_are_all_taken_off(pool):
    await pool.insert("w", *fan_in(7))

    await pool.end("w", completed="s0 s1 s2 s3 s4")
    assert (await steps(pool.connection, "w"))["join"]["pending"] == 2
    await pool.end("w", completed="s5 s6")

    assert (await states(pool.connection, "w"))["join"] == "available"


async def test_completed_and_ignored_ends_in_one_batch_are_all_taken_off(pool):
    await pool.insert("w", *fan_in(4, ignoring="cancelled discarded skipped"))

    await pool.end("w", completed="s0", cancelled="s1", discarded="s2", skipped="s3")

    assert (await states(pool.connection, "w"))["join"] == "available"


async def test_a_refused_outcome_in_a_batch_is_not_taken_off(pool):
    await pool.insert("w", *fan_in(3))
    await pool.claim()
    stale, *valid = pool.outcomes("w", completed="s0 s1 s2")
    await pool.settle(*pool.outcomes("w", failed="s0"))

    assert await pool.settle(stale, *valid) == [False, True, True]

    assert (await steps(pool.connection, "w"))["join"]["pending"] == 1


async def test_ten_thousand_into_one(pool):
    await pool.insert("w", *fan_in(10_000))
    while claims := await pool.claim(limit=2500):
        await pool.settle(*[outcome(claimed, "completed") for claimed in claims])
        if claims[0].step == "join":
            break

    assert await state(pool.connection, "w") == "completed"


async def test_one_batch_over_many_workflows_counts_each_for_itself(pool):
    for n in range(20):
        await pool.insert(f"w{n}", step("a"), step("b"), step("c", "a", "b"))
    claims = await pool.claim()

    await pool.settle(*[outcome(claimed, "completed") for claimed in claims if claimed.workflow_id != "w0"])

    ready = [(await states(pool.connection, f"w{n}"))["c"] for n in range(20)]
    assert ready == ["suspended", *["available"] * 19]


async def test_a_hop_settles_and_claims_what_it_released_in_one_call(pool):
    await pool.insert("w", step("a"), step("b", "a", reads=["a"]), step("c", "a"))
    await pool.claim()

    done = await pool.advance(*pool.outcomes("w", completed="a"))

    assert list(done.accepted) == [True]
    assert [(claimed.step, claimed.results, claimed.attempt) for claimed in done.claimed] == [
        ("b", '{ "a" : "a" }', 1),
        ("c", None, 1),
    ]


@pytest.mark.parametrize("kind", ["failed", "snoozed", "given_back", "unknown_worker"])
async def test_an_end_that_is_not_final_releases_nobody(pool, kind):
    await pool.insert("w", step("a"), step("b", "a"))

    await pool.end("w", **{kind: "a"})

    found = await steps(pool.connection, "w")
    assert (found["b"]["state"], found["b"]["pending"]) == ("suspended", 1)


async def test_the_workflow_becomes_terminal_in_the_transaction_of_its_last_step(pool, other, psql):
    await pool.insert("w", step("a"), step("b"))
    (first,) = await pool.claim(limit=1)
    (second,) = await other.claim(limit=1)

    await overlap(
        pool.connection,
        pool.settle(outcome(first, "completed")),
        other.connection,
        other.settle(outcome(second, "completed")),
    )

    found = await psql.fetchrow("select state, remaining, finished_at from workflows")
    last = await psql.fetchval("select max(finished_at) from steps")
    assert tuple(found) == ("completed", 0, last)
