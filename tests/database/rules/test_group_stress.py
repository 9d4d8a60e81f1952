"""Groups in groups under random ends, expansions, cancels, retries and deaths: after each all counts are right."""

from __future__ import annotations

import json
import random

import pytest

from baton.database.messages import Part
from tests.database.consistency import FINAL, demand_sound
from tests.database.raw_groups import MOST, expand, insert
from tests.database.raw_pool import RawPool, outcome, state, steps
from tests.model.random_groups import growth
from tests.programs.group_workers import built

KINDS = ["completed"] * 6 + ["failed", "failed", "discarded", "skipped", "cancelled", "given_back", "snoozed", "lost"]
ROUNDS = 25


class Storm:
    """One workflow, and chance."""

    def __init__(self, pool: RawPool, seed: int) -> None:
        self.pool = pool
        self.seed = seed
        self.chance = random.Random(seed)
        self.graphs = 0

    async def insert(self) -> None:
        await insert(self.pool, built(growth(f"storm/{self.seed}").whole, "w"))

    async def names(self) -> list[str]:
        return list(await steps(self.pool.connection, "w"))

    async def one_round(self) -> None:
        match self.chance.randrange(8):
            case 0:
                await self.pool.cancel("w", *self.chance.sample(await self.names(), 1))
            case 1:
                await self.pool.retry("w", *self.chance.sample(await self.names(), 1))
            case 2 if self.chance.random() < 0.4:
                await self.pool.retry("w")
            case _:
                await self.pool.claim(self.chance.randint(1, 6))
                held = list(self.pool.held.values())
                some = self.chance.sample(held, self.chance.randint(0, len(held)))
                await self.end(some, lambda: self.chance.choice(KINDS))

    async def end(self, claims, kind) -> None:
        """End these claims: expansions in calls of their own, then the others in one batch."""
        outcomes = []
        for claimed in claims:
            del self.pool.held["w", claimed.step]
            drawn = kind()
            if claimed.is_join:
                outcomes.append(outcome(claimed, "joined" if drawn != "lost" else "lost"))
            elif claimed.map is not None and drawn == "completed":
                await self.come_apart(claimed)
            elif drawn == "completed" and self.chance.random() < 0.15 and self.graphs < 5:
                self.graphs += 1
                await expand(self.pool, claimed, built(growth(f"storm/{self.seed}/{self.graphs}").whole))
            else:
                delayed = drawn in ("failed", "lost", "snoozed")
                outcomes.append(outcome(claimed, drawn, delay=0 if delayed else None))
        await self.pool.settle(*outcomes)

    async def come_apart(self, claimed) -> None:
        size = self.chance.randint(0, 5)
        if size == 0:
            await self.pool.settle(outcome(claimed, "completed", "[]"))
            return
        arguments = [json.dumps({"number": number}) for number in range(size)]
        await self.pool.store.expand_map(claimed, size, arguments, Part(None, 0, size), MOST)


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_to_groups_all_counts_are_right_and_the_run_ends(pool, psql, seed):
    storm = Storm(pool, seed)
    await storm.insert()
    for _ in range(ROUNDS):
        await storm.one_round()
        await demand_sound(psql)

    while await pool.claim() or pool.held:
        await storm.end(list(pool.held.values()), lambda: "completed")
        await demand_sound(psql)

    assert {row["state"] for row in (await steps(psql, "w")).values()} <= FINAL
    assert await state(psql, "w") in ("completed", "failed", "cancelled")
