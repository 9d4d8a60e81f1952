"""What a key costs: `insert_many` of 10,000 runs with keys and without, in pairs on one server.

`python -m benchmarks --only keys`. A run without a key pays nothing; a key is one row and one entry of an index more.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence

from baton import Baton, Engine, insert_many, worker
from tests.servers import temporary_server

RUNS = 10_000


@worker(name="benchmark of keys")
async def nothing() -> None:
    pass


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keys", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args(argv)
    with temporary_server() as server:
        asyncio.run(measure(server.dsn(), given.rounds))


async def measure(dsn: str, rounds: int) -> None:
    """Insert in turns, so that both meet the same machine, and print the medians and their ratio."""
    taken: dict[str, list[float]] = {"without": [], "keys": [], "tags": []}
    async with Engine(dsn) as engine:
        for number in range(rounds):
            for kind, seconds in taken.items():
                seconds.append(await _inserted(kind, number))
            await engine.connections.fetch(
                "truncate baton.workflows, baton.steps, baton.queue, baton.run_keys, baton.run_tags"
            )
    print(f"{RUNS:,} runs of one step, medians of {rounds} pairs\n")
    print("| insert_many | ms | runs/s | of that without |\n|---|---|---|---|")
    plain = statistics.median(taken["without"])
    for kind, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"| {kind} | {median * 1000:.0f} | {RUNS / median:,.0f} | {median / plain:.2f} |")


async def _inserted(kind: str, number: int) -> float:
    flows = [_flow(kind, f"{number}:{place}") for place in range(RUNS)]
    began = time.perf_counter()
    await insert_many(flows)
    return time.perf_counter() - began


def _flow(kind: str, name: str) -> Baton:
    match kind:
        case "keys":
            flow = Baton.new(key=name)
        case "tags":
            flow = Baton.new(tags={"team": "red"})
        case _:
            flow = Baton.new()
    return flow.add("a", nothing.new())


if __name__ == "__main__":
    main()
