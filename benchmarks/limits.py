"""What limits of queues cost: `python -m benchmarks --only limits`.

Four connections settle and claim a hundred one-step workflows in a call, from queues without and with limits, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from baton import Engine, insert_many, worker
from baton.core.outcome import Outcome
from baton.database.messages import Advanced, Claimed, ClaimRequest, Settlement
from baton.tasks import Tasks
from benchmarks.server import Server, started

JOBS = 10_000
ROUNDS = 3
CLAIMERS = 4
LANES = 1_000
BEHIND_A_FULL_LANE = 100_000
FULL_LANES = 10_000


@worker(name="limits: nothing")
async def nothing() -> None: ...


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(prog="benchmarks.limits", description=__doc__).parse_args(arguments)
    with started() as server:
        print(asyncio.run(_measured(server)))


async def _measured(server: Server) -> str:
    async with Engine(await server.create("limits"), connections=CLAIMERS + 1) as engine:
        await engine.limit("global", running=1000)
        await engine.limit("lanes", lane_running=10)
        drains: dict[str, list[float]] = {"plain": [], "global": [], "lanes": []}
        for _ in range(ROUNDS):
            for queue, rates in drains.items():
                await _insert(engine, queue, JOBS, lanes=LANES)
                rates.append(await _drain(engine, queue, JOBS))
        lines = [_line(queue, rates, drains["plain"]) for queue, rates in drains.items()]
        return "\n".join([*lines, await _beside_a_full_lane(engine), await _beside_full_lanes(engine)])


def _line(queue: str, rates: list[float], plain: list[float]) -> str:
    share = statistics.median(rate / other for rate, other in zip(rates, plain, strict=True))
    return f"{queue:8} {statistics.median(rates):8,.0f} jobs/s, {share:.2f} of the drain without limits"


async def _insert(engine: Engine, queue: str, count: int, *, lanes: int, name: str = "lane") -> None:
    jobs = [nothing.new().with_options(queue=queue, lane=f"{name} {number % lanes:05}") for number in range(count)]
    await insert_many(jobs, engine)
    await engine.connections.fetch("vacuum analyze baton.queue")


async def _drain(engine: Engine, queue: str, count: int) -> float:
    """Return how many jobs a second four claimers settle and claim."""
    settled: Counter[str] = Counter()
    tasks = Tasks()
    began = time.monotonic()
    claimers = [tasks.start(_claim(engine, queue, count, settled), name="claimer") for _ in range(CLAIMERS)]
    await asyncio.wait(claimers)
    return count / (time.monotonic() - began)


async def _claim(engine: Engine, queue: str, count: int, settled: Counter[str]) -> None:
    pool = await _register(engine, queue)
    held: Sequence[Claimed] = ()
    memory: str | None = None
    while settled[queue] < count:
        # Locks that others held: the next call settles nothing, and may wait for them.
        must_wait = memory is not None and json.loads(memory)[queue]["next_in"] == 0
        outcomes = () if must_wait else held
        advanced = await _advance(engine, pool, queue, outcomes, memory)
        settled[queue] += len(outcomes)
        held = [*(held if must_wait else ()), *advanced.claimed]
        memory = advanced.memory
        if not held and memory is None:
            await asyncio.sleep(0.001)


async def _register(engine: Engine, queue: str) -> int:
    return await engine.store.register(
        name="bench", host="here", pid=1, limits={queue: 1000}, workers=[nothing.name], lease_seconds=3600
    )


async def _advance(
    engine: Engine, pool: int, queue: str, done: Sequence[Claimed], memory: str | None, most: int = 100
) -> Advanced:
    outcomes = [Settlement(one.step_id, one.token, Outcome("completed", "null")) for one in done]
    return await engine.store.advance(pool, outcomes, ClaimRequest(uuid4(), {queue: most}, memory=memory))


async def _beside_a_full_lane(engine: Engine) -> str:
    """A step of another lane, while one lane is full and a hundred thousand entries wait in it."""
    await engine.limit("tenants", lane_running=10)
    pool = await _register(engine, "tenants")
    await _insert(engine, "tenants", BEHIND_A_FULL_LANE, lanes=1, name="full")
    await _advance(engine, pool, "tenants", (), None, most=10)
    times = []
    for number in range(100):
        await nothing.new().with_options(queue="tenants", lane=f"free {number}").insert(engine)
        began = time.monotonic()
        advanced = await _advance(engine, pool, "tenants", (), None, most=1)
        times.append(time.monotonic() - began)
        assert len(advanced.claimed) == 1
    took = f"{1000 * statistics.median(times):.2f} ms"
    return f"beside a full lane with {BEHIND_A_FULL_LANE:,} entries: a claim takes {took}"


async def _beside_full_lanes(engine: Engine) -> str:
    """How soon the one free lane is found beside ten thousand full ones, without a notification that names it."""
    await engine.limit("many", lane_running=1)
    pool = await _register(engine, "many")
    await _insert(engine, "many", 2 * FULL_LANES, lanes=FULL_LANES, name="full")
    memory, claimed = None, 0
    while claimed < FULL_LANES:
        advanced = await _advance(engine, pool, "many", (), memory, most=500)
        claimed, memory = claimed + len(advanced.claimed), advanced.memory
    await nothing.new().with_options(queue="many", lane="full 05000 and free").insert(engine)
    began, calls, found = time.monotonic(), 0, 0
    while not found:
        advanced = await _advance(engine, pool, "many", (), memory, most=20)
        memory, found, calls = advanced.memory, len(advanced.claimed), calls + 1
    seconds = time.monotonic() - began
    took = f"{calls} claims, {1000 * seconds:.0f} ms in all"
    return f"beside {FULL_LANES:,} full lanes: the free one is found after {took}"


if __name__ == "__main__":
    main()
