"""Groups in groups under random outcomes, expansions, cancels, retries and lost pools: all counts stay right."""

from __future__ import annotations

import json
import random

import pytest

from baton.database.messages import Part
from tests.database.consistency import FINAL, assert_consistent
from tests.database.raw_groups import MOST, expand, insert
from tests.database.raw_pool import RawPool, outcome, state, steps
from tests.model.random_groups import group_plan
from tests.programs.group_workers import workflow_of

KINDS = ["completed"] * 6 + ["failed", "failed", "discarded", "skipped", "cancelled", "given_back", "snoozed", "lost"]
ROUNDS = 25


class Stress:
    """Random calls on one workflow."""

    def __init__(self, pool: RawPool, seed: int) -> None:
        self.pool = pool
        self.seed = seed
        self.chance = random.Random(seed)
        self.graphs = 0

    async def insert(self) -> None:
        await insert(self.pool, workflow_of(group_plan(f"stress/{self.seed}").whole, "w"))

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
                await self.expand_map(claimed)
            elif drawn == "completed" and self.chance.random() < 0.15 and self.graphs < 5:
                self.graphs += 1
                await expand(self.pool, claimed, workflow_of(group_plan(f"stress/{self.seed}/{self.graphs}").whole))
            else:
                delayed = drawn in ("failed", "lost", "snoozed")
                outcomes.append(outcome(claimed, drawn, delay=0 if delayed else None))
        await self.pool.settle(*outcomes)

    async def expand_map(self, claimed) -> None:
        size = self.chance.randint(0, 5)
        if size == 0:
            await self.pool.settle(outcome(claimed, "completed", "[]"))
            return
        arguments = [json.dumps({"number": number}) for number in range(size)]
        await self.pool.store.expand_map(claimed, size, arguments, Part(None, 0, size), MOST)


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_to_groups_all_counts_are_right_and_the_run_ends(pool, psql, seed):
    stress = Stress(pool, seed)
    await stress.insert()
    for _ in range(ROUNDS):
        await stress.one_round()
        await assert_consistent(psql)

    while await pool.claim() or pool.held:
        await stress.end(list(pool.held.values()), lambda: "completed")
        await assert_consistent(psql)

    assert {row["state"] for row in (await steps(psql, "w")).values()} <= FINAL
    assert await state(psql, "w") in ("completed", "failed", "cancelled")
