"""What the pages of the dashboard cost, with many runs stored: `python -m benchmarks --only web`.

`--stored` is how many finished workflows of one step there are, `--live` how many entries. Both are written with SQL
and never run. A page is asked for without a socket, so the figure is reading, drawing and writing it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence

import httpx

from baton import Baton, Engine, worker
from baton.database.connections import Connections
from baton.web import User, dashboard
from baton.web.rendering import url
from baton.web.run_picture import forget_layouts
from tests.servers import temporary_server

TIMES = 20


@worker(name="benchmark of the dashboard")
async def nothing() -> None:
    pass


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    parser.add_argument("--stored", type=int, default=200_000)
    parser.add_argument("--live", type=int, default=50_000)
    given = parser.parse_args(argv)
    with temporary_server() as server:
        asyncio.run(measure(server.dsn(), given.stored, given.live))


async def measure(dsn: str, stored: int, live: int) -> None:
    """Fill the database, ask for each page, and print the table."""
    async with Engine(dsn) as engine:
        thousand = await _layers(100, 10).insert()
        groups = await _groups(20, 5_000).insert()
        await _fill(engine, stored, live)
        app = dashboard(engine, user=lambda _request: User("benchmark", may="everything"))
        print(f"{stored:,} finished runs and {live:,} entries; a page {TIMES} times\n")
        print("| page | first, ms | p50, ms | p95, ms | statements | KB |\n|---|---|---|---|---|---|")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://dashboard/", timeout=60) as client:
            for title, address in {
                "overview": "",
                "runs": "runs",
                "runs that failed": url("runs", state="failed"),
                "runs by a name of none": url("runs", name="none"),
                "a run of one step": url("run", id="finished 7"),
                "a run of 1,000 steps": url("run", id=thousand.id),
                "a run of 100,000 steps in groups": url("run", id=groups.id),
                "a step of it": url("step", id=groups.id, step="group 3/step 4444"),
                "steps of it": url("steps", id=groups.id),
                "queues": "queues",
                "pools": "pools",
                "schedules": "schedules",
                "limits": "limits",
                "interventions": "interventions",
            }.items():
                print(await _row(client, title, address), flush=True)


async def _row(client: httpx.AsyncClient, title: str, address: str) -> str:
    forget_layouts()
    statements, fetch = 0, Connections.fetch

    async def counted(self: Connections, query: str, *args: object) -> object:
        nonlocal statements
        statements += 1
        return await fetch(self, query, *args)

    seconds = []
    for _ in range(TIMES + 1):
        statements, began = 0, time.perf_counter()
        Connections.fetch = counted  # type: ignore[method-assign, assignment]
        try:
            answer = await client.get(address)
        finally:
            Connections.fetch = fetch  # type: ignore[method-assign]
        seconds.append(time.perf_counter() - began)
        answer.raise_for_status()
    first, rest = seconds[0], seconds[1:]
    p95 = statistics.quantiles(rest, n=20)[-1]
    figures = f"{first * 1000:.0f} | {statistics.median(rest) * 1000:.0f} | {p95 * 1000:.0f}"
    return f"| {title} | {figures} | {statements} | {len(answer.content) / 1000:.0f} |"


def _layers(layers: int, width: int) -> Baton:
    """Each step waits for two of the layer before."""
    flow = Baton.new(workflow_name="layers")
    for layer in range(layers):
        for place in range(width):
            before = [f"{layer - 1}:{(place + more) % width}" for more in (0, 1)] if layer else []
            flow.add(f"{layer}:{place}", nothing.new(), deps=before)
    return flow


def _groups(groups: int, size: int) -> Baton:
    flow = Baton.new(workflow_name="groups")
    for group in range(groups):
        inner = Baton.new()
        for step in range(size):
            inner.add(f"step {step}", nothing.new(), deps=[f"step {step - 1}"] if step % 10 else [])
        flow.add(f"group {group}", inner)
    return flow


async def _fill(engine: Engine, stored: int, live: int) -> None:
    async with engine.connections.acquire() as connection:
        await connection.execute("set search_path to baton")
        await connection.execute(
            f"""
            insert into workflows (id, fingerprint, total, remaining, state, finished_at)
            select 'finished ' || n, '1:x', 1, 0, 'completed', now() from generate_series(1, {stored}) n;
            insert into steps (id, name, worker, args, queue, priority, max_attempts, ignore_cancelled,
                               ignore_discarded, ignore_skipped, dependencies, dependents, pending, state, result,
                               finished_at)
            select step_of(w.key, 0), 's', 'work', '{{}}', 'default', 0, 20, false, false, false, '{{}}', '{{}}', 0,
                   'completed', '1', now()
              from workflows w where w.id like 'finished %';
            insert into workflows (id, fingerprint, total, remaining)
            select 'live ' || n, '1:x', 1, 1 from generate_series(1, {live}) n;
            insert into steps (id, name, worker, args, queue, priority, max_attempts, ignore_cancelled,
                               ignore_discarded, ignore_skipped, dependencies, dependents, pending, state)
            select step_of(w.key, 0), 's', 'work', '{{}}', 'default', 0, 20, false, false, false, '{{}}', '{{}}', 0,
                   'queued'
              from workflows w where w.id like 'live %';
            insert into queue (step_id, scheduled_at, position, priority, state, queue)
            select step_of(w.key, 0), now(), now(), 0, 'available', 'default' from workflows w where w.id like 'live %';
            """,
            timeout=600,
        )
        for table in ("workflows", "steps", "queue"):
            await connection.execute(f"vacuum analyze {table}", timeout=600)
        await connection.execute("reset search_path")


if __name__ == "__main__":
    main()
