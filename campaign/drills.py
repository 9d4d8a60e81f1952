"""Small scenes played by hand with the engine's functions, beside everything else: what chance rarely brings about.

The drills' queues are served by nobody else; their pools are rescued by everybody's sweeps.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg

from baton.core.spec import Extras, Map
from baton.database.messages import ClaimRequest, Part
from campaign.drill import Stage, demand, demand_counts, demand_ended, demand_stored, hurry, overlapping, until
from campaign.load import Report
from campaign.tally import Tally
from tests.database.raw_pool import outcome

DRILL_SECONDS = 40.0
PAUSE_SECONDS = 0.15
INTERRUPTIONS = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,  # on a busy machine; a pool sends its batch again, in parts
)
"""What a restart of the server does to a scene, and a lock held for too long: it is played again later."""


async def zombie(stage: Stage) -> None:
    """A pool outlives its lease: it stays dead, and what it settles counts for nothing, beside what is valid too."""
    dead, living = await stage.pool(), await stage.pool()
    workflow = await stage.insert(living, stage.step("prey"), stage.step("after", "prey"))
    (old,) = await stage.claim(dead)
    stale = outcome(old, stage.chance.choice(("completed", "completed", "discarded", "skipped")), '"stale"')

    await living.connection.execute("update pools set expires_at = clock_timestamp() where id = $1", dead.id)
    await until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    demand(not (await dead.heartbeat(old.token)).is_alive, "a beat revived a pool whose step had been rescued")
    demand(not any(await dead.settle(stale)), "an outcome was accepted after its step had been rescued")
    await hurry(living, old.step_id)
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
    await demand_stored(living, valid)
    await stage.finish(living)
    await demand_ended(living, workflow, "completed")
    stage.tally.add("zombie drills")


async def replay(stage: Stage) -> None:
    """A claim is sent three times, twice at once: it takes its limit once. So with what is settled."""
    pools = [await stage.pool() for _ in range(2)]
    workflow = await stage.insert(pools[0], *[stage.step(f"s{n}") for n in range(6)])
    claiming = ClaimRequest(uuid4(), {stage.queue: 2})
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
    await demand_ended(pools[0], workflow, "completed")
    stage.tally.add("replay drills")


async def forgotten_pool(stage: Stage) -> None:
    """A pool is gone from the table with a step still its own, as after a claim that committed late: rescued."""
    lost, living = await stage.pool(), await stage.pool()
    await stage.insert(living, stage.step("only"))
    (old,) = await stage.claim(lost)
    await living.connection.execute(
        "update pools set dead_at = clock_timestamp() - interval '2 days' where id = $1", lost.id
    )
    await until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    await hurry(living, old.step_id)
    await stage.finish(living)
    stage.tally.add("forgotten pool drills")


async def giving_back(stage: Stage) -> None:
    """Given back by its pool, or by the sweep because the claim's answer was lost, a step spends no attempt."""
    pool = await stage.pool()
    await stage.insert(pool, stage.step("returned"), stage.step("unanswered"), stage.step("kept"))
    claims = {one.step: one for _ in range(3) for one in await stage.claim(pool, 1)}
    await pool.settle(outcome(claims["returned"], "given_back"))
    for _ in range(2):
        await pool.heartbeat(claims["kept"].token)
    await until(pool, "select state from queue where step_id = $1", claims["unanswered"].step_id, "available")
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
        stage.step(
            f"child {n}", *[f"parent {m}" for m in range(3)], ignoring=stage.chance.choice(("", "", "discarded"))
        )
        for n in range(3)
    ]
    workflow = await stage.insert(pools[0], *[stage.step(f"parent {n}") for n in range(3)], *children)
    claims = await stage.claim(pools[0])
    calls: list[Coroutine[Any, Any, Any]] = [
        pool.settle(outcome(one, kind)) for pool, one, kind in zip(pools, claims, kinds, strict=True)
    ]
    if stage.chance.random() < 0.3:
        calls.append((await stage.pool()).cancel(workflow))
    # Nobody may write a record without the workflow's lock; who waits for this one lacks it.
    await overlapping(holder, "select from steps where id = $1 for update", claims[0].step_id + 3, calls)
    await demand_counts(pools[0], workflow)
    await stage.finish(pools[0])
    await demand_ended(pools[0], workflow, None)
    stage.tally.add("storms of settles")


async def counting(stage: Stage) -> None:
    """All dependencies settle in one batch, beside a batch with some of another's: each is taken off once."""
    pool = await stage.pool()
    parents = [f"parent {n}" for n in range(12)]
    workflow = await stage.insert(pool, *map(stage.step, parents), stage.step("join", *parents))
    await stage.finish(pool)
    await demand_ended(pool, workflow, "completed")
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
    accepted = await overlapping(holder, query, stage.chance.choice(flows), calls)
    demand(all(map(all, accepted)), f"completions of fresh claims were refused: {accepted}")
    for workflow in flows:
        await demand_ended(pools[0], workflow, "completed")
    stage.tally.add("lock order storms")


async def expansion(stage: Stage) -> None:
    """A map whose claim was lost is expanded by its heir alone, once; it has begun then, whatever it waited for."""
    dead, living = await stage.pool(), await stage.pool()
    items = Extras(Map(("n",)))
    before = stage.step("before")
    workflow = await stage.insert(living, before, stage.step("map", "before", ignoring="discarded", extras=items, concurrency=2))
    (first,) = await stage.claim(living)
    await living.settle(outcome(first, "discarded"))
    (old,) = await stage.claim(dead)
    await living.connection.execute("update pools set expires_at = clock_timestamp() where id = $1", dead.id)
    await until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    await hurry(living, old.step_id)
    (new,) = await stage.claim(living)

    part = Part(None, 0, 4)
    arguments = [f'{{"n": {number}}}' for number in range(4)]
    for claimed in (old, new, new, old):
        answer = await living.store.expand_map(claimed, 4, arguments, part, 100)
        is_valid = claimed is new
        demand(answer.accepted == is_valid, f"an expansion was accepted: {answer.accepted}, valid: {is_valid}")
    total = await living.connection.fetchval("select total from workflows where id = $1", workflow)
    demand(total == 6, f"a map of 4 items beside another step is {total} steps")

    demand((await living.retry(workflow, "before")).count == 1, "a discarded step could not be retried")
    again = next(one for one in await stage.claim(living) if one.step == "before")
    # The map does not ignore this end, and has begun all the same.
    await living.settle(outcome(again, "skipped"))
    await living.settle(*[outcome(one, "given_back") for one in living.held.values() if one.step.startswith("map[")])
    await stage.finish(living)
    await demand_ended(living, workflow, "completed")
    query = "select state from steps_view where workflow_id = $1 and name = 'map'"
    became = await living.connection.fetchval(query, workflow)
    demand(became == "completed", f"a map that had begun, and whose children completed, became {became}")
    stage.tally.add("expansion drills")


SCENES: Sequence[Callable[[Stage], Coroutine[Any, Any, None]]] = (
    zombie,
    replay,
    forgotten_pool,
    giving_back,
    settle_storm,
    counting,
    lock_storm,
    expansion,
    settle_storm,
    lock_storm,
)


@dataclass(slots=True)
class Drills:
    """Plays one scene after another."""

    dsn: str
    seed: str
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
            async with (
                asyncio.timeout(DRILL_SECONDS),
                Stage.set(self.dsn, f"drill {number}", chance, self.tally) as stage,
            ):
                await scene(stage)
        except TimeoutError:  # an OSError as well
            self.report(f"drill {number}, {name}: it did not end within {DRILL_SECONDS:.0f} s")
        except INTERRUPTIONS:
            self.tally.add("drills interrupted")
            await asyncio.sleep(0.5)
        except Exception as error:  # noqa: BLE001 - whatever it was, it reached a caller
            self.report(f"drill {number}, {name}: {type(error).__name__}: {error}")
