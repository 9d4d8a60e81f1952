"""The list of runs, the newest first."""

from __future__ import annotations

from baton.database.run_list import STATES, WINDOW, WINDOW_WITH_STEPS, read_run_page, run_filter
from baton.web.moment import now_of
from baton.web.rendering import Page, url
from baton.web.view import View, refuse

PAGE = 50
WINDOWS = 4
FILTERS = ("state", "name", "since", "tag", "key", "worker", "failed_step")


async def runs(view: View) -> Page:
    """Show a page of runs that match a filter."""
    state = view.choice("state", STATES)
    wanted = run_filter(
        state,
        view.text("name"),
        view.since("since"),
        tag=_tags(view),
        key=view.text("key"),
        worker=view.text("worker"),
        failed_step=view.text("failed_step"),
    )
    calls, schema = view.engine.store.calls, view.engine.schema
    page = await read_run_page(calls, schema, wanted, PAGE, view.number("after"), windows=WINDOWS)
    kept = {name: view.text(name) for name in FILTERS}
    facts = {
        "runs": page.runs,
        "states": STATES,
        "kept": kept,
        "is_filtered": any(kept.values()),
        "first": url("runs", **kept),
        "next": url("runs", **kept, after=page.after) if page.after is not None else None,
        "is_first": view.text("after") is None,
        "is_short": page.after is not None and len(page.runs) < PAGE,
        "looked_at": WINDOWS * (WINDOW_WITH_STEPS if wanted.looks_at_steps else WINDOW),
        "now": await now_of(calls),
    }
    return Page("runs.html", "Runs", facts, follows="all" if view.text("after") is None else None)


def _tags(view: View) -> dict[str, str] | None:
    """Read `team=red, env=live`."""
    given = view.text("tag")
    if given is None:
        return None
    pairs = [part.partition("=") for part in given.split(",")]
    if any(not separator or not name.strip() for name, separator, _ in pairs):
        refuse(400, f"The tag is {given!r}, and is written as in team=red, several with commas.")
    return {name.strip(): value.strip() for name, _, value in pairs}
