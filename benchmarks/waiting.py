"""What a hundred thousand waiting steps cost, and how soon a signal wakes: `python -m benchmarks --only waiting`.

Two databases side by side, one with the waiting steps and one without; measured in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence

from baton import Baton, Engine, Signal, WorkerPool, insert_many, result_of, worker
from benchmarks.server import Server, started

WAITING = 100_000
STEPS_OF_ONE = 100
JOBS = 3_000
ROUNDS = 3
IDLE_SECONDS = 6.0
SIGNALS = 200
_STATEMENTS = "select sum(calls)::bigint from pg_stat_statements where query not like '%pg_stat_statements%'"


@worker(name="waiting: nothing")
async def nothing() -> None:
    pass


@worker(name="waiting: woken")
async def woken(sent_at: float) -> float:
    return time.monotonic() - sent_at


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(prog="benchmarks.waiting", description=__doc__).parse_args(arguments)
    with started() as server:
        print(asyncio.run(_measured(server)))


async def _measured(server: Server) -> str:
    addresses = [await server.create(name) for name in ("without", "with")]
    for address in addresses:
        async with Engine(address) as engine:
            await engine.connections.fetch("create extension pg_stat_statements schema public")
    async with Engine(addresses[1]) as engine:
        await _insert_waiting(engine)
    drains: list[list[float]] = [[], []]
    idle: list[list[int]] = [[], []]
    for _ in range(ROUNDS):
        for place, address in enumerate(addresses):
            async with Engine(address) as engine:
                drains[place].append(await _drain(engine))
                idle[place].append(await _idle_statements(engine))
    async with Engine(addresses[1]) as engine:
        wakes = await _wakes(engine)
    return _table(drains, idle, wakes)


async def _insert_waiting(engine: Engine) -> None:
    flows = [_waiting() for _ in range(WAITING // STEPS_OF_ONE)]
    await insert_many(flows, engine)
    await engine.connections.fetch("vacuum analyze")


def _waiting() -> Baton:
    flow = Baton.new()
    for n in range(STEPS_OF_ONE):
        flow.add(f"signal {n}", Signal())
    return flow


async def _drain(engine: Engine) -> float:
    """Return how many jobs of one step a pool runs in a second: claims and settles."""
    await insert_many([nothing.new() for _ in range(JOBS)], engine)
    began = time.monotonic()
    async with WorkerPool(engine, queues={"default": 100}):
        while await _left(engine):  # noqa: ASYNC110  # another connection sees when it is over
            await asyncio.sleep(0.01)
    return JOBS / (time.monotonic() - began)


async def _left(engine: Engine) -> bool:
    rows = await engine.connections.fetch("select from baton.queue where state <> 'waiting' limit 1")
    return bool(rows)


async def _idle_statements(engine: Engine) -> int:
    async with WorkerPool(engine):
        await asyncio.sleep(1)
        ((before,),) = await engine.connections.fetch(_STATEMENTS)
        await asyncio.sleep(IDLE_SECONDS)
        ((after,),) = await engine.connections.fetch(_STATEMENTS)
    return int(after) - int(before)


async def _wakes(engine: Engine) -> list[float]:
    """Return the seconds from each signal to the start of the step that reads it, a hundred thousand others waiting."""
    flows = [Baton.new().add("signal", Signal()).add("woken", woken.new(result_of("signal"))) for _ in range(SIGNALS)]
    runs = await insert_many(flows, engine)
    wakes: list[float] = []
    async with WorkerPool(engine):
        for run in runs:
            await run.signal("signal", time.monotonic())
            wakes.append(await run.result("woken", timeout=30))
    return wakes


def _table(drains: list[list[float]], idle: list[list[int]], wakes: list[float]) -> str:
    cuts = statistics.quantiles(wakes, n=20)
    per_second = [statistics.median(counts) / IDLE_SECONDS for counts in idle]
    ratios = [there / bare for bare, there in zip(*drains, strict=True)]
    return "\n".join(
        [
            f"| | without | with {WAITING:,} waiting steps |",
            "|---|---|---|",
            f"| jobs drained a second | {statistics.median(drains[0]):,.0f} | {statistics.median(drains[1]):,.0f} |",
            f"| the same, as a ratio in each pair | | {', '.join(f'{ratio:.2f}' for ratio in ratios)} |",
            f"| statements of an idle pool a second | {per_second[0]:.2f} | {per_second[1]:.2f} |",
            f"| signal to the start of its dependent, p50 | | {statistics.median(wakes) * 1000:.1f} ms |",
            f"| the same, p95 | | {cuts[18] * 1000:.1f} ms |",
        ]
    )


if __name__ == "__main__":
    main()
