"""No library: what asyncpg and PostgreSQL allow, as a measure for all libraries.

It promises nothing. A process that dies takes its jobs with it, two processes may run a job twice, nothing is retried,
fenced, timed out, scheduled, cancelled or checked, and an error ends the loop. Single jobs are deleted; steps keep
their result, but nobody gets it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import asyncpg

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import Peer, layered

BATCH = 500
CONNECTIONS = 2

TABLES = """
create table jobs (id bigint generated always as identity primary key, taken boolean not null default false,
                   args text not null);
create index on jobs (id) where not taken;
create table steps (id bigint primary key, pending integer not null, state smallint not null default 0,
                    dependents bigint[] not null, args text not null, result text)
    with (fillfactor = 70);
create index on steps (id) where pending = 0 and state = 0;
create sequence workflows;
"""
EXCHANGE_JOBS = """
with done as (delete from jobs where id = any($1::bigint[]))
update jobs
   set taken = true
 where id = any(array(select id from jobs where not taken order by id limit $2 for update skip locked))
returning id, args
"""
EXCHANGE_STEPS = """
with done as (
    update steps s
       set state = 2, result = o.result
      from unnest($1::bigint[], $2::text[]) as o(id, result)
     where s.id = any(array[o.id])
 returning s.dependents
), counted as (
    select d.id, count(*) as n from done, unnest(done.dependents) as d(id) group by d.id
)
update steps s
   set pending = s.pending - c.n, state = case when s.pending = c.n then 1 else 0 end
  from counted c
 where s.id = any(array[c.id])
returning s.id, s.state, s.args
"""
TAKE_STEPS = """
update steps
   set state = 1
 where id = any(array(select id from steps where pending = 0 and state = 0 order by id limit $1 for update skip locked))
returning id, state, args
"""

Step = tuple[int, list[int]]


class Adapter(Peer):
    package = "asyncpg"
    configuration = f"{CONNECTIONS} connections, {BATCH} jobs a statement; a statement that ends jobs takes the next"
    keeps = "nothing of a job; of a step its result"
    unfinished = "select (select count(*) from jobs) + (select count(*) from steps where state < 2)"

    async def install(self) -> None:
        async with self:
            await self._connection.execute(TABLES)

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def open_for(self, callers: int) -> None:
        await self._connection.close()
        self._connection = await asyncpg.create_pool(self.address, min_size=1, max_size=min(callers, 20))

    async def insert(self, number: int) -> None:
        await self._connection.execute(
            "with put as (insert into jobs (args) values ($1)) select pg_notify('jobs', '')", _args(number)
        )

    async def insert_many(self, numbers: range) -> None:
        async with self._connection.transaction():
            await self._connection.copy_records_to_table(
                "jobs", columns=["args"], records=[(_args(number),) for number in numbers]
            )
            await self._connection.execute("notify jobs")

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        listener = await asyncpg.connect(self.address)
        opened = [await asyncpg.connect(self.address) for _ in range(CONNECTIONS)]
        woken = [asyncio.Event() for _ in opened]
        await listener.add_listener("jobs", lambda *_: [event.set() for event in woken])
        loops = [asyncio.create_task(_work(*each)) for each in zip(opened, woken, strict=True)]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.wait(loops)
            for connection in (listener, *opened):
                await connection.close()

    async def insert_chain(self, length: int) -> None:
        await self._insert([[(number, [number - 1] if number else []) for number in range(length)]])

    async def insert_fan_out(self, width: int) -> None:
        middle = list(range(1, width + 1))
        await self._insert([[(0, []), *[(number, [0]) for number in middle], (width + 1, middle)]])

    async def insert_diamonds(self, count: int) -> None:
        await self._insert(
            [[(n, []), (n + 1, [n]), (n + 2, [n]), (n + 3, [n + 1, n + 2])] for n in range(0, 4 * count, 4)]
        )

    async def insert_layers(self, layers: int, width: int) -> float:
        began = time.monotonic()
        steps = layered(layers, width)
        building = time.monotonic() - began
        await self._insert([steps])
        return building

    async def _insert(self, workflows: Sequence[Sequence[Step]]) -> None:
        async with self._connection.transaction():
            key = await self._connection.fetchval("select nextval('workflows')")
            await self._connection.copy_records_to_table(
                "steps",
                columns=["id", "pending", "dependents", "args"],
                records=[row for steps in workflows for row in _rows(key, steps)],
            )
            await self._connection.execute("notify jobs")


def _rows(key: int, steps: Sequence[Step]) -> Iterable[tuple[int, int, list[int], str]]:
    base = key << 32
    dependents: dict[int, list[int]] = {number: [] for number, _ in steps}
    for number, dependencies in steps:
        for dependency in dependencies:
            dependents[dependency].append(base + number)
    for number, dependencies in steps:
        yield base + number, len(dependencies), dependents[number], _args(number)


def _args(number: int) -> str:
    return json.dumps({"number": number})


async def noop(number: int) -> int:
    mark(number)
    return number


async def _work(connection: asyncpg.Connection, woken: asyncio.Event) -> None:
    """Run all jobs there are, each in a task of its own, since a worker may wait; then wait for a notification."""
    exchange_jobs, exchange_steps, take_steps = [
        await connection.prepare(query) for query in (EXCHANGE_JOBS, EXCHANGE_STEPS, TAKE_STEPS)
    ]
    while True:
        woken.clear()
        done: list[int] = []
        while (jobs := await exchange_jobs.fetch(done, BATCH)) or done:
            await _run(jobs)
            done = [job["id"] for job in jobs]
        steps = await take_steps.fetch(BATCH)
        while steps:
            results = await _run(steps)
            lowered = await exchange_steps.fetch([step["id"] for step in steps], results)
            steps = [step for step in lowered if step["state"] == 1] or await take_steps.fetch(BATCH)
        await woken.wait()


async def _run(jobs: Sequence[asyncpg.Record]) -> list[str]:
    return [json.dumps(result) for result in await asyncio.gather(*[noop(**json.loads(job["args"])) for job in jobs])]
