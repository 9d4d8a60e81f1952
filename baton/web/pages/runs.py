"""The list of runs, the newest first."""

from __future__ import annotations

from baton.database.run_list import STATES, WINDOW, read_run_page, run_filter
from baton.web.moment import now_of
from baton.web.rendering import Page, url
from baton.web.view import View

PAGE = 50
WINDOWS = 4


async def runs(view: View) -> Page:
    """Show a page of runs that match a filter."""
    state = view.choice("state", STATES)
    name, since = view.text("name"), view.since("since")
    calls, schema = view.engine.store.calls, view.engine.schema
    page = await read_run_page(
        calls, schema, run_filter(state, name, since), PAGE, view.number("after"), windows=WINDOWS
    )
    kept = {"state": state, "name": name, "since": view.text("since")}
    facts = {
        "runs": page.runs,
        "states": STATES,
        "kept": kept,
        "is_filtered": any(kept.values()),
        "first": url("runs", **kept),
        "next": url("runs", **kept, after=page.after) if page.after is not None else None,
        "is_first": view.text("after") is None,
        "is_short": page.after is not None and len(page.runs) < PAGE,
        "looked_at": WINDOW * WINDOWS,
        "now": await now_of(calls),
    }
    return Page("runs.html", "Runs", facts, follows="all" if view.text("after") is None else None)
