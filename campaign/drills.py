"""Small scenes played by hand with the engine's functions, beside everything else: what chance would rarely bring about.

The drills' queues are served by nobody else; their pools are rescued by everybody's sweeps.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg

from baton.database.rows import Claimed, Claiming, Settling
from campaign.house import Admin
from campaign.load import Report
from campaign.tally import Tally
from tests.database.raw import RawPool, Step, outcome, step

LEASE_SECONDS = 300.0
RESCUE_SECONDS = 12.0
DRILL_SECONDS = 40.0
HOLD_SECONDS = 0.06
PAUSE_SECONDS = 0.15
INTERRUPTIONS = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""What a restart of the server does to a scene: it is played again."""


class Wrong(Exception):  # noqa: N818 - it is a finding
    """The engine answered otherwise than promised."""


def demand(is_true: object, finding: str) -> None:
    if not is_true:
        raise Wrong(finding)


@dataclass(slots=True)
class Stage:
    """One scene: a queue and workflow ids of its own, and connections."""

    dsn: str
    queue: str
    chance: random.Random
    tally: Tally
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _flows: int = 0

    @classmethod
    @asynccontextmanager
    async def set(cls, dsn: str, queue: str, chance: random.Random, tally: Tally) -> AsyncIterator[Stage]:
        stage = cls(dsn, queue, chance, tally)
        async with stage._stack:
            yield stage

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
        """Complete whatever can be claimed, until nothing can."""
        while claimed := await self.claim(pool):
            accepted = await pool.settle(*[outcome(one, "completed") for one in claimed])
            demand(all(accepted), f"completions of fresh claims were refused: {accepted}")


async def zombie(stage: Stage) -> None:
    """A pool outlives its lease: it stays dead, and what it settles counts for nothing, alone or beside what is valid."""
    dead, living = await stage.pool(), await stage.pool()
    workflow = await stage.insert(living, stage.step("prey"), stage.step("after", "prey"))
    (old,) = await stage.claim(dead)
    stale = outcome(old, stage.chance.choice(("completed", "completed", "discarded", "skipped")), '"stale"')

    await living.connection.execute("update pools set expires_at = clock_timestamp() where id = $1", dead.id)
    await _until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    demand(not (await dead.beat(old.token)).is_alive, "a beat revived a pool whose step had been rescued")
    demand(not any(await dead.settle(stale)), "an outcome was accepted after its step had been rescued")
    await _hurry(living, old.step_id)
    demand(await stage.claim(dead) == [], "a dead pool was given a step")

    (new,) = await stage.claim(living)
    demand(new.attempt == 2, f"after one lost attempt comes attempt {new.attempt}")
    demand(await dead.settle(stale) == [False], "an outcome was accepted whose step belonged to another")
    valid = outcome(new, "completed", '"valid"')
    both = [stale, valid]
    stage.chance.shuffle(both)
    expected = [one is valid for one in both]
    for _ in range(2):
        answered = await living.settle(*both)
        demand(answered == expected, f"of a stale and a valid outcome {answered} was accepted, not {expected}")
    await _demand_stored(living, valid)
    await stage.finish(living)
    await _demand_ended(living, workflow, "completed")
    stage.tally.add("zombie drills")


async def replay(stage: Stage) -> None:
    """A claim is sent three times, twice at once: it takes its limit once. So with what is settled."""
    pools = [await stage.pool() for _ in range(2)]
    workflow = await stage.insert(pools[0], *[stage.step(f"s{n}") for n in range(6)])
    claiming = Claiming(uuid4(), {stage.queue: 2})
    answers = [await pools[0].store.claim(pools[0].id, claiming)]
    answers += await asyncio.gather(*[pool.store.claim(pools[0].id, claiming) for pool in pools])
    for answer in answers[1:]:
        told, first = [one.step for one in answer], [one.step for one in answers[0]]
        demand(told == first, f"a claim brought {first}, the same sent again {told}")
    count = await pools[0].connection.fetchval("select count(*) from queue where token = $1", claiming.token)
    demand(count == 2, f"a token that was to take 2 steps took {count}")

    outcomes = [outcome(one, "completed") for one in answers[0]]
    for pool in (*pools, pools[0]):
        demand(all(await pool.settle(*outcomes)), "what had been accepted was refused when it was sent again")
    await stage.finish(pools[0])
    await _demand_ended(pools[0], workflow, "completed")
    stage.tally.add("replay drills")


async def forgotten_pool(stage: Stage) -> None:
    """A pool is gone from the table with a step still its own, as after a claim that committed late: rescued."""
    lost, living = await stage.pool(), await stage.pool()
    await stage.insert(living, stage.step("only"))
    (old,) = await stage.claim(lost)
    await living.connection.execute(
        "update pools set dead_at = clock_timestamp() - interval '2 days' where id = $1", lost.id
    )
    await _until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    await _hurry(living, old.step_id)
    await stage.finish(living)
    stage.tally.add("forgotten pool drills")


async def giving_back(stage: Stage) -> None:
    """Given back by its pool, or by the sweep because the claim's answer was lost, a step spends no attempt."""
    pool = await stage.pool()
    await stage.insert(pool, stage.step("returned"), stage.step("unanswered"), stage.step("kept"))
    claims = {one.step: one for _ in range(3) for one in await stage.claim(pool, 1)}
    await pool.settle(outcome(claims["returned"], "given_back"))
    for _ in range(2):
        await pool.beat(claims["kept"].token)
    await _until(pool, "select state from queue where step_id = $1", claims["unanswered"].step_id, "available")
    state = await pool.connection.fetchval("select state from queue where step_id = $1", claims["kept"].step_id)
    demand(state == "executing", f"a claim that its pool lists was taken away: it is {state}")
    for one in await stage.claim(pool):
        demand(one.attempt == 1, f"{one.step} was given back, and its next attempt is {one.attempt}")
        demand(await pool.settle(outcome(one, "completed")) == [True], "a completion was refused")
    await pool.settle(outcome(claims["kept"], "completed"))
    stage.tally.add("giving back drills")


async def settle_storm(stage: Stage) -> None:
    """Last dependencies settle in transactions that overlap for certain: each dependent is served once."""
    pools = [await stage.pool() for _ in range(3)]
    holder = await stage.connection()
    kinds = [stage.chance.choice(("completed", "completed", "cancelled", "skipped", "discarded")) for _ in range(3)]
    children = [
        stage.step(f"child {n}", *[f"parent {m}" for m in range(3)], ignoring=stage.chance.choice(("", "", "discarded")))
        for n in range(3)
    ]
    workflow = await stage.insert(pools[0], *[stage.step(f"parent {n}") for n in range(3)], *children)
    claims = await stage.claim(pools[0])
    calls = [pool.settle(outcome(one, kind)) for pool, one, kind in zip(pools, claims, kinds, strict=True)]
    if stage.chance.random() < 0.3:
        calls.append((await stage.pool()).cancel(workflow))
    # Nobody may write a record without the workflow's lock; who waits for this one lacks it.
    await _overlapping(holder, "select from steps where id = $1 for update", claims[0].step_id + 3, calls)
    await _demand_counts(pools[0], workflow)
    await stage.finish(pools[0])
    await _demand_ended(pools[0], workflow, None)
    stage.tally.add("storms of settles")


async def counting(stage: Stage) -> None:
    """All dependencies settle in one batch, beside a batch with some of another's: each is taken off once."""
    pool = await stage.pool()
    parents = [f"parent {n}" for n in range(12)]
    workflow = await stage.insert(pool, *map(stage.step, parents), stage.step("join", *parents))
    await stage.finish(pool)
    await _demand_ended(pool, workflow, "completed")
    stage.tally.add("joins in one batch")


async def lock_storm(stage: Stage) -> None:
    """Batches over the same workflows, in every order, at once: nobody waits for a lock in a circle."""
    pools = [await stage.pool() for _ in range(4)]
    holder = await stage.connection()
    flows = [await stage.insert(pools[0], *[stage.step(f"s{n}") for n in range(4)]) for _ in range(4)]
    claims = await stage.claim(pools[0])
    by_pool = [[one for one in claims if one.step == f"s{n}"] for n in range(4)]
    for batch in by_pool:
        stage.chance.shuffle(batch)
    calls = [
        pool.settle(*[outcome(one, "completed") for one in batch]) for pool, batch in zip(pools, by_pool, strict=True)
    ]
    query = "select from workflows where id = $1 for no key update"
    accepted = await _overlapping(holder, query, stage.chance.choice(flows), calls)
    demand(all(map(all, accepted)), f"completions of fresh claims were refused: {accepted}")
    for workflow in flows:
        await _demand_ended(pools[0], workflow, "completed")
    stage.tally.add("lock order storms")


SCENES: Sequence[Callable[[Stage], Coroutine[Any, Any, None]]] = (
    zombie, replay, forgotten_pool, giving_back, settle_storm, counting, lock_storm, settle_storm, lock_storm,
)


@dataclass(slots=True)
class Drills:
    """Plays one scene after another."""

    dsn: str
    seed: str
    admin: Admin
    tally: Tally
    report: Report

    async def watch(self) -> None:
        """Play for ever."""
        number = 0
        while True:
            scene = SCENES[number % len(SCENES)]
            await self.play(scene, number)
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def play(self, scene: Callable[[Stage], Coroutine[Any, Any, None]], number: int) -> None:
        chance = random.Random(f"{self.seed}/drill/{number}")
        name = scene.__name__.replace("_", " ")
        try:
            async with asyncio.timeout(DRILL_SECONDS), Stage.set(self.dsn, f"drill {number}", chance, self.tally) as stage:
                await scene(stage)
        except INTERRUPTIONS:
            self.tally.add("drills interrupted")
            await asyncio.sleep(0.5)
        except Exception as error:  # noqa: BLE001 - whatever it was, it reached a caller
            self.report(f"drill {number}, {name}: {type(error).__name__}: {error}")


async def _overlapping(
    holder: asyncpg.Connection, lock: str, argument: object, calls: Sequence[Coroutine[Any, Any, Any]]
) -> list[Any]:
    """Begin all the calls while the holder has this lock, and return their answers."""
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


async def _until(pool: RawPool, query: str, argument: object, expected: str) -> None:
    """Wait until the query says so, sweeping meanwhile, as every pool does."""
    ends = time.monotonic() + RESCUE_SECONDS
    while (state := await pool.connection.fetchval(query, argument)) != expected:
        demand(time.monotonic() < ends, f"it was to be {expected} within {RESCUE_SECONDS:.0f} s, and is {state}")
        await _sweep(pool)
        await asyncio.sleep(0.05)


async def _sweep(pool: RawPool) -> None:
    try:
        await pool.tick()
    except asyncpg.LockNotAvailableError:
        await asyncio.sleep(0.1)


async def _hurry(pool: RawPool, step_id: int) -> None:
    """Let the next attempt be due now."""
    await pool.connection.execute("update queue set scheduled_at = clock_timestamp() where step_id = $1", step_id)
    await _until(pool, "select state from queue where step_id = $1", step_id, "available")


async def _demand_stored(pool: RawPool, valid: Settling) -> None:
    query = "select token, result::text as result, state from steps where id = $1"
    row = await pool.connection.fetchrow(query, valid.step_id)
    demand(row is not None and row["token"] == valid.token, f"stored is another token than the valid one: {row}")
    demand(row["result"] == valid.outcome.detail, f"stored is another result than the valid one: {dict(row)}")


async def _demand_ended(pool: RawPool, workflow: str, state: str | None) -> None:
    row = await pool.connection.fetchrow("select state, remaining from workflows where id = $1", workflow)
    demand(row["remaining"] == 0 and row["state"] in (state, state or row["state"]), f"{workflow} is {dict(row)}")
    demand(row["state"] != "executing", f"{workflow} is {dict(row)}")


async def _demand_counts(pool: RawPool, workflow: str) -> None:
    """The workflow counts its open steps rightly, and each open step what it waits for."""
    rows = await pool.connection.fetch(
        "select name, state, pending, finished_at, dependencies from steps_view where workflow_id = $1", workflow
    )
    states = {row["name"]: row["state"] for row in rows}
    remaining = await pool.connection.fetchval("select remaining from workflows where id = $1", workflow)
    is_open = sum(row["finished_at"] is None for row in rows)
    demand(remaining == is_open, f"{workflow} counts {remaining} open steps, and has {is_open}: {json.dumps(states)}")
