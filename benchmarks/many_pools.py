"""Many pools on one queue, many queues in one pool, and a short workflow behind a wide one.

    python -m benchmarks.many_pools

Questions: Do many pools make claims that bring nothing? Does one notification wake them all? Do they get equal shares?
How soon does another pool take a step when the pool that took the last ones is full? What does a pool pay for the
number of its queues? How long does a short workflow wait behind a wide one?
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from baton import Baton, Engine, Run, WorkerPool, result_of, worker
from benchmarks.peers.marks import Marks, mark
from benchmarks.report import spread, table, write_section
from benchmarks.server import Server, machine, started

POOLS = (1, 2, 5, 50)
PROCESSES = 5
CONCURRENCY = 10
JOBS = 10_000
PICK_UPS = 100
QUEUES = 100
WIDTH = 10_000
BURST = 1000
BURST_SECONDS = 0.02
"""How long a step of the burst waits."""
FULL = (2, 50)
FULL_PICK_UPS = 50
FULL_SECONDS = 0.4
"""How long a step takes the one slot of a pool; the measured step is inserted in the middle of that time."""
ROUNDS = 3
WORK_SECONDS = 0.005
"""How long a step of the wide workflow waits, so that the queue is long for a while."""


@worker(name="crowded", queue="crowd")
async def crowded(number: int) -> int:
    mark(number)
    return number


@worker(name="slow crowded", queue="crowd")
async def slow(number: int, before: int = 0) -> int:
    mark(number)
    await asyncio.sleep(WORK_SECONDS)
    return number + before


@worker(name="waiting crowded", queue="crowd")
async def waiting(number: int, seconds: float) -> None:
    mark(number)
    await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Setup:
    server: Server
    marks: Marks


@dataclass(frozen=True, slots=True)
class Crowd:
    """The figures of one run with a number of pools."""

    jobs_per_second: float
    calls_per_job: float
    """Calls that settle and claim, while many jobs are there."""
    share_with_claims: float
    """Those of the calls that claimed steps; the others only settled, or brought nothing."""
    least_share: float
    most_share: float
    """Of the pools; 1 is an equal part of the jobs."""
    picked_up_after: float
    """Milliseconds from the return of the insert of a single job to its start, the median."""
    picked_up_after_p99: float
    calls_per_pick_up: float
    """Two are needed, to claim and to settle; the others came from pools that were too late."""
    burst: float
    """Seconds for many steps that are inserted together and wait for a while each."""


CROWD_TITLES = {
    "jobs_per_second": f"drain of {JOBS:,} jobs, jobs/s",
    "calls_per_job": "calls that settle and claim, per job",
    "share_with_claims": "share of these calls that brought steps",
    "least_share": "smallest share of a pool (1 is an equal part)",
    "most_share": "largest share of a pool",
    "picked_up_after": "pick-up of a single job, p50, ms",
    "picked_up_after_p99": "pick-up of a single job, p99, ms",
    "calls_per_pick_up": "calls per single job (2 are needed)",
    "burst": f"{BURST:,} steps of {BURST_SECONDS * 1000:.0f} ms, inserted at once, s",
}


async def crowd(place: Setup, pools: int, processes: int) -> Crowd:
    """Let pools that already wait run many jobs inserted together, then some one by one."""
    address = await place.server.create("crowd")
    async with Engine(address) as engine, _serving(address, pools, processes), _counting(address) as calls:
        await _acquainted(calls.connection)
        await (await _insert(pools * CONCURRENCY)).wait(timeout=60)
        place.marks.clear()
        before, began = await calls(), time.monotonic()
        run = await _insert(JOBS)
        await run.wait(timeout=300)
        took = time.monotonic() - began
        settled = await calls() - before
        claims, shares = await _claims(calls.connection, run.id), await _shares(run, pools)
        before = await calls()
        waited = await _pick_ups(place, engine)
        sent = await calls() - before
        return Crowd(
            jobs_per_second=JOBS / took,
            calls_per_job=settled / JOBS,
            share_with_claims=claims / settled,
            least_share=shares[0],
            most_share=shares[-1],
            picked_up_after=statistics.median(waited),
            picked_up_after_p99=waited[int(len(waited) * 0.99)],
            calls_per_pick_up=sent / len(waited),
            burst=await _burst(),
        )


async def _acquainted(connection: asyncpg.Connection) -> None:
    """Wait until each pool has sent a heartbeat since the last one registered: the answer has the number of pools."""
    while not await connection.fetchval(  # noqa: ASYNC110 - nobody says when a pool beats
        "select min(beat_at) > max(started_at) from baton.pools"
    ):
        await asyncio.sleep(0.1)


async def _burst() -> float:
    built = Baton.new()
    for ordinal in range(BURST):
        built.add(str(ordinal), waiting.new(number=ordinal, seconds=BURST_SECONDS))
    began = time.monotonic()
    await (await built.insert()).wait(timeout=60)
    return time.monotonic() - began


async def _insert(count: int) -> Run:
    built = Baton.new()
    for ordinal in range(count):
        built.add(str(ordinal), crowded.new(number=ordinal))
    return await built.insert()


class Calls:
    """Counts the calls of the engine that pools make to settle and to claim."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def __call__(self) -> int:
        return await self.connection.fetchval(
            "select coalesce(sum(calls), 0)::bigint from pg_stat_statements s join pg_database d on d.oid = s.dbid"
            " where d.datname = current_database() and s.query ~ '(advance|claim|settle)\\('"
        )


@asynccontextmanager
async def _counting(address: str) -> AsyncIterator[Calls]:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("create extension pg_stat_statements")
        yield Calls(connection)
    finally:
        await connection.close()


async def _claims(connection: asyncpg.Connection, workflow_id: str) -> int:
    """The number of claims that brought a step of this workflow, by their tokens."""
    return await connection.fetchval(
        """
        select count(distinct s.token)
          from baton.steps s
         where baton.workflow_of(s.id) = (select w.key from baton.workflows w where w.id = $1)
        """,
        workflow_id,
    )


async def _shares(run: Run, pools: int) -> list[float]:
    """The jobs that each pool ran, as a multiple of an equal part; sorted."""
    ran = Counter(step.pool for step in await run.steps())
    return sorted(count * pools / ran.total() for count in [*ran.values(), *[0] * (pools - len(ran))])


async def _pick_ups(place: Setup, engine: Engine) -> list[float]:
    return sorted([await _pick_up(place, engine) for _ in range(PICK_UPS)])


async def _pick_up(place: Setup, engine: Engine) -> float:
    """Milliseconds from the return of the insert of a single job to its start."""
    place.marks.slots[0] = 0
    run = await crowded.new(number=0).insert(engine)
    returned = time.monotonic()
    await run.wait(timeout=30)
    return max(0.0, place.marks.slots[0] - returned) * 1000


@dataclass(frozen=True, slots=True)
class Full:
    """Milliseconds until a single job starts, while the pool that took the one before has no free slot."""

    picked_up_after: float
    picked_up_after_p99: float


async def full(place: Setup, pools: int, processes: int) -> Full:
    """Let a step take the one slot of the first pool, and insert another one when the others are idle again."""
    address = await place.server.create("full")
    waited = []
    async with Engine(address) as engine, _serving(address, pools, processes, slots=1), _counting(address) as calls:
        await _acquainted(calls.connection)
        for _ in range(FULL_PICK_UPS):
            long = await waiting.new(number=1, seconds=FULL_SECONDS).insert(engine)
            await asyncio.sleep(FULL_SECONDS / 2)
            waited.append(await _pick_up(place, engine))
            await long.wait(timeout=30)
    waited.sort()
    return Full(statistics.median(waited), waited[int(len(waited) * 0.99)])


async def many_queues(place: Setup, queues: int) -> float:
    """Jobs a second that one pool drains, with the same jobs spread over a number of queues."""
    address = await place.server.create("queues")
    names = [f"queue {ordinal}" for ordinal in range(queues)]
    async with Engine(address) as engine:
        built = Baton.new()
        for ordinal in range(JOBS):
            queue = names[ordinal % queues]
            built.add(str(ordinal), crowded.new(number=ordinal).with_options(queue=queue))
        run = await built.insert()
        began = time.monotonic()
        async with WorkerPool(engine, queues=dict.fromkeys(names, 400 // queues)):
            await run.wait(timeout=300)
            return JOBS / (time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Behind:
    """Seconds from the insert to the end."""

    alone: float
    short: float
    """A short workflow of three steps, behind a wide one."""
    wide: float


async def behind(place: Setup) -> Behind:
    """Insert a wide workflow, then a short one; and the short one again when the pools are idle."""
    address = await place.server.create("behind")
    async with Engine(address), _serving(address, pools=1, processes=1):
        await (await _insert(CONCURRENCY)).wait(timeout=60)
        wide = Baton.new()
        for ordinal in range(WIDTH):
            wide.add(str(ordinal), slow.new(number=ordinal))
        began = time.monotonic()
        waiting = await wide.insert()
        short = await _short()
        await waiting.wait(timeout=600)
        took = time.monotonic() - began
        return Behind(alone=await _short(), short=short, wide=took)


async def _short() -> float:
    began = time.monotonic()
    run = await (
        Baton.new()
        .add("a", slow.new(number=1))
        .add("b", slow.new(number=2, before=result_of("a")))
        .add("c", slow.new(number=3, before=result_of("b")))
        .insert()
    )
    await run.wait(timeout=600)
    return time.monotonic() - began


@asynccontextmanager
async def _serving(address: str, pools: int, processes: int, slots: int = CONCURRENCY) -> AsyncIterator[None]:
    """Processes that together run a number of pools."""
    command = [sys.executable, "-m", "benchmarks.many_pools", "--serve", address]
    command += ["--pools", str(pools // processes), "--slots", str(slots)]
    serving = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(processes)]
    try:
        for process in serving:
            await process.stdout.readline()
        yield
    finally:
        for process in serving:
            process.terminate()
        for process in serving:
            await process.wait()


async def _serve(address: str, pools: int, slots: int) -> None:
    async with Engine(address) as engine, AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(WorkerPool(engine, queues={"crowd": slots}, name=f"crowd {ordinal}"))
            for ordinal in range(pools)
        ]
        print("works", flush=True)
        await opened[0].serve()


async def measure(server: Server) -> str:
    """Run all measurements in turn, and return the tables in Markdown."""
    crowds: dict[int, list[Crowd]] = {pools: [] for pools in POOLS}
    fulls: dict[int, list[Full]] = {pools: [] for pools in FULL}
    queues: dict[int, list[float]] = {1: [], QUEUES: []}
    waits: list[Behind] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        place = Setup(server, Marks.create(folder))
        for turn in range(1, ROUNDS + 1):
            for pools, runs in crowds.items():
                runs.append(await crowd(place, pools, min(pools, PROCESSES)))
                print(f"round {turn}  {pools} pools  {runs[-1]}", flush=True)
            for pools, found in fulls.items():
                found.append(await full(place, pools, min(pools, PROCESSES)))
                print(f"round {turn}  {pools} pools  {found[-1]}", flush=True)
            for count, rates in queues.items():
                rates.append(await many_queues(place, count))
                print(f"round {turn}  {count} queues  {rates[-1]:,.0f} jobs/s", flush=True)
            waits.append(await behind(place))
            print(f"round {turn}  {waits[-1]}", flush=True)
    return "\n\n".join([_crowd_table(crowds), _full_table(fulls), _queues_table(queues), _behind_table(waits)])


def _crowd_table(crowds: dict[int, list[Crowd]]) -> str:
    rows = [
        [title, *[spread(sorted(getattr(one, name) for one in runs)) for runs in crowds.values()]]
        for name, title in CROWD_TITLES.items()
    ]
    return table(["pools on one queue", *map(str, crowds)], rows)


def _full_table(fulls: dict[int, list[Full]]) -> str:
    titles = {
        "picked_up_after": "pick-up of a single job, p50, ms",
        "picked_up_after_p99": "pick-up of a single job, p99, ms",
    }
    rows = [
        [title, *[spread(sorted(getattr(one, name) for one in found)) for found in fulls.values()]]
        for name, title in titles.items()
    ]
    return table(["pools of one slot, that of the last job full", *map(str, fulls)], rows)


def _queues_table(queues: dict[int, list[float]]) -> str:
    rows = [[f"drain of {JOBS:,} jobs, jobs/s", *[spread(sorted(rates)) for rates in queues.values()]]]
    return table(["queues in one pool", *map(str, queues)], rows)


def _behind_table(waits: list[Behind]) -> str:
    titles = {
        "alone": "three steps, nothing before them",
        "short": f"three steps, inserted behind {WIDTH:,}",
        "wide": f"the {WIDTH:,}",
    }
    rows = [[title, spread(sorted(getattr(one, name) for one in waits))] for name, title in titles.items()]
    return table([f"a short workflow behind a wide one, {CONCURRENCY} steps at once", "seconds to its end"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--serve", metavar="ADDRESS", help=argparse.SUPPRESS)
    parser.add_argument("--pools", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--slots", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        asyncio.run(_serve(given.serve, given.pools, given.slots))
        return
    with started(**{"pg_stat_statements.track": "top"}) as server:
        text = (
            f"{machine(server)}. Pools live in {PROCESSES} processes at most, {CONCURRENCY} steps at once in each; "
            "where nothing else is said all jobs but the wide workflow's do nothing, those wait for "
            f"{WORK_SECONDS * 1000:.0f} ms. Medians of {ROUNDS} rounds, with the range."
            f"\n\n{asyncio.run(measure(server))}"
        )
    print(f"\n{text}")
    write_section("many-pools", text)


if __name__ == "__main__":
    main()
