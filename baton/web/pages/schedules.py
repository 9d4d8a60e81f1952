"""The schedules."""

from __future__ import annotations

from baton.database.schedules import ScheduleRecord
from baton.web.moment import now_of
from baton.web.rendering import Page
from baton.web.view import View


async def schedules(view: View) -> Page:
    """Show the schedules, those that cannot fire first."""
    found = sorted(await view.engine.schedules(), key=_order)
    return Page("schedules.html", "Schedules", {"schedules": found, "now": await now_of(view.engine.store.calls)},
                follows="all")  # fmt: skip


def _order(schedule: ScheduleRecord) -> tuple[bool, bool, str]:
    return schedule.failures == 0, schedule.paused_at is not None, schedule.name
