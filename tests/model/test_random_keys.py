"""Random inserts with keys, by many at once: at no commit do two runs hold a key, and no call deadlocks.

Beside them runs are cancelled, retried and pruned, transactions roll back, and two pools run what there is.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta

import asyncpg
import pytest

from baton import Baton, Engine, KeyTaken, Run, WorkerPool, WorkflowNotFound, insert_many, worker
from baton.core.keys import IF_RUNNING

KEYS = ("a", "b", "c")
ACTORS = 8
ACTIONS = 60

_HELD_TWICE = """
    select run_key, array_agg(id) as runs
      from workflows
     where run_key is not null and state = 'executing'
     group by run_key
    having count(*) > 1
"""
_NOT_NAMED = """
    select w.id
      from workflows w
      left join run_keys k on k.key = w.run_key
     where w.run_key is not null and w.state = 'executing' and k.workflow is distinct from w.key
"""


@worker(name="random keys: act", max_attempts=1)
async def act(milliseconds: int) -> None:
    await asyncio.sleep(milliseconds / 1000)
    if milliseconds % 7 == 0:
        raise ValueError("fails")


class Actor:
    """Somebody who inserts, cancels and retries, and notes what came of it."""

    def __init__(self, engine: Engine, seed: str, runs: list[Run], ends: Counter[str]) -> None:
        self.engine = engine
        self.chance = random.Random(seed)
        self.runs = runs
        self.ends = ends

    async def go(self) -> None:
        connection = await asyncpg.connect(self.engine.address)
        try:
            for _ in range(ACTIONS):
                action = self.chance.choice([self.insert] * 4 + [self.insert_many, self.change, self.prune])
                self.ends[await action(connection)] += 1
        finally:
            await connection.close()

    def flow(self, key: str) -> Baton:
        flow = Baton.new(key=key, key_for=self.chance.choice([None, None, 0.02]))
        job = act.new(self.chance.randrange(30))
        if self.chance.random() < 0.3:
            job = job.with_options(schedule_in=self.chance.choice([0.05, 5]))
        return flow.add("one", job).add("two", act.new(1), deps=["one"])

    async def insert(self, connection: asyncpg.Connection) -> str:
        flow, policy = self.flow(self.chance.choice(KEYS)), self.chance.choice(IF_RUNNING)
        transaction = connection.transaction()
        await transaction.start()
        try:
            run = await flow.insert(connection, if_running=policy)
        except KeyTaken:
            await transaction.rollback()
            return "refused"
        if self.chance.random() < 0.3:
            await transaction.rollback()
            return "rolled back"
        await transaction.commit()
        self.runs.append(Run(run.id))
        assert run.is_new == (run.id == flow.id)
        return f"{policy}: {'new' if run.is_new else 'held'}"

    async def insert_many(self, _connection: asyncpg.Connection) -> str:
        keys = self.chance.choices(KEYS, k=4)
        try:
            self.runs += await insert_many([self.flow(key) for key in keys], if_running=self.chance.choice(IF_RUNNING))
        except KeyTaken:
            return "refused"
        return "many"

    async def change(self, _connection: asyncpg.Connection) -> str:
        if not self.runs:
            return "nothing"
        run = self.chance.choice(self.runs[-10:])
        try:
            await (run.cancel() if self.chance.random() < 0.4 else run.retry())
        except KeyTaken:
            return "retry refused"
        except WorkflowNotFound:
            return "pruned"
        return "changed"

    async def prune(self, _connection: asyncpg.Connection) -> str:
        await self.engine.store.prune(timedelta(0), limit=20)
        return "pruning"


@pytest.mark.parametrize("seed", range(2))
async def test_a_key_is_never_held_twice(engine, connection, seed):
    runs: list[Run] = []
    ends: Counter[str] = Counter()
    is_over = asyncio.Event()

    async def watch() -> int:
        looks = 0
        while not is_over.is_set():
            assert await connection.fetch(_HELD_TWICE) == []
            assert await connection.fetch(_NOT_NAMED) == []
            looks += 1
        return looks

    async with WorkerPool(engine, queues={"default": 5}), WorkerPool(engine, queues={"default": 5}):
        watching = asyncio.create_task(watch())
        async with asyncio.timeout(120):
            await asyncio.gather(*[Actor(engine, f"{seed}/{n}", runs, ends).go() for n in range(ACTORS)])
        is_over.set()
        assert await watching > 10

    for expected in ("refused", "rolled back", "return: held", "replace: new", "retry refused", "many"):
        assert ends[expected], ends
