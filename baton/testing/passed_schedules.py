"""Schedules in time that a drain lets pass.

Cron counts in days of the calendar, so the slots of schedules cannot be moved as other times are. They stay, and what
has passed is added to the clock that decides which are due.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from baton.database.migrate import quoted
from baton.database.schedules import DueSchedule, ScheduleStore, due_schedule

if TYPE_CHECKING:
    from baton.database.connections import Calls

# As sql/functions/due_schedules.sql. One that waits for the end of an earlier run is asked for
# again each time.
_DUE = """
with moment as (select clock_timestamp() + interval '1 second' * $2 as now)
select s.name, s.version, s.workflow, s.cron, s.every, s.timezone, s.catch_up, s.jitter, s.next_at, s.is_waiting,
       m.now as moment
  from {schema}.schedules s
 cross join moment m
 where s.paused_at is null
   and (s.due_at <= m.now or s.is_waiting)
 order by s.due_at
 limit $1
"""


class PassedSchedules(ScheduleStore):
    """The schedules of one schema, `passed` seconds later than it is."""

    def __init__(self, calls: Calls, schema: str) -> None:
        super().__init__(calls, schema)
        self._due_later = _DUE.format(schema=quoted(schema))
        self.passed = 0.0

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        """Return the schedules that are due by then, the longest overdue first."""
        return [due_schedule(row) for row in await self._calls.fetch(self._due_later, limit, self.passed)]
