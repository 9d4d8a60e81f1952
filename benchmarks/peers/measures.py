"""What is measured, the same for every library; see `benchmarks.peers.protocol`."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from benchmarks.peers.endpoint import load, served
from benchmarks.peers.marks import SLOTS, Marks
from benchmarks.peers.protocol import Peer

Values = dict[str, float]

ONE_BY_ONE = 300
CALLERS = (16, 64, 256)
CONCURRENT = 4_096
REQUESTS = 4_000
PICK_UPS = 200
PICK_UP_SECONDS = 4.0
REPEATS = 3
CHAIN = 100
WIDTH = 1_000
DIAMONDS = 500
LAYERS, LAYER_WIDTH = 100, 100
WARMING = 20
"""Jobs that run before the clock starts, so that connections are open and statements prepared."""
PATIENCE_SECONDS = 90.0


class WrongResultError(Exception):
    """Raised when what was measured did not happen as it should have."""


async def drain(name: str, peer: Peer, marks: Marks, processes: int) -> Values:
    """Jobs a second, from the start of the first until none is unfinished; all are inserted before."""
    async with peer:
        await peer.insert_many(range(peer.jobs))
    await _analyze(peer)
    async with _workers(name, peer, processes):
        end = await _all_finished(peer, marks, peer.jobs)
    return {"value": peer.jobs / (end - min(marks.slots[: peer.jobs]))}


async def bulk(_name: str, peer: Peer, _marks: Marks, _processes: int) -> Values:
    """Single jobs inserted a second, many in one call."""
    async with peer:
        await peer.insert_many(range(WARMING))
        began = time.monotonic()
        await peer.insert_many(range(peer.bulk))
        took = time.monotonic() - began
    await _demand_inserted(peer, WARMING + peer.bulk)
    return {"value": peer.bulk / took}


async def one_by_one(_name: str, peer: Peer, _marks: Marks, _processes: int) -> Values:
    """Single jobs inserted a second, each committed before the next."""
    async with peer:
        for number in range(WARMING):
            await peer.insert(number)
        began = time.monotonic()
        for number in range(ONE_BY_ONE):
            await peer.insert(number)
        took = time.monotonic() - began
    await _demand_inserted(peer, WARMING + ONE_BY_ONE)
    return {"value": ONE_BY_ONE / took}


async def concurrent(_name: str, peer: Peer, _marks: Marks, _processes: int) -> Values:
    """Single jobs inserted a second by many tasks of one process, each committed before its task inserts the next."""
    values = {}
    async with peer:
        await peer.open_for(max(CALLERS))
        await _insert_at_once(peer, WARMING, WARMING)
        for callers in CALLERS:
            took = await _insert_at_once(peer, callers, CONCURRENT)
            values[f"callers {callers}"] = CONCURRENT / took
    await _demand_inserted(peer, WARMING + len(CALLERS) * CONCURRENT)
    return values


async def _insert_at_once(peer: Peer, callers: int, jobs: int) -> float:
    """Insert jobs by this many tasks; return the seconds it took."""
    numbers = iter(range(jobs))

    async def insert() -> None:
        for number in numbers:
            await peer.insert(number)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(insert())
    return time.monotonic() - began


async def endpoint(name: str, peer: Peer, _marks: Marks, _processes: int) -> Values:
    """Requests a second to an HTTP endpoint that inserts a job, and their latencies in milliseconds."""
    async with served(name, peer) as port:
        await load(port, WARMING)
        loaded = await load(port, REQUESTS)
    await _demand_inserted(peer, WARMING + REQUESTS)
    return {
        "value": REQUESTS / loaded.seconds,
        "p50": 1000 * loaded.latencies[REQUESTS // 2],
        "p99": 1000 * loaded.latencies[REQUESTS * 99 // 100],
    }


async def pick_up(name: str, peer: Peer, marks: Marks, _processes: int) -> Values:
    """Milliseconds from the return of an insert until the job begins, in another process that is idle."""
    waited, since_call = [], []
    async with _workers(name, peer, 1), peer:
        await _warm(peer, marks)
        deadline = time.monotonic() + PICK_UP_SECONDS
        for number in range(PICK_UPS):
            called = time.monotonic()
            await peer.insert(number)
            returned = time.monotonic()
            await _until(lambda number=number: marks.slots[number] != 0, "a job to begin", seconds=0.001)
            waited.append(max(0.0, marks.slots[number] - returned) * 1000)
            since_call.append((marks.slots[number] - called) * 1000)
            await asyncio.sleep(0.01)  # until it is settled, and the pool idle again
            if time.monotonic() > deadline:
                break
    waited.sort()
    return {
        "value": statistics.median(waited),
        "p99": waited[min(len(waited) - 1, int(len(waited) * 0.99))],
        "since_call": statistics.median(since_call),
        "jobs": len(waited),
    }


async def chain(name: str, peer: Peer, marks: Marks, _processes: int) -> Values:
    """Milliseconds a hop, from the start of the first step to the start of the last."""
    spans = await _spans(name, peer, marks, CHAIN, lambda: peer.insert_chain(CHAIN))
    return {"value": statistics.median(spans) * 1000 / (CHAIN - 1)}


async def fan_out(name: str, peer: Peer, marks: Marks, _processes: int) -> Values:
    """Milliseconds from the start of the first step to the start of the last, 1 -> 1000 -> 1."""
    spans = await _spans(name, peer, marks, WIDTH + 2, lambda: peer.insert_fan_out(WIDTH))
    return {"value": statistics.median(spans) * 1000}


async def diamonds(name: str, peer: Peer, marks: Marks, _processes: int) -> Values:
    """Workflows of four steps a second, from the call that inserts them until none is unfinished."""
    async with _workers(name, peer, 1), peer:
        await _warm(peer, marks)
        await peer.insert_diamonds(1)
        await _all_finished(peer, marks, 4)
        marks.clear()
        began = time.monotonic()
        await peer.insert_diamonds(DIAMONDS)
        end = await _all_finished(peer, marks, 4 * DIAMONDS)
    return {"value": DIAMONDS / (end - began)}


async def layers(_name: str, peer: Peer, _marks: Marks, _processes: int) -> Values:
    """Milliseconds to insert a workflow of 10,000 steps with 29,700 edges, validation included."""
    async with peer:
        await peer.insert_layers(2, 10)
        began = time.monotonic()
        building = await peer.insert_layers(LAYERS, LAYER_WIDTH)
        took = time.monotonic() - began
    return {"value": (took - building) * 1000, "building": building * 1000}


MEASURES: dict[str, Callable[[str, Peer, Marks, int], Awaitable[Values]]] = {
    "drain": drain,
    "bulk": bulk,
    "one-by-one": one_by_one,
    "concurrent": concurrent,
    "endpoint": endpoint,
    "pick-up": pick_up,
    "chain": chain,
    "fan-out": fan_out,
    "diamonds": diamonds,
    "layers": layers,
}


async def _spans(name: str, peer: Peer, marks: Marks, steps: int, insert: Callable[[], Awaitable[None]]) -> list[float]:
    spans = []
    async with _workers(name, peer, 1), peer:
        await _warm(peer, marks)
        for _ in range(REPEATS):
            await insert()
            await _all_finished(peer, marks, steps)
            spans.append(marks.slots[steps - 1] - marks.slots[0])
            marks.clear()
    return spans


@asynccontextmanager
async def _workers(name: str, peer: Peer, processes: int) -> AsyncIterator[None]:
    """Processes that run jobs; they load everything first, and begin together."""
    command = [sys.executable, "-m", "benchmarks.peers", name, "work", "--address", peer.address]
    pipe = asyncio.subprocess.PIPE
    started = [
        await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=None) for _ in range(processes)
    ]
    try:
        for process in started:
            await _said(process, b"loaded")
        for process in started:
            process.stdin.write(b"go\n")
        for process in started:
            await _said(process, b"works")
        yield
    finally:
        # Killed, since some take seconds to end; the database is dropped anyway.
        for process in started:
            process.kill()
        for process in started:
            await process.wait()


async def _said(process: asyncio.subprocess.Process, what: bytes) -> None:
    """Wait for a line; a library may print others."""
    while (line := await process.stdout.readline()).strip() != what:
        if not line:
            raise WrongResultError("a worker process ended at once")


async def _warm(peer: Peer, marks: Marks) -> None:
    for number in range(SLOTS - WARMING, SLOTS):
        await peer.insert(number)
    await _until(lambda: all(marks.slots[SLOTS - WARMING :]), "the first jobs")
    await _until_finished(peer)


async def _all_finished(peer: Peer, marks: Marks, count: int) -> float:
    """Wait until all have run and their outcomes are stored; return that time."""
    await _until(lambda: marks.are_complete(count), f"{count} jobs to run")
    return await _until_finished(peer)


async def _until_finished(peer: Peer) -> float:
    connection = await asyncpg.connect(peer.address)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await connection.fetchval(peer.unfinished):
            if time.monotonic() > deadline:
                raise WrongResultError("all jobs ran, but some are never finished")
            await asyncio.sleep(0.002)
        return time.monotonic()
    finally:
        await connection.close()


async def _until(condition: Callable[[], bool], what: str, seconds: float = 0.003) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise WrongResultError(f"{what} did not come within {PATIENCE_SECONDS:.0f} s")
        await asyncio.sleep(seconds)


async def _demand_inserted(peer: Peer, count: int) -> None:
    if (found := await peer.count_unfinished()) != count:
        raise WrongResultError(f"{found} jobs are there, and {count} were inserted")


async def _analyze(peer: Peer) -> None:
    """Analyze: the planner of a database in use knows its tables, that of one filled a second ago does not."""
    connection = await asyncpg.connect(peer.address)
    try:
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
