"""Short scenarios of single engine calls, which run beside everything else: what random faults rarely produce.

No other pool serves the queues of drills; the sweeps of all pools rescue their steps.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg

from baton.core.expansion import Expansion
from baton.core.outcome import Outcome
from baton.core.spec import Extras, Map
from baton.database.messages import Claimed, ClaimRequest, Part, Settlement
from campaign.drill import Drill, make_due, overlapping, require, require_counts, require_ended, require_stored, until
from campaign.tally import Tally
from campaign.waiting_drills import WAITING_DRILLS
from campaign.workload import Report
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
"""What ends a drill after a restart of the server, or at a lock held for too long: another one follows later."""


async def zombie(drill: Drill) -> None:
    """A pool outlives its lease: it stays dead, and its outcomes are refused, also in a batch with valid ones."""
    dead, living = await drill.pool(), await drill.pool()
    workflow = await drill.insert(living, drill.step("rescued"), drill.step("after", "rescued"))
    (old,) = await drill.claim(dead)
    stale = outcome(old, drill.chance.choice(("completed", "completed", "discarded", "skipped")), '"stale"')

    await living.connection.execute("update pools set expires_at = clock_timestamp() where id = $1", dead.id)
    await until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    require(not (await dead.heartbeat(old.token)).is_alive, "a heartbeat revived a pool whose step had been rescued")
    require(not any(await dead.settle(stale)), "an outcome was accepted after its step had been rescued")
    await make_due(living, old.step_id)
    require(await drill.claim(dead) == [], "a dead pool was given a step")

    (new,) = await drill.claim(living)
    require(new.attempt == 2, f"after one lost attempt comes attempt {new.attempt}")
    require(await dead.settle(stale) == [False], "an outcome was accepted whose step belonged to another")
    valid = outcome(new, "completed", '"valid"')
    both = [stale, valid]
    drill.chance.shuffle(both)
    expected = [one is valid for one in both]
    for _ in range(2):
        answered = await living.settle(*both)
        require(answered == expected, f"of a stale and a valid outcome {answered} was accepted, not {expected}")
    await require_stored(living, valid)
    await drill.finish(living)
    await require_ended(living, workflow, "completed")
    drill.tally.add("zombie drills")


async def replay(drill: Drill) -> None:
    """A claim is sent three times, twice at the same time: it takes its limit once. The same for a settle."""
    pools = [await drill.pool() for _ in range(2)]
    workflow = await drill.insert(pools[0], *[drill.step(f"s{n}") for n in range(6)])
    claiming = ClaimRequest(uuid4(), {drill.queue: 2})
    answers = [await pools[0].store.claim(pools[0].id, claiming)]
    answers += await asyncio.gather(*[pool.store.claim(pools[0].id, claiming) for pool in pools])
    for answer in answers[1:]:
        replayed, first = [one.step for one in answer], [one.step for one in answers[0]]
        require(replayed == first, f"a claim returned {first}, and when it was sent again {replayed}")
    count = await pools[0].connection.fetchval("select count(*) from queue where token = $1", claiming.token)
    require(count == 2, f"a token whose limit is 2 steps took {count}")

    outcomes = [outcome(one, "completed") for one in answers[0]]
    for pool in (*pools, pools[0]):
        require(all(await pool.settle(*outcomes)), "what had been accepted was refused when it was sent again")
    await drill.finish(pools[0])
    await require_ended(pools[0], workflow, "completed")
    drill.tally.add("replay drills")


async def forgotten_pool(drill: Drill) -> None:
    """A pool was deleted while it has a step, as after a claim that committed late: the step is rescued."""
    lost, living = await drill.pool(), await drill.pool()
    await drill.insert(living, drill.step("only"))
    (old,) = await drill.claim(lost)
    await living.connection.execute(
        "update pools set dead_at = clock_timestamp() - interval '2 days' where id = $1", lost.id
    )
    await until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    await make_due(living, old.step_id)
    await drill.finish(living)
    drill.tally.add("forgotten pool drills")


async def giving_back(drill: Drill) -> None:
    """A step that its pool gives back, or the sweep because the claim's answer was lost, spends no attempt."""
    pool = await drill.pool()
    await drill.insert(pool, drill.step("returned"), drill.step("unanswered"), drill.step("kept"))
    claims = {one.step: one for _ in range(3) for one in await drill.claim(pool, 1)}
    await pool.settle(outcome(claims["returned"], "given_back"))
    for _ in range(2):
        await pool.heartbeat(claims["kept"].token)
    await until(pool, "select state from queue where step_id = $1", claims["unanswered"].step_id, "available")
    state = await pool.connection.fetchval("select state from queue where step_id = $1", claims["kept"].step_id)
    require(state == "executing", f"a claim that its pool lists was taken away: it is {state}")
    for one in await drill.claim(pool):
        require(one.attempt == 1, f"{one.step} was given back, and its next attempt is {one.attempt}")
        require(await pool.settle(outcome(one, "completed")) == [True], "a completion was refused")
    await pool.settle(outcome(claims["kept"], "completed"))
    drill.tally.add("giving back drills")


async def overlapping_settles(drill: Drill) -> None:
    """The last dependencies settle in overlapping transactions: each dependent is released or ended once."""
    pools = [await drill.pool() for _ in range(3)]
    holder = await drill.connection()
    kinds = [drill.chance.choice(("completed", "completed", "cancelled", "skipped", "discarded")) for _ in range(3)]
    children = [
        drill.step(
            f"child {n}", *[f"parent {m}" for m in range(3)], ignoring=drill.chance.choice(("", "", "discarded"))
        )
        for n in range(3)
    ]
    workflow = await drill.insert(pools[0], *[drill.step(f"parent {n}") for n in range(3)], *children)
    claims = await drill.claim(pools[0])
    calls: list[Coroutine[Any, Any, Any]] = [
        pool.settle(outcome(one, kind)) for pool, one, kind in zip(pools, claims, kinds, strict=True)
    ]
    if drill.chance.random() < 0.3:
        calls.append((await drill.pool()).cancel(workflow))
    # Without the workflow's lock all calls would wait for this record, and count at the same time.
    await overlapping(holder, "select from steps where id = $1 for update", claims[0].step_id + 3, calls)
    await require_counts(pools[0], workflow)
    await drill.finish(pools[0])
    await require_ended(pools[0], workflow, None)
    drill.tally.add("overlapping settle drills")


async def one_batch(drill: Drill) -> None:
    """All dependencies settle in one batch: each is counted once."""
    pool = await drill.pool()
    parents = [f"parent {n}" for n in range(12)]
    workflow = await drill.insert(pool, *map(drill.step, parents), drill.step("join", *parents))
    await drill.finish(pool)
    await require_ended(pool, workflow, "completed")
    drill.tally.add("one batch drills")


async def opposite_lock_orders(drill: Drill) -> None:
    """Batches over the same workflows, in different orders, at the same time: no deadlock."""
    pools = [await drill.pool() for _ in range(4)]
    holder = await drill.connection()
    flows = [await drill.insert(pools[0], *[drill.step(f"s{n}") for n in range(4)]) for _ in range(4)]
    claims = await drill.claim(pools[0])
    by_pool = [[one for one in claims if one.step == f"s{n}"] for n in range(4)]
    for batch in by_pool:
        drill.chance.shuffle(batch)
    calls = [
        pool.settle(*[outcome(one, "completed") for one in batch]) for pool, batch in zip(pools, by_pool, strict=True)
    ]
    query = "select from workflows where id = $1 for no key update"
    accepted = await overlapping(holder, query, drill.chance.choice(flows), calls)
    require(all(map(all, accepted)), f"completions of fresh claims were refused: {accepted}")
    for workflow in flows:
        await require_ended(pools[0], workflow, "completed")
    drill.tally.add("lock order drills")


async def expansion(drill: Drill) -> None:
    """Only the new claim of a map can expand it, once; after that no dependency ends it."""
    dead, living = await drill.pool(), await drill.pool()
    items = Extras(Map(("n",)))
    before = drill.step("before")
    expanding = drill.step("map", "before", ignoring="discarded", extras=items, concurrency=2)
    workflow = await drill.insert(living, before, expanding)
    (first,) = await drill.claim(living)
    await living.settle(outcome(first, "discarded"))
    (old,) = await drill.claim(dead)
    await living.connection.execute("update pools set expires_at = clock_timestamp() where id = $1", dead.id)
    await until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    await make_due(living, old.step_id)
    (new,) = await drill.claim(living)

    part = Part(None, 0, 4)
    arguments = [f'{{"n": {number}}}' for number in range(4)]
    for claimed in (old, new, new, old):
        answer = await living.store.expand_map(claimed, 4, arguments, part, 100)
        is_valid = claimed is new
        require(answer.accepted == is_valid, f"an expansion was accepted: {answer.accepted}, valid: {is_valid}")
    total = await living.connection.fetchval("select total from workflows where id = $1", workflow)
    require(total == 6, f"a map of 4 items and another step are {total} steps")

    require((await living.retry(workflow, "before")).count == 1, "a discarded step could not be retried")
    again = next(one for one in await drill.claim(living) if one.step == "before")
    # The map does not ignore this end, and has begun all the same.
    await living.settle(outcome(again, "skipped"))
    await living.settle(*[outcome(one, "given_back") for one in living.held.values() if one.step.startswith("map[")])
    await drill.finish(living)
    await require_ended(living, workflow, "completed")
    query = "select state from steps_view where workflow_id = $1 and name = 'map'"
    became = await living.connection.fetchval(query, workflow)
    require(became == "completed", f"a map that had begun, and whose children completed, became {became}")
    drill.tally.add("expansion drills")


async def rounds(drill: Drill) -> None:
    """A round begins once, whatever is sent again or comes late; that of a graph begins after the graph ended."""
    dead, living = await drill.pool(), await drill.pool()
    workflow = await drill.insert(living, drill.step("turn"))
    (old,) = await drill.claim(dead)
    await living.connection.execute("update pools set expires_at = clock_timestamp() where id = $1", dead.id)
    await until(living, "select state from queue where step_id = $1", old.step_id, "retryable")
    await make_due(living, old.step_id)
    (new,) = await drill.claim(living)

    both = [_asking(old, "stale"), _asking(new, "valid")]
    drill.chance.shuffle(both)
    expected = [one.token == new.token for one in both]
    for _ in range(2):
        answered = await living.settle(*both)
        require(answered == expected, f"of a stale and a valid round {answered} was accepted, not {expected}")
    (second,) = await drill.claim(living)
    require(second.generation == 2, f"after the first round comes the generation {second.generation}")
    require('"valid"' in second.args, f"the second round has the arguments {second.args}")

    graph = Expansion((drill.step("only").spec,), 1, None)
    require((await living.store.expand(second, graph, Part(None, 0, 1), 100)).accepted, "an expansion was refused")
    (child,) = await drill.claim(living)
    for _ in range(2):
        require(await living.settle(_asking(child, "group")) == [True], "a round of a graph was refused")
    (join,) = await drill.claim(living)
    for _ in range(2):
        require(await living.settle(outcome(join, "joined")) == [True], "a join was refused")
    (third,) = await drill.claim(living)
    require((third.step, third.is_join, third.generation) == ("turn", False, 3), f"the third round is {third}")
    await living.settle(outcome(third, "completed"))
    await require_ended(living, workflow, "completed")
    drill.tally.add("round drills")


def _asking(claimed: Claimed, value: str) -> Settlement:
    detail = f'{{"arguments":{{"value":"{value}"}},"keep_rounds":null}}'
    return Settlement(claimed.step_id, claimed.token, Outcome("again", detail, delay=0))


DRILLS: Sequence[Callable[[Drill], Coroutine[Any, Any, None]]] = (
    zombie,
    replay,
    forgotten_pool,
    giving_back,
    overlapping_settles,
    one_batch,
    opposite_lock_orders,
    expansion,
    rounds,
    overlapping_settles,
    opposite_lock_orders,
    *WAITING_DRILLS,
)


@dataclass(slots=True)
class Drills:
    """Runs one drill after another."""

    dsn: str
    seed: str
    tally: Tally
    report: Report

    async def run(self) -> None:
        """Run until cancelled."""
        number = 0
        while True:
            scenario = DRILLS[number % len(DRILLS)]
            await self.run_one(scenario, number)
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def run_one(self, scenario: Callable[[Drill], Coroutine[Any, Any, None]], number: int) -> None:
        chance = random.Random(f"{self.seed}/drill/{number}")
        name = scenario.__name__.replace("_", " ")
        try:
            async with (
                asyncio.timeout(DRILL_SECONDS),
                Drill.begun(self.dsn, f"drill {number}", chance, self.tally) as drill,
            ):
                await scenario(drill)
        except TimeoutError:  # an OSError as well
            self.report(f"drill {number}, {name}: it did not end within {DRILL_SECONDS:.0f} s")
        except INTERRUPTIONS:
            self.tally.add("drills interrupted")
            await asyncio.sleep(0.5)
        except Exception as error:  # noqa: BLE001 - any error that reaches a caller is a finding
            self.report(f"drill {number}, {name}: {type(error).__name__}: {error}")
