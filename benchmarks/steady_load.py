"""A steady load for a long time: does anything grow that should not?

    python benchmarks/steady_load.py --minutes 20

Starts a PostgreSQL of its own and one worker process, inserts diamonds at a steady rate, and prints every half minute
the memory and the connections of the worker and the sizes of the queue table and its indexes; at the end the slope of
each, by least squares over the second half, when everything is warm. Finished workflows are pruned after a minute, so
that the whole database should stop growing as well.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from baton import Baton, Engine, WorkerPool, result_of, worker
from baton.embedded.server import EmbeddedServer

SECONDS_BETWEEN_SAMPLES = 30.0


@worker(name="steady add")
async def add(left: int = 1, right: int = 0) -> int:
    return left + right


@dataclass(frozen=True, slots=True)
class Sample:
    seconds: float
    memory_kib: int
    connections: int
    queue_kib: int
    indexes_kib: int
    database_kib: int
    finished: int


def diamond() -> Baton:
    return (
        Baton.new()
        .add("a", add.new())
        .add("b", add.new(left=result_of("a")))
        .add("c", add.new(left=result_of("a")))
        .add("d", add.new(left=result_of("b"), right=result_of("c")))
    )


async def serve(address: str) -> None:
    async with Engine(address), WorkerPool(queues={"default": 50}, keep=timedelta(minutes=1)) as pool:
        await pool.serve()


async def insert_steadily(per_second: int, until: float) -> None:
    async def insert(began: float, number: int) -> None:
        await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
        await diamond().insert()

    while time.monotonic() < until:
        began = time.monotonic()
        await asyncio.gather(*[insert(began, number) for number in range(per_second)])


def memory_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


async def sample(engine: Engine, pid: int, began: float) -> Sample:
    (row,) = await engine.connections.fetch(
        """
        select (select count(*) from pg_stat_activity where application_name like 'baton%'
                                                        and application_name <> 'baton engine') as connections,
               pg_table_size('baton.queue') / 1024 as queue,
               pg_indexes_size('baton.queue') / 1024 as indexes,
               pg_database_size(current_database()) / 1024 as database,
               (select count(*) from baton.workflows where finished_at is not null) as finished
        """
    )
    return Sample(
        time.monotonic() - began,
        memory_kib(pid),
        row["connections"],
        row["queue"],
        row["indexes"],
        row["database"],
        row["finished"],
    )


def slope_per_minute(samples: list[Sample], column: str) -> float:
    points = [(one.seconds / 60, float(getattr(one, column))) for one in samples[len(samples) // 2 :]]
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else 0.0


async def measure(address: str, minutes: float, per_second: int) -> None:
    async with Engine(address) as engine:
        process = await asyncio.create_subprocess_exec(sys.executable, __file__, "--serve", address)
        began = time.monotonic()
        inserting = asyncio.create_task(insert_steadily(per_second, began + minutes * 60))
        samples: list[Sample] = []
        print("  ".join(f"{column:>12}" for column in Sample.__slots__), flush=True)
        while not inserting.done():
            await asyncio.wait({inserting}, timeout=SECONDS_BETWEEN_SAMPLES)
            samples.append(await sample(engine, process.pid, began))
            print("  ".join(f"{value:12.0f}" for value in asdict(samples[-1]).values()), flush=True)
        process.terminate()
        await process.wait()
        await inserting
    print(f"\nslopes over the second half, per minute, at {per_second} diamonds a second:")
    for column in Sample.__slots__[1:]:
        print(f"{column:>12}  {slope_per_minute(samples, column):+.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--per-second", type=int, default=50)
    parser.add_argument("--serve", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
        return
    with EmbeddedServer.start(temporary=True, settings={"fsync": "on", "full_page_writes": "on"}) as server:
        asyncio.run(measure(server.dsn(), arguments.minutes, arguments.per_second))


if __name__ == "__main__":
    main()
