"""A running pool, and a worker that fails where the test says so. After each test the counts are checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from baton import Context, Engine, Run, WorkerPool, worker
from tests.database.raw_pool import assert_consistent
from tests.effects import Effects
from tests.programs.fault_workers import EFFECTS


class Program:
    """What the steps of a test do, and how often each ran."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        """The steps that fail, by the last part of their names."""
        self.runs: Counter[str] = Counter()
        self.keys: list[str] = []
        """The idempotency keys of all attempts."""
        self.is_checked = True
        """Whether the counts are checked after the test; what is checked knows nothing of `needs`."""
        program = self

        @worker(name="interventions: act", max_attempts=1)
        async def act(ctx: Context, value: Any = None, *more: Any) -> Any:
            program.runs[ctx.step] += 1
            program.keys.append(ctx.idempotency_key)
            if ctx.step in program.failing:
                raise ValueError(f"{ctx.step} fails")
            return value

        self.act = act

    @staticmethod
    async def states(run: Run) -> dict[str, str]:
        """The states of all steps, of those in groups too."""
        found = {}
        to_come = list(await run.steps())
        while to_come:
            step = to_come.pop(0)
            found[step.name] = step.state
            to_come = [*step.children, *to_come]
        return found


@pytest.fixture
async def program(database: str) -> AsyncIterator[Program]:
    program = Program()
    yield program
    if not program.is_checked:
        return
    connection = await asyncpg.connect(database)
    try:
        await assert_consistent(connection)
    finally:
        await connection.close()


@pytest.fixture
async def pool(engine: Engine, program: Program) -> AsyncIterator[WorkerPool]:
    """A pool that runs from the beginning of the test to its end."""
    async with WorkerPool(engine, poll=0.5) as pool:
        yield pool


@pytest.fixture(autouse=True)
def _effects_of_this_process(effects: Effects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that run in a pool of the test itself write to the same log as those of other processes."""
    monkeypatch.setenv(EFFECTS, str(effects.path))
