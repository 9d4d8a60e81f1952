"""How many units start in a time, judged by `attempted_at`."""

from __future__ import annotations

import pytest

from baton import Context, WorkerPool, worker
from tests.database.raw_pool import outcome, step, workflow


async def inserted(pool, count, name="w", **options):
    for number in range(count):
        await pool.store.insert_workflow(workflow(f"{name}{number}", step("a", **options)))


async def rest(psql, seconds):
    """Let the rates be earned as if this time had passed."""
    await psql.execute("update queue_rates set spent = spent - interval '1 s' * $1", seconds)
    await psql.execute("update lane_rates set spent = spent - interval '1 s' * $1", seconds)


async def test_no_more_start_at_once_than_the_burst(pool, limit):
    await inserted(pool, 10)
    await limit(starts=1, per=600, burst=3)

    assert [len(await pool.claim()), len(await pool.claim())] == [3, 0]


async def test_units_are_earned_with_time(pool, psql, limit):
    await inserted(pool, 10)
    await limit(starts=1, per=600, burst=3)
    await pool.claim()

    await rest(psql, 1201)

    assert [len(await pool.claim()), len(await pool.claim())] == [2, 0]


async def test_no_more_than_a_burst_is_saved_up(pool, psql, limit):
    await inserted(pool, 10)
    await limit(starts=1, per=600, burst=3)
    await pool.claim()

    await rest(psql, 100_000)

    assert len(await pool.claim()) == 3


async def test_a_start_uses_as_many_units_as_its_job_has(pool, limit):
    await inserted(pool, 10, units=4)
    await limit(starts=1, per=600, burst=10)

    assert len(await pool.claim()) == 2


async def test_a_small_step_does_not_overtake_a_large_one(pool, psql, limit):
    """It would use what the large one waits for, again and again."""
    await inserted(pool, 1, "first", units=5)
    await inserted(pool, 1, "large", units=8)
    await inserted(pool, 1, "small", units=1)
    await limit(starts=1, per=600, burst=10)
    assert [claimed.workflow_id for claimed in await pool.claim()] == ["first0"]

    await rest(psql, 3 * 600 + 1)

    assert [claimed.workflow_id for claimed in await pool.claim()] == ["large0"]


async def test_a_step_larger_than_a_lowered_burst_starts_when_that_is_whole(pool, psql, limit):
    await inserted(pool, 3, units=8)
    await limit(starts=1, per=600, burst=5)

    assert [len(await pool.claim()), len(await pool.claim())] == [1, 0]
    await rest(psql, 7 * 600 + 1)
    assert await pool.claim() == []
    await rest(psql, 600)
    assert len(await pool.claim()) == 1


async def test_a_retry_is_a_start(pool, psql, limit):
    await inserted(pool, 1)
    await limit(starts=1, per=600, burst=1)
    (claimed,) = await pool.claim()
    await pool.settle(outcome(claimed, "failed", delay=0))

    assert await pool.claim() == []
    await rest(psql, 601)
    assert len(await pool.claim()) == 1


async def test_a_lane_has_a_rate_of_its_own(pool, psql, limit):
    await inserted(pool, 5, "red", lane="red")
    await inserted(pool, 5, "blue", lane="blue")
    await limit(lane_starts=1, lane_per=600, lane_burst=2)

    lanes = [claimed.workflow_id[:-1] for claimed in await pool.claim()]
    assert sorted(lanes) == ["blue", "blue", "red", "red"]

    await psql.execute("update lane_rates set spent = spent - interval '601 s' where lane = 'red'")
    assert [claimed.workflow_id[:-1] for claimed in await pool.claim()] == ["red"]


async def test_what_executes_has_the_time_at_which_it_was_counted(pool, psql, limit):
    await inserted(pool, 3)
    await limit(starts=1, per=600, burst=3)
    await pool.claim()

    (spent,) = await psql.fetchrow("select spent from queue_rates")
    times = {row["attempted_at"] for row in await psql.fetch("select attempted_at from queue")}

    assert {(spent - time).total_seconds() for time in times} == {1800.0}


async def test_what_was_used_corrects_the_rate(engine, psql):
    """A start of 10 that used 25, with a lane; the answer of the call is repeated, and counts once."""

    @worker(name="limits used")
    async def used(ctx: Context) -> None:
        ctx.used(12)
        ctx.used(25)

    await engine.limit("default", starts=1, per=600, burst=10, lane_starts=1, lane_per=600, lane_burst=10)
    run = await used.new().with_options(units=10, lane="red").insert()
    async with WorkerPool(engine):
        assert await run.wait(timeout=10) == "completed"

    started = (await run.steps())[0].attempted_at
    for table in ("queue_rates", "lane_rates"):
        spent = await psql.fetchval(f"select spent from {table}")
        assert (spent - started).total_seconds() == pytest.approx(25 * 600, abs=1)
    record = "select write_units(array[step_id], array[token], '{units}', '{9}', '{25}') from used_units"
    await psql.execute(record)
    assert await psql.fetchval("select spent from lane_rates") == spent


async def test_what_was_not_used_is_given_back(engine, psql):
    @worker(name="limits less")
    async def less(ctx: Context) -> None:
        ctx.used(0)

    await engine.limit("default", starts=1, per=600, burst=10)
    run = await less.new().with_options(units=10).insert()
    async with WorkerPool(engine):
        assert await run.wait(timeout=10) == "completed"

    assert (await engine.limits())[0].free_units == 10


@pytest.mark.parametrize("running", [None, 5], ids=["rate only", "with a limit of what runs"])
async def test_the_answer_says_when_the_next_may_start(pool, limit, running):
    import json

    await inserted(pool, 4)
    await limit(starts=1, per=60, burst=2, running=running)

    advanced = await pool.advance()

    (memory,) = json.loads(advanced.memory).values()
    assert 59 < memory["next_in"] <= 60
    assert memory["reached"] == "starts"
