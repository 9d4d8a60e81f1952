"""A step: what it is, why it is as it is, its attempts, and what went in and came out."""

from __future__ import annotations

import json

from baton.client.engine import Engine
from baton.database.step_details import StepDetails, read_step_details
from baton.database.step_records import Results
from baton.errors import StepNotFound, WorkflowNotFound
from baton.web.rendering import Page
from baton.web.view import View

MOST_CHILDREN = 1_000
"""The result of a larger group is not put together for a page."""


async def step(view: View) -> Page:
    """Show a step, with its arguments and its result to those who may see them."""
    run, name = view.run(), view.needed("step")
    engine = run.engine_to_ask()
    details = await found_step(engine, run.id, name)
    sees_data = view.user.can("see data")
    why = await engine.explanations.of_step(run.id, details.name)
    facts = {
        "run_id": run.id,
        "step": details,
        "why": why and "; ".join([why.path[0].why, *why.sentences()[1:]]),
        "attempts": list(reversed(details.errors)),
        "sees_data": sees_data,
        "references": json.loads(details.references or "[]"),
        "result": await result_of_step(engine, run.id, details) if sees_data else None,
        "is_large_group": (details.children or 0) > MOST_CHILDREN,
        "now": details.now,
    }
    return Page("step.html", name, facts, follows=run.id)


async def found_step(engine: Engine, run: str, name: str) -> StepDetails:
    """Return what is recorded of a step. Raises `StepNotFound` or `WorkflowNotFound`."""
    details = await read_step_details(engine.store.calls, engine.schema, run, name)
    if details is None:
        names = await engine.reads.names(run)
        raise StepNotFound(run, name, names) if names else WorkflowNotFound(run)
    return details


async def result_of_step(engine: Engine, run: str, details: StepDetails) -> str | None:
    """Return the result as JSON; None if there is none, or if the group is large."""
    if details.state != "completed" or (details.children or 0) > MOST_CHILDREN:
        return None
    results = Results(await engine.reads.ended(run, details.name))
    roots = results.roots()
    if not roots or results.decisive(roots[0]) is not roots[0]:
        return None
    return json.dumps(results.value(roots[0]), default=str, ensure_ascii=False)
