"""Claims: which entries, how many, in what order (rule 8), and what they deliver."""

from __future__ import annotations

from uuid import uuid4

import pytest

from baton.database.messages import ClaimRequest
from tests.database.raw_pool import outcome, step


async def names(pool, **claiming):
    return [claimed.step for claimed in await pool.claim(**claiming)]


async def positions(psql, workflow_id):
    rows = await psql.fetch(
        """
        select extract(epoch from q.position - min(q.position) over ())::float as behind
          from queue q
          join workflows w on w.key = workflow_of(q.step_id)
         where w.id = $1
         order by q.step_id
        """,
        workflow_id,
    )
    return [row["behind"] for row in rows]


async def test_the_smaller_priority_is_claimed_first_whenever_it_was_released(pool):
    await pool.insert("late", step("low", priority=9), step("middle", priority=5))
    await pool.insert("urgent", step("high", priority=0), step("negative", priority=-1))

    assert await names(pool) == ["negative", "high", "middle", "low"]


async def test_within_a_priority_the_first_released_is_claimed_first(pool):
    for name in ("first", "second", "third"):
        await pool.insert(name, step(name))

    assert await names(pool, limit=2) == ["first", "second"]
    assert await names(pool) == ["third"]


async def test_what_a_workflow_releases_together_is_a_tenth_of_a_second_apart(pool, psql):
    await pool.insert("w", *[step(f"s{n}") for n in range(5)])

    assert await positions(psql, "w") == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


async def test_the_last_of_many_is_ten_minutes_behind_at_most(pool, psql):
    await pool.insert("w", *[step(f"s{n}") for n in range(6010)])

    found = await positions(psql, "w")

    assert found[5999:6003] == pytest.approx([599.9, 600, 600, 600])
    assert found[-1] == pytest.approx(600)


async def test_the_spacing_delays_nothing(pool):
    await pool.insert("w", *[step(f"s{n}") for n in range(50)])

    assert len(await pool.claim()) == 50


async def test_a_short_workflow_does_not_wait_for_the_width_of_one_before_it(pool):
    await pool.insert("wide", *[step(f"s{n}") for n in range(10_000)])
    await pool.insert("short", step("x"), step("y", "x"), step("z", "y"))

    done, hops = False, 0
    while not done:
        claims = await pool.claim(limit=200)
        await pool.settle(*[outcome(claimed, "completed") for claimed in claims])
        hops += 1
        done = any(claimed.step == "z" for claimed in claims)

    assert hops < 10


async def test_a_second_release_of_one_workflow_begins_at_its_own_time(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"), step("c", "a"))
    await pool.end("w", completed="a")

    assert await positions(psql, "w") == pytest.approx([0, 0.1])


async def test_a_pool_takes_no_more_than_it_asks_for(pool):
    await pool.insert("w", *[step(f"s{n}") for n in range(5)])

    assert len(await pool.claim(limit=3)) == 3
    assert await pool.claim(limit=0) == []
    assert len(await pool.claim(limit=3)) == 2


async def test_a_pool_takes_from_the_queues_it_names_only(pool):
    await pool.insert("w", step("a", queue="web"), step("b"), step("c", queue="Web"))

    assert await names(pool, queue="web") == ["a"]
    assert await names(pool, queue="nobody's") == []


async def test_two_pools_share_without_taking_anything_twice(pool, other):
    await pool.insert("w", *[step(f"s{n}") for n in range(10)])
    async with pool.connection.transaction():
        mine = await names(pool, limit=4)
        theirs = await names(other, limit=10)

    assert len(mine) == 4
    assert sorted(mine + theirs) == [f"s{n}" for n in range(10)]


@pytest.mark.parametrize("waits", ["scheduled", "retryable", "suspended", "executing"])
async def test_only_what_is_available_is_claimed(pool, other, waits):
    await pool.insert("w", step("first"), step("a", "first"), step("later", schedule_in=60))
    (first,) = await pool.claim()
    if waits == "retryable":
        await pool.settle(outcome(first, "failed", delay=60))

    assert await other.claim() == []


async def test_a_claim_delivers_all_that_the_step_needs_to_run(pool):
    options = {"args": '{"x": null}', "references": '[["x", "a"]]', "timeout": 2.5, "max_attempts": 7, "queue": "web"}
    await pool.insert("w", step("a"), step("b"), step("c", "a", "b", reads=["b", "a"], worker="joins", **options))
    await pool.end("w", completed="a b")

    (claimed,) = await pool.claim(queue="web")

    assert (claimed.workflow_id, claimed.workflow_name, claimed.step, claimed.queue) == ("w", None, "c", "web")
    assert (claimed.worker, claimed.args, claimed.arg_refs) == ("joins", '{"x": null}', '[["x", "a"]]')
    assert (claimed.attempt, claimed.max_attempts, claimed.timeout) == (1, 7, 2.5)
    assert claimed.results == '{ "b" : "b", "a" : "a" }'


async def test_a_claim_delivers_only_the_results_that_are_read(pool):
    await pool.insert("w", step("a"), step("b"), step("c", "a", "b", reads=["b"]), step("d", "a"))
    await pool.end("w", completed="a b")

    found = {claimed.step: claimed.results for claimed in await pool.claim()}

    assert found == {"c": '{ "b" : "b" }', "d": None}


async def test_what_is_given_back_comes_before_what_was_released_later(pool):
    await pool.insert("w", step("a"))
    await pool.claim()
    await pool.insert("v", step("b"))
    await pool.settle(*pool.outcomes("w", given_back="a"))

    assert await names(pool) == ["a", "b"]


async def test_a_failed_step_queues_behind_what_was_released_meanwhile(pool):
    await pool.insert("w", step("a"))
    await pool.claim()
    await pool.insert("v", step("b"))
    await pool.settle(*pool.outcomes("w", failed="a"))

    assert await names(pool) == ["b", "a"]


async def test_an_empty_queue_is_claimed_from_only_if_outcomes_release_into_it(pool):
    await pool.insert("first", step("a"), step("b", "a", queue="beside"))
    await pool.insert("second", step("c", queue="other"))
    (claimed,) = await pool.claim()
    limits = {"beside": 5, "other": 5}

    advanced = await pool.store.advance(
        pool.id, [outcome(claimed, "completed")], ClaimRequest(uuid4(), limits, frozenset(limits))
    )

    assert [one.step for one in advanced.claimed] == ["b"]
