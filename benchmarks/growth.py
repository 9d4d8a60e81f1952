"""Does anything cost more when the tables have grown?

    python -m benchmarks.growth --size 10000000

Fills a database with finished steps, in three stages, and at each takes the times of a claim, a settle, an insert and
`run.status()`; then once more after a snapshot was held open by another session while jobs went through. The finished
steps are copies of a workflow that the engine itself ran; beside them wait 100,000 suspended and 100,000 scheduled
steps. At the end: does pruning keep up with a drain, and does it slow a claim?
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from uuid import uuid4

import asyncpg

from baton import Baton, Engine, Run, WorkerPool, result_of, worker
from baton.core.outcome import completed
from baton.database.messages import Claimed, ClaimRequest, Settlement
from benchmarks.report import number, table, write_section
from benchmarks.server import machine, started

SIZE = 10_000_000
WAITING = 100_000
BATCH = 100
CALLS = 40
"""Calls of each kind at each size; the figures are their medians."""
DRAINED = 10_000
CHURNED = 20_000
COPIED_AT_ONCE = 100_000
"""Workflows that one filling statement inserts."""
KEPT = timedelta(days=3)
"""The age from which workflows are pruned at the end: half of the finished ones are older."""
PRUNING_SECONDS = 6.0
ROUNDS = 3
SETTINGS = {"max_wal_size": "8GB"}


@worker(name="growth step", queue="growth")
async def step(number: int = 0, taken: int = 0) -> int:
    return number + taken


@dataclass(frozen=True, slots=True)
class Times:
    """Medians in milliseconds, and a rate."""

    claim: float
    settle: float
    insert: float
    status: float
    drain: float


TITLES = {
    "claim": f"claim of {BATCH}, ms",
    "settle": f"settle of {BATCH}, ms",
    "insert": "insert of a workflow of 4 steps, ms",
    "status": "`run.status()` of one of 10 steps, ms",
    "drain": f"drain of {DRAINED:,} jobs, jobs/s",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """The engine, and a plain connection."""

    address: str
    engine: Engine
    connection: asyncpg.Connection


async def measure(address: str, size: int) -> str:
    """Fill in stages, measure at each, and return the tables in Markdown."""
    connection = await asyncpg.connect(address)
    try:
        async with Engine(address) as engine:
            return await _measure(Setup(address, engine, connection), size)
    finally:
        await connection.close()


async def _measure(place: Setup, size: int) -> str:
    stages: dict[str, Times] = {}
    template = await _run_template(place.engine)
    await _insert_waiting()
    await _times(place.engine, template)  # connections, plans and caches are cold only once
    for wanted in _stages(size):
        await _fill(place, template, wanted)
        stages[f"{wanted:,}"] = await _say(f"{wanted:,} finished", _times(place.engine, template))
        async with _snapshot(place.address):
            await _drained(place.engine, CHURNED)
            held = _times(place.engine, template)
            stages[f"{wanted:,}, snapshot held"] = await _say(f"{wanted:,} finished, a snapshot held", held)
        await place.connection.execute("vacuum baton.queue")
    pruning = await _pruning(place)
    return f"{_growth_table(stages)}\n\n{pruning}"


def _stages(size: int) -> list[int]:
    return sorted({10, min(100_000, size), size})


async def _say(what: str, times: Awaitable[Times]) -> Times:
    taken = await times
    print(what, *[f"{field.name} {getattr(taken, field.name):,.2f}" for field in fields(Times)], sep="  ", flush=True)
    return taken


# What is there


async def _run_template(engine: Engine) -> Run:
    """Let the engine run a workflow of ten steps; the others are copies of its rows."""
    built = Baton.new(workflow_name="finished").add("0", step.new(number=0))
    for ordinal in range(1, 10):
        built.add(str(ordinal), step.new(number=ordinal, taken=result_of(str(max(0, ordinal - 3)))))
    async with WorkerPool(engine, queues={"growth": 10}, keep=None):
        run = await built.insert()
        await run.wait(timeout=60)
    return run


async def _insert_waiting() -> None:
    """Insert a workflow of many steps that wait for a first one, and one of many that wait for a time."""
    later = step.new().with_options(schedule_in=timedelta(days=1), queue="later")
    suspended = Baton.new(workflow_name="suspended").add("first", later)
    scheduled = Baton.new(workflow_name="scheduled")
    for ordinal in range(WAITING):
        suspended.add(str(ordinal), step.new(), deps=["first"])
        scheduled.add(str(ordinal), later)
    await suspended.insert()
    await scheduled.insert()


async def _fill(place: Setup, template: Run, steps: int) -> None:
    """Copy the template's rows until there are `size` finished steps, which ended evenly over the last six days."""
    columns = {name: await _columns(place, name) for name in ("workflows", "steps")}
    there = await place.connection.fetchval("select count(*) from baton.workflows where finished_at is not null")
    began = time.monotonic()
    while there < steps // 10:
        count = min(COPIED_AT_ONCE, steps // 10 - there)
        await _copy(place, template, columns, count)
        there += count
    await place.connection.execute("vacuum analyze", timeout=600)
    print(f"filled up to {steps:,} in {time.monotonic() - began:.0f} s", flush=True)


async def _copy(place: Setup, template: Run, columns: dict[str, list[str]], count: int) -> None:
    def copied(table: str, changed: dict[str, str]) -> tuple[str, str]:
        kept = [name for name in columns[table] if name not in changed]
        return ", ".join([*changed, *kept]), ", ".join([*changed.values(), *[f"t.{name}" for name in kept]])

    ended = f"clock_timestamp() - interval '6 days' * (1 - g.n / {count}.0)"
    into_workflows, of_workflows = copied(
        "workflows",
        {"id": "gen_random_uuid()::text", "inserted_at": f"{ended} - interval '10 days'", "finished_at": ended},
    )
    into_steps, of_steps = copied(
        "steps", {"id": "baton.step_of(w.key, baton.ordinal_of(t.id))", "finished_at": "w.finished_at"}
    )
    await place.connection.execute(
        f"""
        with w as (
            insert into baton.workflows ({into_workflows})
            select {of_workflows}
              from generate_series(1, {count}) as g(n)
             cross join (select * from baton.workflows where id = '{template.id}') as t
         returning key, finished_at
        )
        insert into baton.steps ({into_steps})
        select {of_steps}
          from w
         cross join (
                  select * from baton.steps where baton.workflow_of(id) =
                         (select key from baton.workflows where id = '{template.id}') offset 0
              ) as t
        """,
        timeout=600,
    )


async def _columns(place: Setup, table: str) -> list[str]:
    """All columns but those that the database makes itself."""
    rows = await place.connection.fetch(
        "select column_name from information_schema.columns"
        " where table_schema = 'baton' and table_name = $1 and is_identity = 'NO' and is_generated = 'NEVER'",
        table,
    )
    return [row["column_name"] for row in rows]


# What it costs


async def _times(engine: Engine, template: Run) -> Times:
    claims, settles = await _claims_and_settles(engine)
    return Times(
        claim=statistics.median(claims),
        settle=statistics.median(settles),
        insert=await _median(lambda: _small().insert()),
        status=await _median(template.status),
        drain=await _drained(engine, DRAINED),
    )


def _small() -> Baton:
    """No pool serves its queue."""
    unserved = step.new().with_options(queue="unserved")
    return (
        Baton.new()
        .add("a", unserved)
        .add("b", unserved, deps=["a"])
        .add("c", unserved, deps=["a"])
        .add("d", unserved, deps=["b", "c"])
    )


async def _median(call: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(CALLS):
        began = time.monotonic()
        await call()
        taken.append(time.monotonic() - began)
    return statistics.median(taken) * 1000


@asynccontextmanager
async def _registered(engine: Engine) -> AsyncIterator[int]:
    """A pool without a loop: the functions are called one by one, to time each."""
    pool = await engine.store.register(
        name="growth", host="", pid=os.getpid(), limits={"growth": BATCH}, workers=["growth step"], lease_seconds=3600
    )
    try:
        yield pool
    finally:
        await engine.store.deregister(pool)


async def _claims_and_settles(engine: Engine) -> tuple[list[float], list[float]]:
    await _insert_jobs(BATCH * CALLS)
    claims, settles = [], []
    async with _registered(engine) as pool:
        for _ in range(CALLS):
            began = time.monotonic()
            claimed = await engine.store.claim(pool, ClaimRequest(uuid4(), {"growth": BATCH}))
            between = time.monotonic()
            await engine.store.settle(_settling(claimed))
            settles.append((time.monotonic() - between) * 1000)
            claims.append((between - began) * 1000)
            if len(claimed) != BATCH:
                raise RuntimeError(f"{len(claimed)} steps were claimed instead of {BATCH}")
    return claims, settles


def _settling(claimed: Sequence[Claimed]) -> list[Settlement]:
    return [Settlement(one.step_id, one.token, completed("0")) for one in claimed]


async def _insert_jobs(count: int) -> Run:
    """In one workflow, which is the fastest way to insert them."""
    built = Baton.new()
    for ordinal in range(count):
        built.add(str(ordinal), step.new(number=ordinal))
    return await built.insert()


async def _drained(engine: Engine, count: int) -> float:
    run = await _insert_jobs(count)
    began = time.monotonic()
    async with WorkerPool(engine, queues={"growth": 400}, keep=None):
        state = await run.wait(timeout=300)
        took = time.monotonic() - began
    if state != "completed":
        raise RuntimeError(f"the {count} jobs are {state} instead of completed")
    return count / took


@asynccontextmanager
async def _snapshot(address: str) -> AsyncIterator[None]:
    """A transaction of another session whose snapshot keeps old row versions from being cleaned up."""
    connection = await asyncpg.connect(address)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("select count(*) from baton.queue")
            yield
    finally:
        await connection.close()


# Pruning


async def _pruning(place: Setup) -> str:
    """Times of claims with and without a pool that prunes, alternating; rates of pruning and of a drain."""
    # Pruning follows the key until it reaches recent inserts: what ran between the fills has to
    # look as old.
    await place.connection.execute(
        "update baton.workflows set inserted_at = inserted_at - interval '10 days' "
        "where inserted_at > clock_timestamp() - interval '9 days'"
    )
    quiet, beside, pruned = [], [], []
    for _ in range(ROUNDS):
        quiet += (await _claims_and_settles(place.engine))[0]
        async with _pruner(place.address):
            before, began = await _steps_to_prune(place), time.monotonic()
            while time.monotonic() - began < PRUNING_SECONDS:
                beside += (await _claims_and_settles(place.engine))[0]
            pruned.append((before - await _steps_to_prune(place)) / (time.monotonic() - began))
    drain = [await _drained(place.engine, DRAINED) for _ in range(ROUNDS)]
    rows = [
        ["steps pruned a second by one pool, while another claims and settles", number(statistics.median(pruned))],
        ["steps drained a second by one pool", number(statistics.median(drain))],
        [f"claim of {BATCH} while nobody prunes, ms", number(statistics.median(quiet))],
        ["the same while a pool prunes, ms", number(statistics.median(beside))],
        ["times slower", number(statistics.median(beside) / statistics.median(quiet))],
    ]
    return table(["pruning", f"medians of {ROUNDS} rounds"], rows)


@asynccontextmanager
async def _pruner(address: str) -> AsyncIterator[None]:
    """A process with one pool."""
    command = [sys.executable, "-m", "benchmarks.growth", "--prune", address]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        await process.stdout.readline()
        yield
    finally:
        process.terminate()
        await process.wait()


async def _prune(address: str) -> None:
    async with Engine(address) as engine, WorkerPool(engine, queues={"nobody's": 1}, keep=KEPT) as pool:
        print("prunes", flush=True)
        await pool.serve()


async def _steps_to_prune(place: Setup) -> int:
    return 10 * await place.connection.fetchval(
        "select count(*) from baton.workflows where finished_at < clock_timestamp() - $1::interval", KEPT
    )


def _growth_table(stages: dict[str, Times]) -> str:
    first = next(iter(stages.values()))
    rows = []
    for finished, times in stages.items():
        row = [finished]
        for field in fields(Times):
            value, least = getattr(times, field.name), getattr(first, field.name)
            row.append(f"{number(value)} ({value / least:.2g})")
        rows.append(row)
    return table(["finished steps", *TITLES.values()], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=int(os.environ.get("SIZE", SIZE)), help="finished steps at the end")
    parser.add_argument("--prune", metavar="ADDRESS", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.prune:
        asyncio.run(_prune(given.prune))
        return
    with started(**SETTINGS) as server:
        text = (
            f"{machine(server)}. Beside the finished steps {WAITING:,} suspended and {WAITING:,} scheduled ones; in "
            f"parentheses, how many times the first row. Medians of {CALLS} calls.\n\n"
            f"{asyncio.run(measure(server.address('postgres'), given.size))}"
        )
    print(f"\n{text}")
    if given.size == SIZE:
        write_section("growth", text)


if __name__ == "__main__":
    main()
