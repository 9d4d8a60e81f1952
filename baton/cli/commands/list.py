"""`baton list`: workflows, the newest first, and what failed in them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from baton.cli.arguments import add_address, add_json, count
from baton.cli.many_runs import add_choice, choice
from baton.cli.terminal import Cell, Line, Piece, print_json, print_lines, state, table
from baton.cli.text import cut, one_line
from baton.cli.times import ago, since
from baton.client.engine import Engine
from baton.database.run_list import MOST_RUNS, STATES, RunPage, RunSummary

HEADINGS = ("id", "state", "inserted", "name", "steps", "took")
TEXT = (0, 1, 3)
WIDEST_NAME = 24
WIDEST_REMARK = 200
LIMIT = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "List workflows, the newest first, with the first step that failed in each. A workflow may be completed "
        "although a step failed: then what depends on that step ignores it."
    )
    parser.add_argument("--state", choices=STATES, help="only workflows in this state")
    add_choice(parser)
    parser.add_argument("--limit", type=count, default=LIMIT, metavar="N", help=f"how many (default: {LIMIT})")
    parser.add_argument("--after", type=count, metavar="PLACE", help="go on at the place that an earlier list printed")
    add_json(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Print a line for each workflow, one more for its failure, and how to see more."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        page = await _page(engine, arguments)
        now: datetime = (await engine.connections.fetch("select clock_timestamp() as now"))[0]["now"]
    if arguments.json:
        print_json({"runs": [asdict(run) for run in page.runs], "after": page.after})
    else:
        print_lines(_lines(page, now))


def _lines(page: RunPage, now: datetime) -> Iterator[Line]:
    heading, *rows = table(HEADINGS, [_row(run, now) for run in page.runs], text=TEXT)
    yield heading if rows else [Piece("there is no such workflow")]
    for run, row in zip(page.runs, rows, strict=True):
        yield row
        if failure := _failure(run):
            yield [Piece(f"  ! {cut(failure, WIDEST_REMARK)}", "yellow")]
    if page.after is not None:
        yield []
        yield [Piece(f"--after {page.after} goes on from here", "dim")]


async def _page(engine: Engine, arguments: argparse.Namespace) -> RunPage:
    """Return as many workflows as were asked for, however far back they are."""
    found: list[RunSummary] = []
    after = arguments.after
    while True:
        limit = min(arguments.limit - len(found), MOST_RUNS)
        page = await engine.runs(state=arguments.state, **choice(arguments), limit=limit, after=after)
        found += page.runs
        after = page.after
        if after is None or len(found) == arguments.limit:
            return RunPage(found, after)


def _row(run: RunSummary, now: datetime) -> Sequence[Cell]:
    took = since(run.inserted_at, run.finished_at) if run.finished_at is not None else ""
    done = f"{run.steps - run.unfinished:,}/{run.steps:,}" if run.unfinished else f"{run.steps:,}"
    name = cut(one_line(run.name or ""), WIDEST_NAME)
    return (run.id, state(run.state), ago(run.inserted_at, now), name, done, took)


def _failure(run: RunSummary) -> str:
    if run.failed_step is None:
        return ""
    ignored = "ignored: " if run.state == "completed" else ""
    more = f" and {run.discarded - 1:,} more" if run.discarded > 1 else ""
    return one_line(f"{ignored}{run.failed_step}{more}" + (f": {run.reason}" if run.reason else ""))
