"""What the calls of language models in a run used and cost."""

from __future__ import annotations

from baton.database.model_calls import read_budgets, read_run_usage
from baton.errors import WorkflowNotFound
from baton.web.rendering import Page
from baton.web.view import View

STEPS_SHOWN = 200


async def usage(view: View) -> Page:
    """Show the totals of a run, by step and by model, and its budgets."""
    run = view.run()
    engine = run.engine_to_ask()
    found = await read_run_usage(engine.store.calls, engine.schema, run.id)
    if found is None:
        raise WorkflowNotFound(run.id)
    by_step = sorted(found.by_step.items(), key=lambda pair: (-pair[1].known_cost, -pair[1].tokens, pair[0]))
    facts = {
        "run_id": run.id,
        "usage": found,
        "by_step": by_step[:STEPS_SHOWN],
        "steps_left": max(0, len(by_step) - STEPS_SHOWN),
        "by_model": sorted(found.by_model.items()),
        "budgets": await read_budgets(engine.store.calls, engine.schema, run.id),
    }
    return Page("usage.html", "Usage of language models", facts, follows=run.id)
