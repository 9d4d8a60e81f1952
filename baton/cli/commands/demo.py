"""`baton demo`: the census of the standard library, with one worker process and with several."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from baton.cli.arguments import add_address, count
from baton.cli.census import QUEUE, Census, Counted, census, packages_in, standard_library
from baton.cli.failures import CommandError
from baton.cli.meter import Meter, meter
from baton.cli.terminal import print_lines, table
from baton.client.engine import Engine
from baton.client.run import Run
from baton.embedded.server import EmbeddedServer
from baton.runtime.pool import WorkerPool

REFRESH_SECONDS = 0.1
TOP_PACKAGES = 15
SUMMARY_COLUMNS = ("processes", "wall time", "spent counting", "longest step", "packages by process id")


@dataclass(frozen=True, slots=True)
class Finished:
    """One run of the census."""

    workflow_id: str
    slots: int
    seconds: float
    """From the insert to the last result, starting the worker processes included."""
    census: Census


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Count this interpreter's standard library in a workflow, once with one worker process and once with several. "
        "It runs on a PostgreSQL server of its own, which is gone afterwards, or on the one that --address names."
    )
    parser.add_argument("--slots", type=count, metavar="N", help="how many worker processes the second run has")
    parser.add_argument("--library", metavar="DIR", help="count the packages in this folder instead")
    add_address(parser, address_help="postgresql://...; left out: a temporary server", schema="baton_demo")


def run(arguments: argparse.Namespace) -> None:
    """Run the census twice and print what it found and how long it took; leave nothing running.

    Raises: CommandError if a step fails.
    """
    library = Path(arguments.library).absolute() if arguments.library else standard_library()
    packages = packages_in(library)
    slots = arguments.slots or min(8, max(2, os.cpu_count() or 1))
    with ExitStack() as server:
        address = arguments.address
        if address is None:
            # Neither the application's database nor the user's own embedded one: a demonstration
            # leaves no trace.
            print("starting a PostgreSQL server for the demo")
            address = server.enter_context(EmbeddedServer.start(temporary=True)).dsn()
        runs = asyncio.run(_measured(Engine(address, schema=arguments.schema), library, packages, (1, slots)))
    _report(library, runs)
    if arguments.address is not None:
        print(f"\nTo see its steps: baton show {runs[-1].workflow_id} --schema {arguments.schema}")


async def _measured(engine: Engine, library: Path, packages: Sequence[str], slots: Sequence[int]) -> list[Finished]:
    async with engine:
        return [await _counted(engine, library, packages, number) for number in dict.fromkeys(slots)]


async def _counted(engine: Engine, library: Path, packages: Sequence[str], slots: int) -> Finished:
    workflow = census(library, packages)
    steps = len(workflow.step_names())
    print(f"\n{steps} steps count {library} with {slots} worker process{'es' if slots > 1 else ''}")
    clock = asyncio.get_running_loop().time
    # Twice as many steps are claimed as run, so that a process has the next one at hand. No grace:
    # Ctrl-C means now.
    async with WorkerPool(engine, queues={QUEUE: 2 * slots}, processes=slots, grace=0):
        began = clock()
        run = await workflow.insert(engine)
        with meter(steps) as shown:
            await _watch(run, shown, began)
        found: Census = await run.result("census")
    return Finished(run.id, slots, clock() - began, found)


async def _watch(run: Run, shown: Meter, began: float) -> None:
    """Show the steps by state until the workflow is final."""
    state = None
    while state is None:
        # Not the timeout of `wait`, which looks up why the workflow is not final.
        with suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_SECONDS):
                state = await run.wait()
        status = await run.status()
        shown.show(status.counts, asyncio.get_running_loop().time() - began)
    if state != "completed":
        failed = [f"{step.name}: {step.reason}" for step in await run.steps() if step.state == "discarded"]
        raise CommandError(f"the census is {state}: {'; '.join(failed)}")


def _report(library: Path, runs: Sequence[Finished]) -> None:
    found = runs[-1].census
    total = found.total
    print(f"\nThe {TOP_PACKAGES} largest of {len(found.packages)} packages in {library}\n")
    headings = ("package", "modules", "functions", "async", "classes", "lines", "longest", "process")
    rows = [_row(one) for one in found.packages[:TOP_PACKAGES]]
    print_lines(table(headings, [*rows, ("all", *_figures(Counted("", total, 0, 0.0)), "")]))
    longest = total.longest
    print(f"\nThe longest function is {longest.name} in {longest.file}: {longest.lines} lines.")
    if total.unparsed:
        print(
            f"{total.unparsed} files are not Python of this version (most are there to test the parser) and count "
            f"nowhere else."
        )
    print()
    print_lines(table(SUMMARY_COLUMNS, [_summary(one) for one in runs]))


def _row(counted: Counted) -> Sequence[str]:
    return (counted.package, *_figures(counted), str(counted.pid))


def _figures(counted: Counted) -> Sequence[str]:
    count = counted.count
    figures = (count.modules, count.functions, count.async_functions, count.classes, count.lines)
    return (*(f"{figure:,}" for figure in figures), f"{count.longest.lines:,}")


def _summary(finished: Finished) -> Sequence[str]:
    spent = [one.seconds for one in finished.census.packages]
    times = (finished.seconds, sum(spent), max(spent))
    return (str(finished.slots), *(f"{seconds:.2f} s" for seconds in times), _shares(finished.census))


def _shares(found: Census) -> str:
    by_process: dict[int, int] = {}
    for one in found.packages:
        by_process[one.pid] = by_process.get(one.pid, 0) + 1
    return ", ".join(f"{pid}: {packages}" for pid, packages in sorted(by_process.items()))
