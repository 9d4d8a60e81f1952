"""The limits of queues, and how far they are used."""

from __future__ import annotations

from baton.database.limit_settings import LANES_SHOWN, LimitSettings, read_limit_settings
from baton.database.overview import COUNTED, QueueCounts, read_queue_counts
from baton.web.actions import LIMIT_FIELDS
from baton.web.rendering import Page
from baton.web.view import View


async def limits(view: View) -> Page:
    """Show the queues that have limits, those that are used up first."""
    calls, schema = view.engine.store.calls, view.engine.schema
    counts = {queue.name: queue for queue in await read_queue_counts(calls, schema)}
    found = [(one, counts.get(one.queue)) for one in await read_limit_settings(calls, schema)]
    facts = {
        "limits": sorted(found, key=lambda pair: (not _is_full(*pair), pair[0].queue)),
        "others": sorted(name for name in counts if name not in {one.queue for one, _ in found}),
        "fields": {one.queue: _fields(one) for one, _ in found},
        "full": {one.queue for one, counted in found if _is_full(one, counted)},
        "counted": COUNTED,
        "lanes_shown": LANES_SHOWN,
    }
    return Page("limits.html", "Limits", facts, follows="all")


def _is_full(limits: LimitSettings, counts: QueueCounts | None) -> bool:
    """Whether steps wait because of a limit."""
    if counts is None or not counts.available:
        return False
    is_running_full = limits.running is not None and counts.executing >= limits.running
    return is_running_full or (limits.free_units is not None and limits.free_units < 1)


def _fields(limits: LimitSettings) -> dict[str, str]:
    """What the form that changes them begins with."""
    values = {name: getattr(limits, name) for name in LIMIT_FIELDS}
    return {name: f"{value:.10g}" for name, value in values.items() if value is not None}
