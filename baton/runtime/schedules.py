"""Fires the schedules that are due. Every pool does, without a leader: each slot is fired in one transaction, once."""

from __future__ import annotations

from baton.core.timing import Due, Timing, due, due_at
from baton.database.schedules import DueSchedule, ScheduleStore
from baton.events import Observers, ScheduleFired

LIMIT = 100
"""How many schedules are read at once."""


class Schedules:
    """Fires what is due."""

    def __init__(self, store: ScheduleStore, observers: Observers) -> None:
        self._store = store
        self._observers = observers

    async def fire_due(self) -> bool:
        """Fire a slot of each schedule that is due. Return whether there may be more."""
        found = await self._store.due(LIMIT)
        fired = [await self._fire(schedule) for schedule in found]
        return any(fired)

    async def _fire(self, schedule: DueSchedule) -> bool:
        """Fire a slot. Return whether the schedule moved on, so that its next slot may be due as well."""
        try:
            what = _what_is_due(schedule)
            run = None if what.fire is None else schedule.timing.slot_id(schedule.name, what.fire)
            next_due = due_at(schedule.name, what.next, schedule.jitter)
        except Exception as fault:  # noqa: BLE001  # cron or time zone of one schedule must not stop the others
            if await self._store.put_off(schedule, repr(fault)):
                self._observers.emit(ScheduleFired(schedule.name, "failed", None, None, 0, repr(fault)))
            return False
        outcome, error = await self._store.fire(schedule, what, run, next_due)
        if outcome == "stale":
            return False
        self._observers.emit(
            ScheduleFired(
                schedule.name,
                outcome,
                what.fire,
                run if outcome == "fired" else None,
                what.missed if outcome != "failed" else 0,
                error,
            )
        )
        return outcome not in ("waiting", "failed")


def _what_is_due(schedule: DueSchedule) -> Due:
    timing: Timing = schedule.timing
    if schedule.is_waiting:
        return Due(schedule.next_at, 0, None, timing.after(schedule.next_at))
    # A slot that jitter puts off is not late because of it.
    return due(timing, schedule.next_at, schedule.moment, schedule.catch_up + schedule.jitter)
