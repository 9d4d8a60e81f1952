"""The queues: what waits and runs in each."""

from __future__ import annotations

from baton.database.overview import COUNTED, read_queue_counts
from baton.web.moment import now_of
from baton.web.rendering import Page
from baton.web.view import View


async def queues(view: View) -> Page:
    """Show the queues, those in trouble first."""
    calls = view.engine.store.calls
    found = await read_queue_counts(calls, view.engine.schema)
    found = sorted(found, key=lambda queue: (queue.paused_at is None, queue.pools > 0, queue.name))
    facts = {"queues": found, "counted": COUNTED, "now": await now_of(calls)}
    return Page("queues.html", "Queues", facts, follows="all")
