"""A map of ten thousand items on two worker processes: how long it takes, and how much memory each process needs.

    python -m benchmarks.wide_map [--items 10000] [--concurrency 50]

Starts a PostgreSQL of its own and two `baton worker` processes, inserts 1 -> N -> 1 three times, and checks that the
last step is given every result once and in order.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from baton import Baton, Engine, each, result_of, worker
from baton.embedded.server import EmbeddedServer

ROUNDS = 3
PROCESSES = 2


@worker(name="wide map: list")
async def list_items(size: int) -> list[int]:
    return list(range(size))


@worker(name="wide map: item")
async def double(number: int) -> int:
    return 2 * number


@worker(name="wide map: join")
async def join(numbers: list[int]) -> int:
    if numbers != [2 * number for number in range(len(numbers))]:
        raise ValueError("a result is missing, doubled, or out of its place")
    return len(numbers)


def flow(size: int, concurrency: int | None) -> Baton:
    items = double.new(each(result_of("list")))
    if concurrency is not None:
        items = items.with_options(concurrency=concurrency)
    return Baton.new().add("list", list_items.new(size)).add("map", items).add("join", join.new(result_of("map")))


def peak_mib(pid: int) -> int:
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) // 1024


async def measure(address: str, size: int, concurrency: int | None) -> None:
    async with Engine(address) as engine:
        command = [sys.executable, "-m", "baton", "worker", "benchmarks.wide_map", "--queues", "default=200"]
        environment = {**os.environ, "BATON_DATABASE_URL": address}
        processes = [
            await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
            for _ in range(PROCESSES)
        ]
        for _ in range(ROUNDS):
            began = time.monotonic()
            run = await flow(size, concurrency).insert(engine)
            found = await run.result("join", timeout=600)
            seconds = time.monotonic() - began
            _, group, _ = await run.steps()
            shares = Counter(child.pool for child in group.children)
            peaks = ", ".join(f"{peak_mib(process.pid)} MiB" for process in processes)
            print(f"{found:,} results in order after {seconds:.2f} s; shares {sorted(shares.values())}; peaks {peaks}")
        for process in processes:
            process.send_signal(signal.SIGTERM)
            await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int)
    arguments = parser.parse_args()
    with EmbeddedServer.start(temporary=True, settings={"fsync": "on"}) as server:
        asyncio.run(measure(server.dsn("postgres"), arguments.items, arguments.concurrency))


if __name__ == "__main__":
    main()
