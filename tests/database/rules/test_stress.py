"""Everything at once on a few workflows: no deadlock, and every count is right afterwards (rule 2)."""

from __future__ import annotations

import asyncio
import random
import time

import asyncpg
import pytest

from tests.database.raw_pool import RawPool, assert_consistent, outcome, state, step

SECONDS = 4
FLOWS = [f"w{n}" for n in range(3)]
KINDS = ["completed"] * 6 + ["failed", "discarded", "cancelled", "skipped", "snoozed", "given_back", "unknown_worker"]
FLAGS = ["", "", "", "cancelled", "discarded", "skipped", "cancelled discarded skipped"]


def graph(chance, width=12):
    """A random graph: each step waits for up to three of those before it."""
    names = [f"s{n}" for n in range(width)]
    return [
        step(
            name,
            *chance.sample(names[:n], min(n, chance.randrange(4))),
            ignoring=chance.choice(FLAGS),
            max_attempts=chance.randint(1, 4),
        )
        for n, name in enumerate(names)
    ]


class RandomCalls:
    """Makes one random call after another on its own connection."""

    def __init__(self, pool, seed):
        self.pool = pool
        self.chance = random.Random(seed)
        self.done = dict.fromkeys(
            ("settle", "advance", "claim", "cancel", "retry", "run_upkeep", "heartbeat", "locked"), 0
        )
        self.sent = []

    async def make_calls(self, until):
        while time.monotonic() < until:
            thing = self.chance.choices(list(THINGS), weights=list(THINGS.values()))[0]
            try:
                await getattr(self, thing)()
                self.done[thing] += 1
            except asyncpg.LockNotAvailableError:
                self.done["locked"] += 1

    def some_outcomes(self):
        claims = list(self.pool.held.values())
        chosen = self.chance.sample(claims, min(len(claims), self.chance.randint(1, 6)))
        self.sent = [outcome(claimed, self.chance.choice(KINDS), delay=0) for claimed in chosen] or self.sent
        for claimed in chosen:
            del self.pool.held[claimed.workflow_id, claimed.step]
        return self.sent

    async def settle(self):
        await self.pool.settle(*self.some_outcomes())

    async def advance(self):
        await self.pool.advance(*self.some_outcomes(), limit=self.chance.randint(0, 4))

    async def claim(self):
        await self.pool.claim(limit=self.chance.randint(1, 4))

    async def cancel(self):
        steps = self.chance.choice([(), (f"s{self.chance.randrange(12)}",)])
        await self.pool.cancel(self.chance.choice(FLOWS), *steps)

    async def retry(self):
        steps = self.chance.choice([(), (), (f"s{self.chance.randrange(12)}",)])
        await self.pool.retry(self.chance.choice(FLOWS), *steps)

    async def run_upkeep(self):
        await self.pool.connection.execute(
            "update baton.queue set state = 'available' where step_id in (select step_id from baton.queue "
            "where state in ('scheduled', 'retryable') for update skip locked)"
        )
        await self.pool.run_upkeep()

    async def heartbeat(self):
        """Send a heartbeat: now and then without what is held; or leave and come back as another pool."""
        if self.chance.random() < 0.2:
            await self.pool.store.deregister(self.pool.id)
            self.pool.id = (await RawPool.register(self.pool.connection)).id
            self.pool.beats = 0
        held = [claimed.token for claimed in self.pool.held.values()]
        await self.pool.heartbeat(*self.chance.choice([held, []]))


THINGS = {"settle": 6, "advance": 6, "claim": 4, "cancel": 1, "retry": 2, "run_upkeep": 1, "heartbeat": 1}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_random_calls_on_a_few_workflows_neither_deadlock_nor_miscount(connect, psql, seed):
    chance = random.Random(seed)
    rioters = [RandomCalls(await RawPool.register(await connect()), seed * 100 + n) for n in range(6)]
    for name in FLOWS:
        await rioters[0].pool.insert(name, *graph(chance))

    until = time.monotonic() + SECONDS
    riots = [asyncio.ensure_future(rioter.make_calls(until)) for rioter in rioters]
    while time.monotonic() < until:
        # Each answer is one snapshot, so the counts must be right at any moment.
        await assert_consistent(psql)
        await asyncio.sleep(0.05)
    await asyncio.gather(*riots)

    total = {thing: sum(rioter.done[thing] for rioter in rioters) for thing in rioters[0].done}
    assert min(total[thing] for thing in THINGS) > 10, total


async def test_everything_finishes_after_random_cancels_and_retries(connect, psql):
    rioters = [RandomCalls(await RawPool.register(await connect()), n) for n in range(4)]
    for name in FLOWS:
        await rioters[0].pool.insert(name, *graph(random.Random(7)))
    until = time.monotonic() + 1
    await asyncio.gather(*[rioter.make_calls(until) for rioter in rioters])
    for rioter in rioters:
        await rioter.pool.store.deregister(rioter.pool.id)

    last = await RawPool.register(await connect())
    await last.run_upkeep()
    await psql.execute("update queue set state = 'available' where state <> 'executing'")
    await last.finish()

    assert "executing" not in [await state(psql, name) for name in FLOWS]
