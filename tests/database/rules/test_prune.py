"""Pruning deletes whole finished workflows, and never one that runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.database.raw_pool import overlap, state, step

AGE = "update workflows set finished_at = finished_at - interval '10 days'"


async def prune(pool, limit=1000, keep=timedelta(days=7)):
    return (await pool.run_upkeep(keep=keep, limit=limit)).pruned


async def finished(pool, psql, *ids, width=2):
    for name in ids:
        await pool.insert(name, *[step(f"s{n}") for n in range(width)])
    await pool.finish()
    await psql.execute(AGE)


async def ids(psql):
    return [row["id"] for row in await psql.fetch("select id from workflows order by id")]


async def test_a_workflow_finished_long_ago_goes_with_all_its_steps(pool, psql):
    await finished(pool, psql, "old")
    await pool.insert("new", step("a"))

    assert await prune(pool) == 1

    assert await ids(psql) == ["new"]
    assert await psql.fetchval("select count(*) from steps") == 1


async def test_what_finished_a_while_ago_is_kept_for_its_time(pool, psql):
    await finished(pool, psql, "w")

    assert await prune(pool, keep=timedelta(days=11)) == 0
    assert await prune(pool, keep=None) == 0
    assert await prune(pool, keep=timedelta(days=9)) == 1


async def test_a_workflow_that_runs_is_kept_however_old_its_steps_are(pool, psql):
    await pool.insert("w", step("a"), step("b", "a"))
    await pool.end("w", completed="a")
    await psql.execute("update steps set finished_at = now() - interval '1 year' where finished_at is not null")
    await psql.execute("update workflows set inserted_at = now() - interval '1 year'")

    assert await prune(pool) == 0


async def test_a_workflow_opened_again_is_kept(pool, psql):
    await finished(pool, psql, "w")
    await pool.retry("w", "s0")

    assert await prune(pool) == 0
    assert await state(psql, "w") == "executing"


async def test_pruning_is_in_batches_of_steps_oldest_workflow_first(pool, psql):
    """At least one workflow each time, however large."""
    await finished(pool, psql, "first", width=5)
    await finished(pool, psql, "second", "third", width=2)

    assert await prune(pool, limit=3) == 1
    assert await ids(psql) == ["second", "third"]
    assert await prune(pool, limit=4) == 2


async def test_pruning_goes_on_past_old_workflows_that_run(pool, psql):
    for n in range(5):
        await pool.insert(f"runs {n}", step("s0"), step("s1", "s0"))
    await pool.insert("old", step("s0"))
    await pool.end("old", completed="s0")
    await psql.execute(AGE)
    await psql.execute("update workflows set inserted_at = inserted_at - interval '11 days'")

    assert await prune(pool, limit=2) == 1
    assert len(await ids(psql)) == 5


async def test_the_next_round_prunes_what_finished_behind_the_last_one(pool, psql):
    await pool.insert("late", step("s0"))
    await finished(pool, psql, "early")
    await psql.execute("update workflows set state = 'executing', remaining = 1, finished_at = null where id = 'late'")
    await psql.execute("update workflows set inserted_at = inserted_at - interval '11 days'")
    assert [await prune(pool, limit=2), await prune(pool, limit=2)] == [1, 0]
    finish = "update workflows set state = 'completed', remaining = 0, finished_at = now() - interval '8 days'"
    await psql.execute(finish)

    assert await prune(pool, limit=2) == 1


async def test_one_pool_prunes_at_a_time(pool, other, psql):
    await finished(pool, psql, "first", "second")
    async with pool.connection.transaction():
        assert await prune(pool, limit=2) == 1

        assert await asyncio.wait_for(prune(other), 0.5) == 0

    assert await prune(other) == 1


async def test_a_locked_workflow_is_skipped(pool, other, psql):
    await finished(pool, psql, "held", "free")
    async with psql.transaction():
        await psql.execute("select from workflows where id = 'held' for share")

        assert await asyncio.wait_for(prune(other), 0.5) == 1

    assert await ids(psql) == ["held"]


async def test_a_retry_that_waited_for_the_prune_finds_nothing(pool, other, psql):
    await finished(pool, psql, "w")

    pruned, retried = await overlap(pool.connection, prune(pool), other.connection, other.retry("w", "s0"))

    assert (pruned, retried.count) == (1, None)


async def test_a_workflow_being_retried_is_not_pruned(pool, other, psql):
    await finished(pool, psql, "w")
    async with pool.connection.transaction():
        await pool.retry("w", "s0")

        assert await prune(other) == 0

    assert await state(psql, "w") == "executing"


async def test_an_insert_that_waited_for_the_prune_inserts_anew(pool, other, psql):
    await finished(pool, psql, "w")

    pruned, inserted = await overlap(
        pool.connection, prune(pool), other.connection, other.insert("w", step("s0"), step("s1"))
    )

    assert (pruned, inserted.is_new) == (1, True)
    assert await state(psql, "w") == "executing"


async def test_a_workflow_found_by_an_insert_is_kept_until_that_commits(pool, other, psql):
    await finished(pool, psql, "w")
    async with pool.connection.transaction():
        assert not (await pool.insert("w", step("s0"), step("s1"))).is_new

        assert await prune(other) == 0


async def test_a_late_outcome_of_a_pruned_workflow_is_refused(pool, psql):
    await finished(pool, psql, "w")
    await prune(pool)

    assert await pool.settle(*pool.outcomes("w", completed="s0 s1")) == [False, False]
