"""Limits that are changed while steps execute, and exactness under many claimers at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import pytest

from baton.database.messages import Claimed, ClaimRequest
from tests.database.raw_pool import RawPool, outcome, step, workflow
from tests.waiting import eventually

COUNT = "select count(*) from queue where state = 'executing'"
WORST_LANE = """
select coalesce(max(n), 0)
  from (select count(*) as n from queue where state = 'executing' and lane is not null group by lane) as l
"""


async def inserted(pool, count, lanes=1):
    for number in range(count):
        only = step("a", lane=f"lane {number % lanes}", priority=1)
        await pool.store.insert_workflow(workflow(f"w{number}", only))


@dataclass
class Claimer:
    """A pool that claims and settles as fast as it can, and keeps a few steps executing."""

    pool: RawPool
    held: list[Claimed] = field(default_factory=list)
    settled: int = 0
    errors: list[Exception] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        memory = None
        while not stop.is_set():
            done, self.held = self.held[:5], self.held[5:]
            settling = [outcome(claimed, "completed") for claimed in done]
            try:
                advanced = await self.pool.store.advance(
                    self.pool.id, settling, ClaimRequest(uuid4(), {"default": 10}, memory=memory)
                )
            except asyncpg.LockNotAvailableError as error:
                self.errors.append(error)
                continue
            self.settled += len(settling)
            self.held += advanced.claimed
            memory = advanced.memory
            if memory is not None and json.loads(memory)["default"].get("next_in") == 0:
                claims = await self.pool.store.claim(self.pool.id, ClaimRequest(uuid4(), {"default": 10}))
                self.held += claims


@pytest.fixture
async def claimers(connect):
    """Four pools that claim and settle until the test ends."""
    stop, pools = asyncio.Event(), [Claimer(await RawPool.register(await connect())) for _ in range(4)]
    tasks: list[asyncio.Future[None]] = []

    def start() -> Sequence[Claimer]:
        tasks.extend(asyncio.ensure_future(one.run(stop)) for one in pools)
        return pools

    yield start
    stop.set()
    await asyncio.gather(*tasks)


async def settled(claimers, count):
    """Wait until this many steps have ended."""
    await eventually(lambda: sum(one.settled for one in claimers) >= count, deadline=30)


async def watched(psql, claimers, count, limits):
    """Look at what executes until `count` steps have ended; return the most of each statement in `limits`."""
    most = dict.fromkeys(limits, 0)
    while sum(one.settled for one in claimers) < count:
        for statement in limits:
            most[statement] = max(most[statement], await psql.fetchval(statement))
    return most


async def test_many_claimers_never_exceed_a_limit(pool, psql, limit, claimers):
    await inserted(pool, 600, lanes=20)
    await limit(running=24, lane_running=3)

    most = await watched(psql, claimers(), 500, [COUNT, WORST_LANE])

    assert most[COUNT] <= 24
    assert most[WORST_LANE] <= 3
    assert most[COUNT] >= 12, "the limit was not nearly reached, so nothing is shown"


async def test_many_claimers_never_exceed_the_limit_of_a_lane(pool, psql, limit, claimers):
    """Without a limit of the queue, whose lock would keep the claims apart."""
    await inserted(pool, 600, lanes=6)
    await limit(lane_running=3)

    most = await watched(psql, claimers(), 500, [WORST_LANE])

    assert most[WORST_LANE] == 3


async def test_the_first_limit_of_a_queue_counts_claims_under_way(pool, psql, limit, claimers):
    """What executes may be more than the limit then; but from that moment on it grows no more."""
    await inserted(pool, 1500)
    working = claimers()
    await settled(working, 100)

    await limit(running=6)

    after = await psql.fetchval(COUNT)
    most = await watched(psql, working, sum(one.settled for one in working) + 200, [COUNT])
    assert most[COUNT] <= max(6, after)
    await eventually(lambda: executes_at_most(psql, 6))
    most = await watched(psql, working, sum(one.settled for one in working) + 50, [COUNT])
    assert most[COUNT] <= 6


async def executes_at_most(psql, count):
    return await psql.fetchval(COUNT) <= count


async def test_a_limit_is_changed_under_load(pool, psql, limit, claimers):
    await inserted(pool, 2000, lanes=10)
    await limit(running=400)
    working = claimers()
    for given in ({"running": 8}, {"running": 500}, {"running": 8, "lane_running": 2}, {"running": 5}):
        await limit(**given)
        after = await psql.fetchval(COUNT)
        most = await watched(psql, working, sum(one.settled for one in working) + 60, [COUNT])
        assert most[COUNT] <= max(given["running"], after)


async def test_a_change_waits_for_claims_under_way(pool, connect, limit, psql):
    """A claim that began without the limit, and has not committed."""
    await inserted(pool, 5)
    slow = await RawPool.register(await connect())
    async with slow.connection.transaction():
        assert len(await slow.claim(3)) == 3
        changing = asyncio.ensure_future(limit(running=4))
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        await eventually(lambda: psql.fetchval(waiting), deadline=0.9)
    await changing

    assert len(await pool.claim()) == 1


async def test_a_lane_that_another_claim_holds_is_passed_over_for_now(pool, connect, limit):
    """That claim has not committed, so what it started cannot be counted. The pool asks again soon."""
    await inserted(pool, 1)
    await limit(lane_running=1)
    slow = await RawPool.register(await connect())
    async with slow.connection.transaction():
        assert len(await slow.claim(1)) == 1
        await pool.store.insert_workflow(workflow("urgent", step("a", lane="lane 0", priority=0)))

        advanced = await pool.advance()

        assert advanced.claimed == []
        assert json.loads(advanced.memory)["default"]["next_in"] == 0.001
    assert (await pool.advance()).claimed == []


async def test_a_claim_that_settles_does_not_wait_for_a_change(pool, connect, limit, psql):
    """Else the change, which waits for an entry that is being settled, would wait for the claim, and that for it."""
    await inserted(pool, 3)
    (first,) = await pool.claim(1)
    holder = await connect(search_path="baton")
    async with holder.transaction():
        await holder.fetch("select pg_advisory_xact_lock(claims_gate())")

        advanced = await pool.advance(outcome(first, "completed"))

    assert advanced.accepted == [True]
    assert advanced.claimed == []
    assert json.loads(advanced.memory) == {"default": {"next_in": 0}}


async def test_a_change_that_meets_a_locked_entry_gives_up_soon(pool, connect, psql, limit):
    """Claims of all queues would wait with it; the caller tries again."""
    await inserted(pool, 1)
    (claimed,) = await pool.claim()
    holder = await connect(search_path="baton")
    async with holder.transaction():
        await holder.fetch("select from queue where step_id = $1 for update", claimed.step_id)

        with pytest.raises(asyncpg.LockNotAvailableError):
            await limit(running=4)

    assert await psql.fetchval("select count(*) from queue_settings") == 0


async def test_the_same_limits_again_change_nothing(limit):
    given = {"running": 4, "starts": 10, "per": 60}

    assert [await limit(**given), await limit(**given), await limit(running=4)] == [True, False, True]


async def test_a_lower_limit_starts_nothing_until_less_executes(pool, limit):
    await inserted(pool, 400)
    await limit(running=200)
    claims = await pool.claim(150)
    await limit(running=100)

    advanced = await pool.advance(*[outcome(claimed, "completed") for claimed in claims[:50]])
    assert advanced.claimed == []
    advanced = await pool.advance(*[outcome(claimed, "completed") for claimed in claims[50:53]])
    assert len(advanced.claimed) == 3


async def test_a_removed_limit_bounds_nothing(engine, pool):
    await inserted(pool, 9)
    await engine.limit("default", running=2, starts=1, per=60, lane_running=1)
    assert len(await pool.claim()) == 1

    assert await engine.remove_limit("default")
    assert not await engine.remove_limit("default")

    assert len(await pool.claim()) == 8
    assert await engine.limits() == []
