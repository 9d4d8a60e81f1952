"""Random graphs that are inserted again after some steps have changed: what is reused is what the rule says."""

from __future__ import annotations

import random

import asyncpg
import pytest

from baton import Baton, Context, Engine, WorkerPool, result_of, worker
from tests.database.raw_pool import assert_consistent

GRAPHS = 40
SECONDS = 60


class Graph:
    """Steps with a number each, the steps before them, and which of them fail."""

    def __init__(self, chance: random.Random) -> None:
        self.before: list[list[int]] = []
        for place in range(chance.randint(1, 9)):
            self.before.append(chance.sample(range(place), min(place, chance.choice((0, 1, 1, 2, 3)))))
        self.numbers = [chance.randint(0, 2) for _ in self.before]
        self.groups = [chance.random() < 0.2 for _ in self.before]
        self.fails = [chance.random() < 0.15 for _ in self.before]

    def changed(self, chance: random.Random) -> Graph:
        """The same graph, with other numbers or dependencies in some places, and nothing that fails."""
        other = Graph.__new__(Graph)
        other.before = [list(before) for before in self.before]
        other.groups = list(self.groups)
        other.numbers = [number + 10 * (chance.random() < 0.2) for number in self.numbers]
        other.fails = [False] * len(self.fails)
        for place, before in enumerate(other.before):
            if place and chance.random() < 0.1:
                added = chance.randrange(place)
                before.append(added) if added not in before else before.remove(added)
        return other

    def reused_by(self, other: Graph) -> set[int]:
        """The steps that the other graph may take: unchanged, completed, and only behind such ones."""
        completed: set[int] = set()
        reused: set[int] = set()
        for place, before in enumerate(self.before):
            if not self.fails[place] and completed.issuperset(before):
                completed.add(place)
            is_same = self.numbers[place] == other.numbers[place] and set(before) == set(other.before[place])
            if place in completed and is_same and reused.issuperset(before):
                reused.add(place)
        return reused

    def flow(self, work: object) -> Baton:
        flow = Baton.new()
        for place, before in enumerate(self.before):
            inputs = [result_of(f"s{one}") for one in sorted(before)]
            job = work.new(self.numbers[place], inputs, fails=self.fails[place])  # type: ignore[attr-defined]
            if self.groups[place]:
                inner = Baton.new().add("x", job).add("y", work.new(0, [result_of("x")]))  # type: ignore[attr-defined]
                flow.add(f"s{place}", inner)
            else:
                flow.add(f"s{place}", job)
        return flow

    def value(self, place: int) -> int:
        value = self.numbers[place] + sum(self.value(one) for one in self.before[place])
        return value % 1_000_003


@pytest.mark.slow
async def test_random_graphs_reuse_what_is_the_same_and_completed(engine: Engine, connection: asyncpg.Connection, seed):
    """Then they run to their ends, with the results that they would have had without."""
    runs: list[str] = []

    @worker(name="random reuse", max_attempts=1)
    async def work(ctx: Context, number: int, inputs: list[int], fails: bool = False) -> int:
        runs.append(f"{ctx.workflow_id} {ctx.step}")
        if fails:
            raise ValueError(ctx.step)
        return (number + sum(inputs)) % 1_000_003

    async with WorkerPool(engine, poll=0.5):
        for number in range(GRAPHS):
            chance = random.Random(f"{seed} {number}")
            first = Graph(chance)
            # A step that failed has another argument now, so it is another step.
            second = first.changed(chance)
            earlier = await first.flow(work).insert()
            await earlier.wait(timeout=SECONDS)

            run = await second.flow(work).insert(reusing=earlier)

            label = f"BATON_SEED={seed}, graph {number}"
            assert await run.wait(timeout=SECONDS) == "completed", label
            began = {one.split()[1].split("/")[0] for one in runs if one.startswith(run.id)}
            reused = {f"s{place}" for place in first.reused_by(second)}
            assert began == {f"s{place}" for place in range(len(second.before))} - reused, label
            for place in range(len(second.before)):
                assert await run.result(f"s{place}") == second.value(place), label
    await assert_consistent(connection)
