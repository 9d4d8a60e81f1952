"""`baton show`: a workflow as its steps are now, or everything about one of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from baton.cli.arguments import add_address, add_json
from baton.cli.drawing import drawing
from baton.cli.step_report import debug_report, step_report
from baton.cli.terminal import Line, Piece, is_terminal, print_json, print_lines, width
from baton.cli.text import one_line
from baton.cli.tree import StepLine, TreeLine, tree
from baton.cli.watching import watch
from baton.client.engine import Engine
from baton.client.run import Run
from baton.core.explaining.explanation import ExplainedStep
from baton.database.explanation_query import MOST_AT_ONCE
from baton.database.interventions import Intervention
from baton.database.queries import Status
from baton.database.silent_pools import read_silent_pools
from baton.database.step_details import StepDetails, read_step_details
from baton.database.step_records import Results, StepRecord
from baton.errors import StepNotFound, WorkflowNotFound

LINES_ON_TERMINAL = 40
"""Of arguments, and of a result."""
MOST_EXPLAINED = 2_000
"""Of how many steps is said why they are where they are."""
INTERVENTIONS = 10
"""How many are shown, without --all."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Draw a workflow's steps with states, attempts, durations and errors. With STEP, print everything about that "
        "step: its arguments, its result, and each attempt with its traceback."
    )
    parser.add_argument("id", metavar="ID", help="the workflow's id")
    parser.add_argument("step", metavar="STEP", nargs="?", help="the name of one step")
    parser.add_argument(
        "--open", metavar="GROUP", action="append", default=[], help="draw the steps of this group; may be repeated"
    )
    parser.add_argument("--all", action="store_true", help="leave nothing out, however much there is")
    parser.add_argument(
        "--debug", action="store_true", help="with STEP, print what its attempts left, if the workflow has debug"
    )
    parser.add_argument("--watch", action="store_true", help="show the workflow until it is final")
    add_json(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Print the workflow, or the step."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if arguments.step is not None:
            await _show_step(engine, arguments)
        elif arguments.watch and not arguments.json:
            await watch(Run(arguments.id, engine), lambda: _show_workflow(engine, arguments))
        else:
            await _show_workflow(engine, arguments)


async def _show_workflow(engine: Engine, arguments: argparse.Namespace) -> None:
    run = Run(arguments.id, engine)
    steps = await run.steps()
    status = await run.status()
    if arguments.json:
        print_json(_workflow_as_json(arguments.id, status, steps, await run.interventions()))
        return
    silent = await read_silent_pools(engine.connections, engine.schema, arguments.id)
    now: datetime = (await engine.connections.fetch("select clock_timestamp() as now"))[0]["now"]
    lines = tree(steps, opened=arguments.open, is_folded=not arguments.all)
    explained = await _explained(engine, arguments.id, lines)
    drawn = drawing(arguments.id, status, steps, lines, now, width(), silent, explained)
    print_lines([*drawn.heading, []], overlong="wrap")
    print_lines(drawn.tree)
    if noted := await run.interventions():
        print_lines([[], *_noted(noted, at_most=None if arguments.all else INTERVENTIONS)], overlong="wrap")
    if drawn.hints:
        print_lines([[], *drawn.hints], overlong="wrap")


async def _explained(engine: Engine, workflow_id: str, lines: Sequence[TreeLine]) -> Mapping[str, ExplainedStep]:
    """Return why the steps that are drawn are where they are, by name: of the first ones, if there are very many."""
    drawn = [line.step.name for line in lines if isinstance(line, StepLine)]
    explained: dict[str, ExplainedStep] = {}
    for begin in range(0, min(len(drawn), MOST_EXPLAINED), MOST_AT_ONCE):
        explained |= await engine.explanations.of_named(workflow_id, drawn[begin : begin + MOST_AT_ONCE])
    return explained


async def _show_step(engine: Engine, arguments: argparse.Namespace) -> None:
    details = await read_step_details(engine.connections, engine.schema, arguments.id, arguments.step)
    if details is None:
        names = await engine.reads.names(arguments.id)
        raise StepNotFound(arguments.id, arguments.step, names) if names else WorkflowNotFound(arguments.id)
    result = await _result(engine, arguments.id, details)
    records = await Run(arguments.id, engine).debug(arguments.step) if arguments.debug else None
    if arguments.json:
        debug = {} if records is None else {"debug": [asdict(record) for record in records]}
        print_json({**_step_as_json(details, result), **debug})
        return
    why = await Run(arguments.id, engine).explain(arguments.step)
    at_most = LINES_ON_TERMINAL if is_terminal() and not arguments.all else None
    print_lines(step_report(arguments.id, details, result, at_most, why.sentences()), overlong="wrap")
    if records is not None:
        print_lines(debug_report(records, at_most), overlong="wrap")


async def _result(engine: Engine, workflow_id: str, step: StepDetails) -> str | None:
    """Return the result as JSON; None if there is none."""
    ended = await engine.reads.ended(workflow_id, step.name)
    results = Results(ended)
    (root,) = results.roots()
    has_one = root.state == "completed" and results.decisive(root) is root
    return json.dumps(results.value(root)) if has_one else None


def _noted(noted: Sequence[Intervention], at_most: int | None) -> Iterator[Line]:
    """Yield the last interventions, the oldest of them first."""
    shown = noted if at_most is None else noted[-at_most:]
    earlier = f" (the last {len(shown)} of {len(noted):,}; --all lists all)" if len(shown) < len(noted) else ""
    yield [Piece(f"interventions{earlier}:")]
    for one in shown:
        yield [Piece(f"  {one_line(str(one))}")]


def _workflow_as_json(
    workflow_id: str, status: Status, steps: Sequence[StepRecord], noted: Sequence[Intervention]
) -> Mapping[str, Any]:
    return {
        "id": workflow_id,
        **asdict(status),
        "steps": list(_records(steps)),
        "interventions": [asdict(one) for one in noted],
    }


def _records(steps: Sequence[StepRecord]) -> Iterator[Mapping[str, Any]]:
    """Yield a flat list: nesting as deep as groups may be is more than a reader of JSON can follow."""
    to_come: list[tuple[StepRecord, str | None]] = [(step, None) for step in reversed(steps)]
    while to_come:
        step, parent = to_come.pop()
        to_come.extend((child, step.name) for child in reversed(step.children))
        yield {
            "name": step.name,
            "parent": parent,
            **{field: getattr(step, field) for field in _FIELDS},
            # That of a group repeats those of its steps.
            "result": None if step.children else step.result,
            "children": len(step.children),
        }


_FIELDS = tuple(field for field in StepRecord.__dataclass_fields__ if field not in ("name", "result", "children"))


def _step_as_json(step: StepDetails, result: str | None) -> Mapping[str, Any]:
    return {
        **asdict(step),
        "args": json.loads(step.args),
        "references": json.loads(step.references or "[]"),
        "result": json.loads(result or "null"),
    }
