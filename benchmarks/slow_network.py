"""What a database two milliseconds away does to a pool.

    python -m benchmarks.slow_network

A proxy in front of the database delays each message (`benchmarks.proxy`). It counts the round trips of a hop and of
an insert. Measured are the times of these, the jobs a second of a drain, and how busy steps that wait for something
keep the slots of a pool.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from baton import Baton, Engine, Run, Worker, WorkerPool, result_of, worker
from benchmarks.peers.marks import Marks, mark
from benchmarks.proxy import proxied, round_trips
from benchmarks.report import spread, table, write_section
from benchmarks.server import Server, machine, started

MILLISECONDS = (0.0, 2.0, 4.0)
"""Added to each round trip."""
AT_ONCE = 50
CHAIN = 100
INSERTS = 50
JOBS = 10_000
WORKING = 4_000
WORK_SECONDS = 0.02
ROUNDS = 3


@worker(name="distant", queue="distant")
async def distant(number: int, before: int = 0) -> int:
    mark(number)
    return number + before


@worker(name="distant wait", queue="distant")
async def wait(number: int) -> int:
    mark(number)
    await asyncio.sleep(WORK_SECONDS)
    return number


@dataclass(frozen=True, slots=True)
class Distance:
    """The figures of one run."""

    trips_per_insert: float
    insert: float
    """Milliseconds."""
    trips_per_hop: float
    hop: float
    """Milliseconds, from one step's start to the next one's."""
    trips_per_job: float
    """Of a drain."""
    drain: float
    """Jobs a second."""
    busy: float
    """Of the pool's slots while there is work: time in steps by time there is."""


TITLES = {
    "trips_per_insert": "round trips, insert of a single job",
    "insert": "insert of a single job, ms",
    "trips_per_hop": f"round trips of the pool, per hop of a chain of {CHAIN}",
    "hop": "a hop, ms",
    "trips_per_job": f"round trips of the pool, per job, drain of {JOBS:,}",
    "drain": "drain, jobs/s",
    "busy": f"share of {AT_ONCE} slots kept busy by steps of {WORK_SECONDS * 1000:.0f} ms",
}


async def distance(server: Server, marks: Marks, milliseconds: float) -> Distance:
    """The pool is in a process of its own; both it and the client are at this distance."""
    direct = await server.create("distant")
    async with proxied(direct, milliseconds) as (address, proxy), Engine(address) as engine, _serving(address):

        async def counted(purpose: str) -> int:
            trips = await round_trips(proxy)
            return sum(count for name, count in trips.items() if name.startswith(f"baton {purpose}"))

        await (await _many(distant, 100)).wait(timeout=60)
        before, began = await counted("engine"), time.monotonic()
        for ordinal in range(INSERTS):
            await distant.new(number=ordinal).insert(engine)
        insert = (time.monotonic() - began) * 1000 / INSERTS
        trips_per_insert = (await counted("engine") - before) / INSERTS

        before = await counted("pool")
        await (await _chain()).wait(timeout=60)
        hop = (marks.slots[CHAIN - 1] - marks.slots[0]) * 1000 / (CHAIN - 1)
        trips_per_hop = (await counted("pool") - before) / CHAIN

        before = await counted("pool")
        drained = await _seconds_to_run(distant, JOBS, marks)
        trips_per_job = (await counted("pool") - before) / JOBS
        busy = WORKING * WORK_SECONDS / (AT_ONCE * await _seconds_to_run(wait, WORKING, marks))
    return Distance(trips_per_insert, insert, trips_per_hop, hop, trips_per_job, JOBS / drained, busy)


async def _many(what: Worker, count: int) -> Run:
    built = Baton.new()
    for ordinal in range(count):
        built.add(str(ordinal), what.new(number=ordinal))
    return await built.insert()


async def _chain() -> Run:
    built = Baton.new().add("0", distant.new(number=0))
    for ordinal in range(1, CHAIN):
        built.add(str(ordinal), distant.new(number=ordinal, before=result_of(str(ordinal - 1))))
    return await built.insert()


async def _seconds_to_run(what: Worker, count: int, marks: Marks) -> float:
    """From the first start to the end of the workflow."""
    marks.clear()
    run = await _many(what, count)
    await run.wait(timeout=120)
    ended = time.monotonic()
    if not marks.are_complete(count):
        raise RuntimeError(f"some of {count} steps have not run")
    return ended - min(marks.slots[:count])


@asynccontextmanager
async def _serving(address: str) -> AsyncIterator[None]:
    command = [sys.executable, "-m", "benchmarks.slow_network", "--serve", address]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        await process.stdout.readline()
        yield
    finally:
        process.terminate()
        await process.wait()


async def _serve(address: str) -> None:
    async with Engine(address), WorkerPool(queues={"distant": AT_ONCE}) as pool:
        print("works", flush=True)
        await pool.serve()


async def measure(server: Server) -> str:
    """The distances in turns, and the table in Markdown."""
    runs: dict[float, list[Distance]] = {milliseconds: [] for milliseconds in MILLISECONDS}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        marks = Marks.create(folder)
        for turn in range(1, ROUNDS + 1):
            for milliseconds, taken in runs.items():
                taken.append(await distance(server, marks, milliseconds))
                print(f"round {turn}  {milliseconds:g} ms  {taken[-1]}", flush=True)
    rows = [
        [title, *[spread(sorted(getattr(one, name) for one in taken)) for taken in runs.values()]]
        for name, title in TITLES.items()
    ]
    return table(["added to a round trip", *[f"{milliseconds:g} ms" for milliseconds in MILLISECONDS]], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--serve", metavar="ADDRESS", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        asyncio.run(_serve(given.serve))
        return
    with started() as server:
        text = (
            f"{machine(server)}. Half of what is added on the way there, half on the way back; the proxy itself, on "
            f"the same machine, is in all columns. Medians of {ROUNDS} rounds, with the range.\n\n"
            f"{asyncio.run(measure(server))}"
        )
    print(f"\n{text}")
    write_section("slow-network", text)


if __name__ == "__main__":
    main()
