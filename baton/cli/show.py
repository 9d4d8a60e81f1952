"""`baton show`: one workflow, as its steps are now."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from baton.cli.terminal import Piece, print_lines, state, summed
from baton.cli.tree import FoldLine, Line, StepLine, tree
from baton.client.engine import Engine
from baton.client.run import Run
from baton.core.states import FINAL_STEP_STATES
from baton.database.queries import Status
from baton.database.step_records import StepRecord

WIDEST_NAME = 60
WIDEST_REMARK = 200
NAMED_DEPENDENCIES = 3
NAMED_UNSERVED = 5


async def show(arguments: argparse.Namespace) -> None:
    """Print a workflow's state and its steps as a tree."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        run = Run(arguments.id, engine)
        steps = await run.steps()
        status = await run.status()
        # Durations of what still runs are by the clock that wrote when it began.
        now = (await engine.connections.fetch("select clock_timestamp() as now"))[0]["now"]
    print_lines(drawing(arguments.id, status, tree(steps, opened=arguments.open, is_folded=not arguments.all), now))


def drawing(workflow_id: str, status: Status, lines: Sequence[Line], now: datetime) -> Iterator[Sequence[Piece]]:
    """Yield what is printed of a workflow, line by line."""
    named = f" ({status.name})" if status.name else ""
    yield [Piece(f"workflow {workflow_id}{named} is "), state(status.state), Piece(f": {summed(status.counts)}")]
    for unserved in status.unserved[:NAMED_UNSERVED]:
        yield [Piece(f"  nobody can run {unserved.step!r}: {unserved.why}", "yellow")]
    if (more := len(status.unserved) - NAMED_UNSERVED) > 0:
        yield [Piece(f"  nor {more} other steps", "yellow")]
    yield []
    width = max(min(len(_name(line)), WIDEST_NAME) for line in lines)
    for line in lines:
        match line:
            case StepLine():
                yield from _step_lines(line, width, now)
            case FoldLine():
                yield _fold_line(line)
    if closed := [line.step.name for line in lines if isinstance(line, StepLine) and line.is_closed]:
        yield []
        yield [Piece(f"--open {shlex.quote(closed[0])} draws what is in it", "dim")]


def _name(line: Line) -> str:
    return line.rails + line.step.name if isinstance(line, StepLine) else line.rails


def _step_lines(line: StepLine, width: int, now: datetime) -> Iterator[Sequence[Piece]]:
    step = line.step
    facts = [_attempts(step).ljust(6), _time(step, now).ljust(10), _children(line), _after(line.after)]
    yield [
        Piece(line.rails, "dim"),
        Piece(step.name.ljust(width - len(line.rails))),
        Piece("  "),
        state(step.state, 10),
        Piece("  " + " ".join(fact for fact in facts if fact)),
    ]
    if remark := _remark(step):
        yield [Piece(line.rails_below, "dim"), Piece(f"! {remark}", "yellow")]


def _fold_line(line: FoldLine) -> Sequence[Piece]:
    below = f", {line.steps} steps with those below them" if line.steps > line.siblings else ""
    return [
        Piece(line.rails, "dim"),
        Piece(f"... and {line.siblings} more that look alike ("),
        state(line.state),
        Piece(f"{below}); --all draws them"),
    ]


def _children(line: StepLine) -> str:
    """What is in a group, by state; of one that is drawn open, only what it is."""
    step = line.step
    if step.grouping is None:
        return ""
    bound = f", {step.concurrency} at a time" if step.concurrency is not None else ""
    what = {"map": f"map of {len(step.children):,}", "workflow": "workflow", "graph": "graph"}[step.grouping]
    if step.grouping == "map" and not step.children:
        what = "map"
    counts = Counter(child.state for child in step.children)
    return f"{what}{bound}{f': {summed(counts)}' if line.is_closed else ''}"


def _attempts(step: StepRecord) -> str:
    # A group that came into being with its children makes none.
    if step.grouping == "workflow":
        return ""
    return f"{step.attempt}/{step.max_attempts}" if step.attempt else ""


def _time(step: StepRecord, now: datetime) -> str:
    """How long the last attempt took or has taken, or in what time the next one is due."""
    match step.state:
        case "executing" if step.attempted_at is not None:
            return f"{_duration(step.attempted_at, now)} so far"
        case "scheduled" | "retryable" if step.scheduled_at is not None:
            return f"in {_duration(now, step.scheduled_at)}"
        case _ if step.attempted_at is not None and step.finished_at is not None:
            return _duration(step.attempted_at, step.finished_at)
        case _:
            return ""


def _duration(begin: datetime, end: datetime) -> str:
    seconds = max(0.0, (end - begin).total_seconds())
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _after(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = len(names) - NAMED_DEPENDENCIES
    return f"after {', '.join(names[:NAMED_DEPENDENCIES])}" + (f" and {more} more" if more > 0 else "")


def _remark(step: StepRecord) -> str | None:
    """Why it is where it is: its reason, else the error of its last failed attempt; nothing for one that completed."""
    if step.state == "completed":
        return None
    if step.errors and (step.state not in FINAL_STEP_STATES or step.state == "discarded"):
        last = step.errors[-1]
        return _one_line(f"attempt {last.get('attempt')}: {last.get('error')}")
    return _one_line(step.reason) if step.reason else None


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST_REMARK else f"{line[: WIDEST_REMARK - 3]}..."
