"""Drills of steps that wait: what is sent to them against their timeouts, a cancel, one another, and rollbacks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from baton.core.spec import Extras, MessageSpec, RunSpec, SignalSpec
from baton.database.store import Store
from campaign.drill import Drill, require, require_ended, until
from tests.database.raw_pool import RawPool, outcome

SIGNALS = 40
SENDERS = 4
TIMEOUT_SECONDS = 0.3
SPREAD_SECONDS = 0.1
"""Signals come within this time before and after their timeout, at random."""
MESSAGES = 12
NONE = '"none"'
STATE = "select state from workflows where id = $1"


@dataclass(frozen=True, slots=True)
class Sender:
    """A connection of an application, which sends."""

    connection: asyncpg.Connection
    store: Store

    @classmethod
    async def of(cls, drill: Drill) -> Sender:
        connection = await drill.connection()
        return cls(connection, Store(connection, "baton"))

    async def signal(self, workflow: str, name: str, value: str, *, commits: bool) -> bool:
        """Send a signal in a transaction of its own; return whether it was accepted and committed."""
        transaction = self.connection.transaction()
        await transaction.start()
        sent = await self.store.record_signal(workflow, name, value, None)
        await (transaction.commit() if commits else transaction.rollback())
        return sent.accepted and commits


async def signals_against_timeouts(drill: Drill) -> None:
    """Signals come at the moment when their time is up, some twice, some rolled back: accepted is what ran."""
    pool = await drill.pool()
    senders = [await Sender.of(drill) for _ in range(SENDERS)]
    names = [f"s{n}" for n in range(SIGNALS)]
    awaits = Extras(awaits=SignalSpec(seconds=TIMEOUT_SECONDS, default=NONE))
    workflow = await drill.insert(pool, *[drill.step(name, extras=awaits) for name in names])
    accepted: dict[str, str] = {}

    async def send(number: int, sender: Sender, mine: Sequence[str]) -> None:
        await asyncio.sleep(TIMEOUT_SECONDS - drill.chance.uniform(SPREAD_SECONDS, 2 * SPREAD_SECONDS))
        for name in mine:
            value = f'"{number} {name}"'
            if await sender.signal(workflow, name, value, commits=drill.chance.random() < 0.8):
                require(name not in accepted, f"two signals to {name} were accepted")
                accepted[name] = value
            await asyncio.sleep(drill.chance.uniform(0, SPREAD_SECONDS / 20))

    orders = [drill.chance.sample(names, SIGNALS) for _ in senders]
    await together(*[send(n, sender, orders[n]) for n, sender in enumerate(senders)], sweeping(pool, workflow))
    await until(pool, STATE, workflow, "completed")
    results = await results_of(pool, workflow)
    for name in names:
        found = (name, accepted.get(name, NONE), results[name])
        require(found[1] == found[2], f"of {found[0]}, {found[1]} was accepted, and it completed with {found[2]}")
    drill.tally.add("signals accepted at their timeout", len(accepted))
    drill.tally.add("signals that came too late", SIGNALS - len(accepted))


async def signals_against_a_cancel(drill: Drill) -> None:
    """A run is cancelled while signals come: each that was accepted is the result, or its step was cancelled."""
    pool, canceller = await drill.pool(), await drill.pool()
    senders = [await Sender.of(drill) for _ in range(SENDERS)]
    names = [f"s{n}" for n in range(SENDERS * 3)]
    workflow = await drill.insert(pool, *[drill.step(name, extras=Extras(awaits=SignalSpec())) for name in names])
    accepted: dict[str, str] = {}

    async def send(sender: Sender, mine: Sequence[str]) -> None:
        for name in mine:
            if await sender.signal(workflow, name, f'"{name}"', commits=True):
                accepted[name] = f'"{name}"'

    async def cancel() -> None:
        await asyncio.sleep(drill.chance.uniform(0, 0.02))
        await canceller.cancel(workflow)

    mine = [names[n::SENDERS] for n in range(SENDERS)]
    await together(*[send(one, mine[n]) for n, one in enumerate(senders)], sweeping(pool, workflow), cancel())
    await require_ended(pool, workflow, None)
    for name, result in (await results_of(pool, workflow)).items():
        require(result in (None, accepted.get(name)), f"{name} completed with {result}, not with what was accepted")
    drill.tally.add("signals against a cancel", len(accepted))


async def an_early_signal(drill: Drill) -> None:
    """A signal is sent before its step is released, and commits before, during or after that."""
    pool, sender = await drill.pool(), await Sender.of(drill)
    first = drill.step("first")
    workflow = await drill.insert(pool, first, drill.step("s", "first", extras=Extras(awaits=SignalSpec())))
    (claimed,) = await drill.claim(pool)

    async def release() -> None:
        await asyncio.sleep(drill.chance.uniform(0, 0.01))
        await pool.settle(outcome(claimed, "completed"))

    async def send() -> None:
        async with sender.connection.transaction():
            await sender.store.record_signal(workflow, "s", "1", None)
            await asyncio.sleep(drill.chance.uniform(0, 0.02))

    await together(release(), send())
    await until(pool, STATE, workflow, "completed")
    drill.tally.add("early signals")


async def messages_are_taken_once(drill: Drill) -> None:
    """Messages come while steps begin to wait for them: each that was committed is taken by one step."""
    pool = await drill.pool()
    senders = [await Sender.of(drill) for _ in range(SENDERS)]
    chain = [f"r{n}" for n in range(MESSAGES)]
    deps = [[], *[[name] if drill.chance.random() < 0.5 else [] for name in chain[:-1]]]
    awaits = Extras(awaits=MessageSpec("topic"))
    workflow = await drill.insert(
        pool, *[drill.step(name, *before, extras=awaits) for name, before in zip(chain, deps, strict=True)]
    )
    committed: list[str] = []

    async def send(number: int, sender: Sender) -> None:
        for n in range(MESSAGES // SENDERS):
            value, is_lost = f'"{number}/{n}"', drill.chance.random() < 0.3
            if is_lost:
                transaction = sender.connection.transaction()
                await transaction.start()
                await sender.store.record_message(workflow, "topic", '"rolled back"', None)
                await transaction.rollback()
            for _ in range(2):  # the same key twice
                await sender.store.record_message(workflow, "topic", value, value)
            committed.append(value)

    await together(*[send(n, sender) for n, sender in enumerate(senders)], sweeping(pool, workflow))
    await until(pool, STATE, workflow, "completed")
    taken = sorted(str(result) for result in (await results_of(pool, workflow)).values())
    require(taken == sorted(committed), f"of the messages {sorted(committed)} these were taken: {taken}")
    drill.tally.add("messages taken", len(taken))


async def a_run_that_is_retried(drill: Drill) -> None:
    """A step waits for a run that fails and is retried at that moment: it ends as that run was, and not later."""
    pool, other, sweeper = [await drill.pool() for _ in range(3)]
    awaited = await drill.insert(pool, drill.step("work"))
    waiting = await drill.insert(pool, drill.step("run", extras=Extras(awaits=RunSpec(awaited))))
    (claimed,) = await drill.claim(pool)
    await until_watched(pool, awaited)

    async def fail_and_retry() -> None:
        await pool.settle(outcome(claimed, "discarded"))
        await asyncio.sleep(drill.chance.uniform(0, 0.005))
        await other.retry(awaited)

    await together(fail_and_retry(), sweeping(sweeper, waiting))
    await drill.finish(other)
    await require_ended(pool, awaited, "completed")
    query = "select coalesce(finished_at::text, '') <> '' from workflows where id = $1"
    await until(pool, f"select ({query})::text", waiting, "true")
    state = await pool.connection.fetchval(STATE, waiting)
    drill.tally.add(f"runs retried while a step waited, which {state}")


WAITING_DRILLS: Sequence[Callable[[Drill], Coroutine[Any, Any, None]]] = (
    signals_against_timeouts,
    signals_against_a_cancel,
    an_early_signal,
    messages_are_taken_once,
    a_run_that_is_retried,
)


async def together(*calls: Awaitable[None]) -> None:
    """Make the calls at the same time; raise what one of them raises, when all have ended."""
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer


async def sweeping(pool: RawPool, workflow: str) -> None:
    """Do what upkeep does for waits, for a while, as other pools do."""
    for _ in range(40):
        await pool.store.watch_runs(limit=100)
        await pool.store.end_waits(limit=100)
        if await pool.connection.fetchval(STATE, workflow) != "executing":
            return
        await asyncio.sleep(0.01)


async def until_watched(pool: RawPool, workflow: str) -> None:
    for _ in range(100):
        await pool.store.watch_runs(limit=100)
        if await pool.connection.fetchval("select watched from workflows where id = $1", workflow):
            return
        await asyncio.sleep(0.01)
    require(False, f"{workflow}, for which a step waits, is not asked to announce its end")


async def results_of(pool: RawPool, workflow: str) -> dict[str, str | None]:
    rows = await pool.connection.fetch(
        "select name, result::text as result from steps_view where workflow_id = $1", workflow
    )
    return {row["name"]: None if row["result"] is None else json.dumps(json.loads(row["result"])) for row in rows}
