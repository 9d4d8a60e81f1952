"""What a drill works with: a queue of its own, raw pools, and checks of what the engine answers."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from baton.database.messages import Claimed, Settlement
from campaign.tally import Tally
from tests.database.raw_pool import RawPool, Step, outcome, step

LEASE_SECONDS = 300.0
RESCUE_SECONDS = 12.0
HOLD_SECONDS = 0.06


class BrokenPromise(Exception):  # noqa: N818 - it is a finding
    """The engine answered something else than it promises."""


def require(is_true: object, finding: str) -> None:
    if not is_true:
        raise BrokenPromise(finding)


@dataclass(slots=True)
class Drill:
    """One drill: a queue and workflow ids of its own, and connections."""

    dsn: str
    queue: str
    chance: random.Random
    tally: Tally
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _flows: int = 0

    @classmethod
    @asynccontextmanager
    async def begun(cls, dsn: str, queue: str, chance: random.Random, tally: Tally) -> AsyncIterator[Drill]:
        drill = cls(dsn, queue, chance, tally)
        async with drill._stack:
            yield drill

    async def connection(self) -> asyncpg.Connection:
        settings = {"application_name": "drill", "search_path": "baton"}
        connection = await asyncpg.connect(self.dsn, server_settings=settings, timeout=10, command_timeout=20)
        self._stack.callback(connection.terminate)
        return connection

    async def pool(self) -> RawPool:
        return await RawPool.register(await self.connection(), lease_seconds=LEASE_SECONDS)

    def step(self, name: str, *deps: str, **options: Any) -> Step:
        return step(name, *deps, queue=self.queue, **options)

    async def insert(self, pool: RawPool, *steps: Step) -> str:
        self._flows += 1
        workflow = f"{self.queue}/{self._flows}"
        await pool.insert(workflow, *steps)
        return workflow

    async def claim(self, pool: RawPool, limit: int = 1000) -> list[Claimed]:
        return await pool.claim(limit, self.queue)

    async def finish(self, pool: RawPool) -> None:
        """Complete all that can be claimed, until nothing can."""
        while claimed := await self.claim(pool):
            accepted = await pool.settle(*[outcome(one, "joined" if one.is_join else "completed") for one in claimed])
            require(all(accepted), f"completions of fresh claims were refused: {accepted}")


async def overlapping(
    holder: asyncpg.Connection, lock: str, argument: object, calls: Sequence[Coroutine[Any, Any, Any]]
) -> list[Any]:
    """Start all calls while the holder has this lock, and return their answers."""
    together = [asyncio.create_task(call) for call in calls]
    try:
        async with holder.transaction():
            await holder.execute(lock, argument)
            await asyncio.sleep(HOLD_SECONDS)
    finally:
        answers = await asyncio.gather(*together, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


async def until(pool: RawPool, query: str, argument: object, expected: str) -> None:
    """Wait until the query returns `expected`; sweep meanwhile, as every pool does."""
    ends = time.monotonic() + RESCUE_SECONDS
    while (state := await pool.connection.fetchval(query, argument)) != expected:
        require(time.monotonic() < ends, f"it should be {expected} within {RESCUE_SECONDS:.0f} s, and is {state}")
        await sweep(pool)
        await asyncio.sleep(0.05)


async def sweep(pool: RawPool) -> None:
    try:
        await pool.run_upkeep()
    except asyncpg.LockNotAvailableError:
        await asyncio.sleep(0.1)


async def make_due(pool: RawPool, step_id: int) -> None:
    """Make the next attempt due now."""
    await pool.connection.execute("update queue set scheduled_at = clock_timestamp() where step_id = $1", step_id)
    await until(pool, "select state from queue where step_id = $1", step_id, "available")


async def require_stored(pool: RawPool, valid: Settlement) -> None:
    query = "select token, result::text as result, state from steps where id = $1"
    row = await pool.connection.fetchrow(query, valid.step_id)
    assert row is not None
    require(row["token"] == valid.token, f"the stored token is not the valid one: {row}")
    require(row["result"] == valid.outcome.detail, f"the stored result is not the valid one: {dict(row)}")


async def require_ended(pool: RawPool, workflow: str, state: str | None) -> None:
    row = await pool.connection.fetchrow("select state, remaining from workflows where id = $1", workflow)
    assert row is not None
    require(row["remaining"] == 0 and row["state"] in (state, state or row["state"]), f"{workflow} is {dict(row)}")
    require(row["state"] != "executing", f"{workflow} is {dict(row)}")


async def require_counts(pool: RawPool, workflow: str) -> None:
    """The workflow counts its open steps correctly; `campaign.audit` checks what each of them waits for."""
    rows = await pool.connection.fetch(
        "select name, state, pending, finished_at, dependencies from steps_view where workflow_id = $1", workflow
    )
    states = {row["name"]: row["state"] for row in rows}
    remaining = await pool.connection.fetchval("select remaining from workflows where id = $1", workflow)
    is_open = sum(row["finished_at"] is None for row in rows)
    require(remaining == is_open, f"{workflow} counts {remaining} open steps, and has {is_open}: {json.dumps(states)}")
