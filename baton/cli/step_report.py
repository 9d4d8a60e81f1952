"""One step as lines of text: what it is, its arguments, its result, and each attempt that failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from baton.cli.terminal import Line, Piece, state
from baton.cli.text import one_line, visible_lines
from baton.cli.times import moment, since
from baton.core.references import fill
from baton.core.states import FINAL_STEP_STATES
from baton.database.debug_records import DebugRecord
from baton.database.step_details import StepDetails

NAMED_DEPENDENCIES = 20
INDENT = "  "


def step_report(
    workflow_id: str, step: StepDetails, result: str | None, lines_at_most: int | None, why: Sequence[str] = ()
) -> Iterator[Line]:
    """Yield what is printed of a step, line by line.

    `result` is JSON, None for none. Of arguments and a result with more than `lines_at_most` lines, the rest is
    counted and left out. `why` explains it.
    """
    yield [Piece(f"step {one_line(step.name)} of workflow {workflow_id} is "), state(step.state)]
    yield from _facts(step)
    for number, sentence in enumerate(why):
        yield _fact("" if number else "why", sentence)
    yield from _section("arguments", filled_arguments(step), lines_at_most)
    if result is not None:
        yield from _section("result", result, lines_at_most)
    for error in step.errors:
        yield from _attempt(error)


def filled_arguments(step: StepDetails) -> str:
    """Return the arguments as JSON; a text says which result belongs where one is missing."""
    if step.references is None:
        return step.args
    arguments = json.loads(step.args)
    fill(arguments, step.references, _Results())
    return json.dumps(arguments, ensure_ascii=False)


class _Results(dict[str, object]):
    """A mapping in which each step has a result that says whose it is."""

    def __contains__(self, step: object) -> bool:
        return True

    def __missing__(self, step: str) -> str:
        return f"(the result of {step!r})"


def _facts(step: StepDetails) -> Iterator[Line]:
    yield _fact("worker", step.worker)
    if step.model is not None:
        yield _fact("model", step.model)
    yield _fact("queue", f"{step.queue}, priority {step.priority}")
    limit = f", each at most {step.timeout:g} s" if step.timeout is not None else ""
    yield _fact("attempts", f"{step.attempt} of {step.max_attempts}{limit}")
    if step.grouping is not None:
        children = f" of {step.children:,} steps" if step.children is not None else ""
        yield _fact("group", f"{step.grouping}{children}")
    if step.dependencies:
        yield _fact("after", _dependencies(step.dependencies))
    if step.attempted_at is not None and (step.attempt or step.state == "executing"):
        yield _fact("began", _began(step, step.attempted_at))
    if step.state in ("scheduled", "retryable") and step.scheduled_at is not None:
        yield _fact("due", moment(step.scheduled_at))
    if step.finished_at is not None:
        yield _fact("finished", moment(step.finished_at))


def _fact(name: str, text: str) -> Line:
    return [Piece(f"{INDENT}{name.ljust(10)}", "dim"), Piece(one_line(text))]


def _dependencies(states: Mapping[str, str]) -> str:
    named = [f"{name} ({ended})" for name, ended in list(states.items())[:NAMED_DEPENDENCIES]]
    more = len(states) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _began(step: StepDetails, at: datetime) -> str:
    where = f" by worker pool {step.pool}" if step.pool else ""
    running = f", {since(at, step.now)} ago" if step.state not in FINAL_STEP_STATES else ""
    return f"{moment(at)}{where}{running}"


def _section(heading: str, text: str, lines_at_most: int | None) -> Iterator[Line]:
    lines = _indented_json(text).splitlines()
    yield []
    yield [Piece(heading, "bold")]
    for line in lines[:lines_at_most]:
        yield _inside(line)
    if lines_at_most is not None and (more := len(lines) - lines_at_most) > 0:
        yield [Piece(f"{INDENT}... and {more:,} more lines; --all prints them", "dim")]


def _attempt(error: Mapping[str, Any]) -> Iterator[Line]:
    at = datetime.fromisoformat(error["at"])
    yield []
    yield [Piece(f"attempt {error.get('attempt')} ", "bold"), Piece(f"{error.get('kind')} at {moment(at)}")]
    for line in visible_lines(str(error.get("trace") or error.get("error") or "")).splitlines():
        yield _inside(line)


def debug_report(records: Sequence[DebugRecord], lines_at_most: int | None) -> Iterator[Line]:
    """Yield what attempts left, line by line, those of each attempt under a heading."""
    yield []
    if not records:
        yield [Piece("no attempt has left debug records: the workflow has no debug, or they were pruned", "dim")]
    attempt: int | None = None
    for record in records:
        if record.attempt != attempt:
            attempt = record.attempt
            yield [Piece(f"attempt {attempt} ", "bold"), Piece(f"left this from {moment(record.at)} on")]
        yield [Piece(f"{INDENT}{one_line(record.kind)}", "dim")]
        lines = visible_lines(_said(record)).splitlines()
        for line in lines[:lines_at_most]:
            yield _inside(INDENT + line)
        if lines_at_most is not None and (more := len(lines) - lines_at_most) > 0:
            yield [Piece(f"{INDENT * 2}... and {more:,} more lines; --all prints them", "dim")]


def _said(record: DebugRecord) -> str:
    match record.value:
        case {"level": level, "logger": logger, "message": message, **more} if record.kind == "log":
            return "\n".join([f"{level} {logger}: {message}", *map(str, more.values())])
        case str() as text:
            return text
        case value:
            return json.dumps(value, indent=2, ensure_ascii=False)


def _inside(line: str) -> Line:
    # A piece takes no tabs.
    return [Piece(INDENT + line.expandtabs(4))] if line.strip() else []


def _indented_json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        # A number of many digits, or a value of many levels, is stored all the same.
        return text
