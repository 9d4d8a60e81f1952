"""All steps of a run as a list, in pages."""

from __future__ import annotations

from baton.core.pictures.diagram import STATES
from baton.database.run_outline import read_run_facts, read_step_page
from baton.errors import WorkflowNotFound
from baton.web.rendering import Page, url
from baton.web.view import View

PAGE = 100


async def steps(view: View) -> Page:
    """Show a page of the steps in a state, or of a group, in the order added."""
    asked = view.run()
    asked.engine_to_ask()
    calls, schema = view.engine.store.calls, view.engine.schema
    facts = await read_run_facts(calls, schema, asked.id)
    if facts is None:
        raise WorkflowNotFound(asked.id)
    state, group = view.choice("state", STATES), view.text("group")
    found = await read_step_page(calls, schema, facts.key, [state] if state else None, group, _after(view), PAGE + 1)
    kept = {"id": facts.id, "state": state, "group": group}
    shown = {
        "run": facts,
        "steps": found[:PAGE],
        "states": STATES,
        "kept": kept,
        "next": url("steps", **kept, after=found[PAGE - 1].ordinal) if len(found) > PAGE else None,
        "first": url("steps", **kept) if view.text("after") else None,
        "now": facts.now,
    }
    return Page("steps.html", f"Steps of {facts.name or facts.id}", shown, follows=facts.id)


def _after(view: View) -> int | None:
    after = view.number("after")
    return None if after is None else min(after, 2**22 - 1)
