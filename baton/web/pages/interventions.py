"""What people changed: who, when, what and why."""

from __future__ import annotations

from baton.database.interventions import InterventionStore
from baton.errors import WorkflowNotFound
from baton.web.moment import now_of
from baton.web.rendering import Page
from baton.web.view import View

LATEST = 200


async def interventions(view: View) -> Page:
    """Show the interventions in a run, or the latest of all."""
    calls = view.engine.store.calls
    store = InterventionStore(calls, view.engine.schema)
    run_id = view.text("id")
    if run_id is None:
        found = await store.latest(LATEST + 1)
    else:
        of_run = await store.of_run(view.run().id)
        if of_run is None:
            raise WorkflowNotFound(run_id)
        found = of_run[::-1]
    facts = {
        "run_id": run_id,
        "found": found[:LATEST],
        "shown": LATEST if len(found) > LATEST else None,
        "now": await now_of(calls),
    }
    return Page("interventions.html", "Interventions", facts, follows=run_id)
