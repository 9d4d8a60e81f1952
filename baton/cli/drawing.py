"""A workflow as lines of text: its state, and its steps as a tree, each with what became of it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from baton.cli.group_progress import Progress, flattened, progress_of
from baton.cli.remarks import WIDEST_REMARK, remarks
from baton.cli.terminal import Line, Piece, state, summed
from baton.cli.text import ELLIPSIS, cells, cut, one_line, padded
from baton.cli.times import INFINITE_YEAR, since
from baton.cli.tree import FoldLine, StepLine, TreeLine
from baton.core.explaining.explanation import ExplainedStep
from baton.core.states import FINAL_STEP_STATES, StepState
from baton.core.usage.model_map import AT_INSERT
from baton.database.queries import Status
from baton.database.silent_pools import SilentPool
from baton.database.step_records import StepRecord

WIDEST_NAME = 60
COLUMNS_BEHIND_NAME = 31
"""For the state, the attempts and the time."""
NAMED_DEPENDENCIES = 3
NAMED_UNSERVED = 5
MODELS_OF = {"": "", AT_INSERT: " given with the insert"}


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is printed of a workflow, in three parts: only the lines of the tree are cut to the terminal's width."""

    heading: Sequence[Line]
    tree: Sequence[Line]
    hints: Sequence[Line]


def drawing(
    workflow_id: str,
    status: Status,
    steps: Sequence[StepRecord],
    lines: Sequence[TreeLine],
    now: datetime,
    width: int | None = None,
    silent: Sequence[SilentPool] = (),
    explained: Mapping[str, ExplainedStep] | None = None,
) -> Drawing:
    """Return what is printed of a workflow.

    `lines` are those of the tree of `steps`. `now` is the time by the database's clock, which wrote when steps began.
    `explained` says why steps are where they are, by name.
    Within `width` columns, names are cut so that the states can be seen.
    """
    progress = progress_of(steps)
    counts = Counter(progress[step.name].state for step in flattened(steps))
    return Drawing(
        heading=[*_heading(workflow_id, status, counts), *map(_silence, silent)],
        tree=list(_tree_lines(lines, progress, now, width, explained or {})),
        hints=list(_hints(workflow_id, lines)),
    )


def _heading(workflow_id: str, status: Status, counts: Mapping[StepState, int]) -> Iterator[Line]:
    named = f" ({status.name})" if status.name else ""
    yield [Piece(f"workflow {workflow_id}{named} is "), state(status.state), Piece(f": {summed(counts)}")]
    for group, models in status.models.items():
        named = ", ".join(f"{name}: {model}" for name, model in models.items())
        yield [Piece(f"  models{MODELS_OF.get(group, f' in {group}')}: {cut(one_line(named), WIDEST_REMARK)}", "dim")]
    by_reason: dict[str, list[str]] = {}
    for unserved in status.unserved:
        by_reason.setdefault(unserved.why, []).append(unserved.step)
    for why, names in list(by_reason.items())[:NAMED_UNSERVED]:
        others = f" and {_steps(len(names) - 1)}" if len(names) > 1 else ""
        yield [Piece(f"  nobody can run {names[0]!r}{others}: {one_line(why)}", "yellow")]
    if more := sum(map(len, list(by_reason.values())[NAMED_UNSERVED:])):
        yield [Piece(f"  nor {_steps(more)}, for other reasons", "yellow")]


def _silence(pool: SilentPool) -> Line:
    others = f" and {_steps(pool.steps - 1)}" if pool.steps > 1 else ""
    when = f"in {pool.seconds_left:.0f} s" if pool.seconds_left else "now, if there are any"
    return [
        Piece(
            f"  worker pool {one_line(pool.name)}, which runs {pool.step!r}{others}, was last heard of "
            f"{pool.silent_seconds:,.0f} s ago; other pools take over {when}",
            "yellow",
        )
    ]


def _steps(count: int) -> str:
    return "1 other step" if count == 1 else f"{count:,} other steps"


def _tree_lines(
    lines: Sequence[TreeLine],
    progress: Mapping[str, Progress],
    now: datetime,
    width: int | None,
    explained: Mapping[str, ExplainedStep],
) -> Iterator[Line]:
    drawn = {line.step.name for line in lines if isinstance(line, StepLine)}
    columns = _Columns(lines, width)
    for line in lines:
        match line:
            case StepLine():
                yield _step_line(line, columns, progress, now)
                for remark in remarks(line.step, explained.get(line.step.name), drawn):
                    yield [Piece(columns.rails(line.rails_below), "dim"), Piece(f"! {remark}", "yellow")]
            case FoldLine():
                yield _fold_line(line, columns, progress)


class _Columns:
    """How wide the names are, with the rails before them."""

    def __init__(self, lines: Sequence[TreeLine], width: int | None) -> None:
        names = [cells(line.rails) + cells(one_line(line.step.name)) for line in lines if isinstance(line, StepLine)]
        self._most = None if width is None else max(width - COLUMNS_BEHIND_NAME, width // 2)
        self._widest = min(max(names), WIDEST_NAME, self._most or WIDEST_NAME)

    def rails(self, rails: str) -> str:
        """Return the rails; only the end of very long ones."""
        if self._most is None or len(rails) <= self._most // 2:
            return rails
        return ELLIPSIS + rails[len(rails) + 1 - self._most // 2 :]

    def name(self, rails: str, name: str) -> str:
        """Return a name, cut and filled up to its column."""
        taken = cells(self.rails(rails))
        shown = one_line(name)
        if self._most is not None:
            shown = cut(shown, self._most - taken)
        return padded(shown, self._widest - taken)


def _step_line(line: StepLine, columns: _Columns, progress: Mapping[str, Progress], now: datetime) -> Line:
    step = line.step
    shown = progress[step.name]
    facts = [
        _attempts(step).ljust(6),
        _time(step, shown, now).ljust(10),
        one_line(str(step.progress)) if step.progress is not None else "",
        _children(line, progress),
        _after(line.after),
    ]
    return [
        Piece(columns.rails(line.rails), "dim"),
        Piece(columns.name(line.rails, step.name)),
        Piece("  "),
        state(shown.state, 10),
        Piece("  " + " ".join(fact for fact in facts if fact).rstrip()),
    ]


def _fold_line(line: FoldLine, columns: _Columns, progress: Mapping[str, Progress]) -> Line:
    below = f", {line.steps} steps with those below them" if line.steps > line.siblings else ""
    return [
        Piece(columns.rails(line.rails), "dim"),
        Piece(f"... and {line.siblings} more that look alike ("),
        state(progress[line.example.name].state),
        Piece(f"{below}); --all draws them"),
    ]


def _hints(workflow_id: str, lines: Sequence[TreeLine]) -> Iterator[Line]:
    steps = [line for line in lines if isinstance(line, StepLine)]
    if closed := [line.step.name for line in steps if line.is_closed]:
        yield [Piece(f"--open {shlex.quote(closed[0])} draws what is in it", "dim")]
    # One that completed may have errors of earlier attempts; it is asked about last.
    if failed := sorted([line.step for line in steps if line.step.errors], key=lambda step: step.state == "completed"):
        command = f"baton show {shlex.quote(workflow_id)} {shlex.quote(failed[0].name)}"
        yield [Piece(f"{command} prints its arguments and tracebacks", "dim")]


def _children(line: StepLine, progress: Mapping[str, Progress]) -> str:
    """Return what is in a group, by state; of one that is drawn open, only what it is."""
    step = line.step
    if step.grouping is None:
        return ""
    bound = f", {step.concurrency} at a time" if step.concurrency is not None else ""
    what = {"map": f"map of {len(step.children):,}", "workflow": "workflow", "graph": "graph"}[step.grouping]
    if step.grouping == "map" and not step.children:
        what = "map"
    counts = Counter(progress[child.name].state for child in step.children)
    return f"{what}{bound}{f': {summed(counts)}' if line.is_closed else ''}"


def _attempts(step: StepRecord) -> str:
    # Only a returned graph comes from an attempt of the worker; what the engine does for the other
    # groups says nothing.
    if step.children and step.grouping != "graph":
        return ""
    return f"{step.attempt}/{step.max_attempts}" if step.attempt else ""


def _time(step: StepRecord, shown: Progress, now: datetime) -> str:
    """Return how long the last attempt took or has taken, or when the next one is due."""
    match shown.state:
        case "executing" if shown.began_at is not None:
            return f"{since(shown.began_at, now)} so far"
        case "scheduled" | "retryable" if step.scheduled_at is not None and not step.children:
            return _due(step.scheduled_at, now)
        case "waiting" if step.ends_at is not None:
            return _due(step.ends_at, now)
        case final if final in FINAL_STEP_STATES and shown.began_at is not None:
            return since(shown.began_at, ended) if (ended := ended_at(step)) is not None else ""
        case _:
            return ""


def _due(at: datetime, now: datetime) -> str:
    if at.year >= INFINITE_YEAR:
        return "never"
    return f"in {since(now, at)}" if at > now else "due"


def ended_at(step: StepRecord) -> datetime | None:
    """Return when the last attempt of a final step ended: of one that was cancelled while it waited, before that."""
    last = step.errors[-1] if step.errors else {}
    if step.state in ("cancelled", "skipped") and last.get("attempt") == step.attempt and "at" in last:
        return datetime.fromisoformat(last["at"])
    return step.finished_at


def _after(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = len(names) - NAMED_DEPENDENCIES
    return f"after {', '.join(names[:NAMED_DEPENDENCIES])}" + (f" and {more} more" if more > 0 else "")
