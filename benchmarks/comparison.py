"""The comparison with other libraries: interleaved rounds, each measurement in a database and a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from benchmarks.environment import PYTHON, ROOT, Library, last_line
from benchmarks.plan import IDLE, ROWS
from benchmarks.server import Server

PATIENCE_SECONDS = 150
SETTLING_SECONDS = 10
IDLE_SECONDS = 40

Run = tuple[str, int]


@dataclass(slots=True)
class Figures:
    """What was measured: for each library and run the values of each round, or why there are none."""

    values: dict[tuple[str, Run], list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[tuple[str, Run], str] = field(default_factory=dict)

    def of(self, library: str, run: Run, value: str) -> list[float]:
        return sorted(one[value] for one in self.values.get((library, run), ()))


async def compare(server: Server, libraries: Sequence[Library], measures: Sequence[str], rounds: int) -> Figures:
    """Measure in rounds: each round takes each measure, and for each measure each library in turn."""
    figures = Figures()
    ready = [library for library in libraries if not library.fault]
    ready = [library for library in ready if await _is_installed(server, library, figures)]
    runs = [run for run in dict.fromkeys(row.run for row in ROWS) if run[0] in measures and run[0] != IDLE]
    for number in range(1, rounds + 1):
        for run in runs:
            for library in ready:
                if (library.name, run) not in figures.faults:
                    await _measure(server, library, run, figures)
                    _say(number, library, run, figures)
    if IDLE in measures:
        await _measure_idle(server, ready, figures)
    return figures


async def _is_installed(server: Server, library: Library, figures: Figures) -> bool:
    address = await server.create(_template(library))
    done = await _call(library, "install", address)
    if done.fault:
        for row in ROWS:
            figures.faults[library.name, row.run] = f"its tables could not be made: {done.fault}"
    return not done.fault


async def _measure(server: Server, library: Library, run: Run, figures: Figures) -> None:
    measure, processes = run
    database = f"measured {library.name}"
    address = await server.create(database, _template(library))
    done = await _call(library, measure, address, "--processes", str(processes))
    if done.fault:
        figures.faults[library.name, run] = done.fault
        return
    answer = json.loads(done.said.strip().splitlines()[-1])
    if "not_measured" in answer:
        figures.faults[library.name, run] = answer["not_measured"]
    else:
        figures.values[library.name, run].append(answer["values"])
    await server.drop(database)


async def _measure_idle(server: Server, libraries: Sequence[Library], figures: Figures) -> None:
    """Let a process of each library wait for work, all at the same time, and count what it sends meanwhile."""
    databases = {library.name: f"idle {library.name}" for library in libraries}
    await server.execute("create extension if not exists pg_stat_statements")
    async with AsyncExitStack() as stack:
        for library in libraries:
            address = await server.create(databases[library.name], _template(library))
            await stack.enter_async_context(_working(library, address))
        await asyncio.sleep(SETTLING_SECONDS)
        before = await _statements(server)
        await asyncio.sleep(IDLE_SECONDS)
        after = await _statements(server)
    for name, database in databases.items():
        sent = after.get(database, 0) - before.get(database, 0)
        figures.values[name, (IDLE, 1)].append({"value": sent / IDLE_SECONDS})


async def _statements(server: Server) -> dict[str, int]:
    connection = await asyncpg.connect(server.address("template1"))
    try:
        rows = await connection.fetch(
            """
            select d.datname, sum(s.calls)::bigint as calls
              from pg_stat_statements s
              join pg_database d on d.oid = s.dbid
             group by d.datname
            """
        )
        return {row["datname"]: row["calls"] for row in rows}
    finally:
        await connection.close()


@asynccontextmanager
async def _working(library: Library, address: str) -> AsyncIterator[None]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_command(library, "work", address), stdin=pipe, stdout=asyncio.subprocess.DEVNULL, cwd=ROOT
    )
    process.stdin.write(b"go\n")
    try:
        yield
    finally:
        process.kill()
        await process.wait()


@dataclass(frozen=True, slots=True)
class Done:
    said: str
    fault: str


async def _call(library: Library, what: str, address: str, *options: str) -> Done:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *_command(library, what, address), *options, stdout=pipe, stderr=pipe, cwd=ROOT
    )
    try:
        said, complained = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Done("", f"took longer than {PATIENCE_SECONDS} s")
    return Done(said.decode(), last_line(complained.decode()) if process.returncode else "")


def _command(library: Library, what: str, address: str) -> list[str]:
    return [str(PYTHON), "-m", "benchmarks.peers", library.name, what, "--address", address]


def _template(library: Library) -> str:
    return f"template {library.name}"


def _say(number: int, library: Library, run: Run, figures: Figures) -> None:
    values = figures.values.get((library.name, run))
    said = (
        ", ".join(f"{key} {value:,.2f}" for key, value in values[-1].items())
        if values
        else f"not measured: {figures.faults[library.name, run]}"
    )
    measure, processes = run
    print(f"round {number}  {measure + (' x2' if processes > 1 else ''):<11} {library.name:<14} {said}", flush=True)
