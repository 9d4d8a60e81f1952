"""Schedules in the database: what is read of them, and the engine's functions that make and fire them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from baton.core.options import Overlap
from baton.core.scheduled import made_for_slot
from baton.core.timing import Due, Timing
from baton.database.columns import call
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record

Firing: TypeAlias = Literal["fired", "skipped", "waiting", "missed", "failed", "stale"]
Put: TypeAlias = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A schedule as it is now."""

    name: str
    cron: str | None
    every: float | None
    """Seconds; None if it has `cron`."""
    timezone: str
    overlap: Overlap
    catch_up: float
    """Seconds by which a slot may be late and still run."""
    jitter: float
    """Seconds over which slots are spread."""
    next_at: datetime | None
    """The next slot; None if there is none."""
    last_at: datetime | None
    """The last slot that was fired."""
    last_run: str | None
    """The id of its run."""
    last_state: str | None
    """The state of that run; None if it was pruned."""
    is_waiting: bool
    """The next slot waits for the end of the last run."""
    fired: int
    skipped: int
    """Slots left out because an earlier run was not final."""
    missed: int
    """Slots that were found later than `catch_up`."""
    missed_at: datetime | None
    """The last slot that was missed."""
    failures: int
    """How often in a row the next slot could not be fired."""
    error: str | None
    """Why."""
    paused_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule that is due, as it was read."""

    name: str
    version: int
    workflow: str
    timing: Timing
    catch_up: float
    jitter: float
    next_at: datetime
    is_waiting: bool
    """An earlier look has found it in time: it is not missed, however long it waits."""
    moment: datetime
    """The time by the database's clock."""


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """What is needed to make runs of a schedule outside its turn."""

    timing: Timing
    workflow: str
    jitter: float
    moment: datetime


_RECORD_FIELDS = tuple(field.name for field in fields(ScheduleRecord))


class ScheduleStore:
    """The schedules of one schema. Each method is one round trip, and a transaction unless the caller has one."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        self._schema = quoted(schema)
        self._put = call(f"{self._schema}.put_schedule", 11)
        self._due = call(f"{self._schema}.due_schedules", 1)
        self._fire = call(f"{self._schema}.fire_schedule", 11)
        self._pause = call(f"{self._schema}.pause_schedule", 5)
        self._delete = call(f"{self._schema}.delete_schedule", 2)

    async def put(
        self,
        name: str,
        workflow: str,
        timing: Timing,
        overlap: Overlap,
        catch_up: float,
        jitter: float,
        first: tuple[datetime | None, datetime | None],
        actor: str | None = None,
    ) -> Put:
        """Make a schedule or change it. `first` is its first slot, and when that is fired. Replayable."""
        timed = (timing.cron, timing.every, timing.timezone)
        (row,) = await self._calls.fetch(self._put, name, workflow, *timed, overlap, catch_up, jitter, *first, actor)
        outcome: Put = row["outcome"]
        return outcome

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        """Return the schedules that are due, the longest overdue first. Changes nothing."""
        return [due_schedule(row) for row in await self._calls.fetch(self._due, limit)]

    async def put_off(self, schedule: DueSchedule, fault: str) -> bool:
        """Try a schedule whose slot cannot be computed again later, after a pause that grows. Return whether we did."""
        (row,) = await self._calls.fetch(
            self._fire, schedule.name, schedule.version, schedule.next_at, 0, None, None, None, None, None, None, fault
        )
        return bool(row["outcome"] == "failed")

    async def fire(
        self, schedule: DueSchedule, due: Due, run: str | None, next_due: datetime | None
    ) -> tuple[Firing, str | None]:
        """Fire a slot and move on to the next one. Return the outcome, and why it failed. A replay is stale."""
        workflow, fault = (None, None) if run is None else _made(schedule.workflow, run)
        (row,) = await self._calls.fetch(
            self._fire,
            schedule.name,
            schedule.version,
            schedule.next_at,
            due.missed,
            due.missed_at,
            due.fire,
            run,
            workflow,
            due.next,
            next_due,
            fault,
        )
        return row["outcome"], row["error"]

    async def pause(self, name: str, actor: str | None = None) -> bool | None:
        """Pause a schedule. Return whether that changed anything; None if there is none of this name."""
        (row,) = await self._calls.fetch(self._pause, name, True, None, None, actor)
        changed: bool | None = row["is_changed"]
        return changed

    async def resume(
        self, name: str, first: tuple[datetime | None, datetime | None], actor: str | None = None
    ) -> bool | None:
        """Let a schedule go on with this slot. Return whether it was paused; None if there is none of this name."""
        (row,) = await self._calls.fetch(self._pause, name, False, *first, actor)
        changed: bool | None = row["is_changed"]
        return changed

    async def delete(self, name: str, actor: str | None = None) -> bool:
        """Delete a schedule. Return whether there was one."""
        (row,) = await self._calls.fetch(self._delete, name, actor)
        return bool(row["deleted"])

    async def stored(self, name: str) -> StoredSchedule | None:
        rows = await self._calls.fetch(
            f"""
            select s.cron, s.every, s.timezone, s.workflow, s.jitter, clock_timestamp() as moment
              from {self._schema}.schedules s
             where s.name = $1
            """,
            name,
        )
        if not rows:
            return None
        row = rows[0]
        timing = Timing(row["cron"], row["every"], row["timezone"])
        return StoredSchedule(timing, row["workflow"], row["jitter"], row["moment"])

    async def moment(self) -> datetime:
        """Return the time by the database's clock."""
        (row,) = await self._calls.fetch("select clock_timestamp() as moment")
        moment: datetime = row["moment"]
        return moment

    async def run(self, name: str, workflow: str, actor: str | None) -> None:
        """Insert a run of a schedule, and note who asked for it."""
        await self._calls.fetch(f"select {self._schema}.run_schedule($1, $2, $3)", name, workflow, actor)

    async def insert(self, workflow: str) -> bool:
        """Insert a workflow from its JSON text. Return whether it is new: false if its id exists."""
        (row,) = await self._calls.fetch(
            f"select i.is_new from {self._schema}.insert_workflow_json($1, false) as i", workflow
        )
        return bool(row["is_new"])

    async def records(self, *, only_troubled: bool = False) -> Sequence[ScheduleRecord]:
        """Return all schedules by name; or only those that cannot fire, or missed a slot within the last day."""
        rows = await self._calls.fetch(
            f"""
            select s.*, w.state as last_state
              from {self._schema}.schedules s
              left join lateral (
                       select f.state from {self._schema}.workflows f where f.id = s.last_run offset 0
                   ) w on true
             where not $1
                or s.failures > 0
                or s.missed_at > clock_timestamp() - interval '1 day'
             order by s.name
            """,
            only_troubled,
        )
        return [ScheduleRecord(**{name: row[name] for name in _RECORD_FIELDS}) for row in rows]


def due_schedule(row: Record) -> DueSchedule:
    """Return a schedule that is due from a row of `due_schedules`."""
    return DueSchedule(
        row["name"],
        row["version"],
        row["workflow"],
        Timing(row["cron"], row["every"], row["timezone"]),
        row["catch_up"],
        row["jitter"],
        row["next_at"],
        row["is_waiting"],
        row["moment"],
    )


def _made(stored: str, run: str) -> tuple[str | None, str | None]:
    """Return the document of a run, or why it cannot be made."""
    try:
        return made_for_slot(stored, run), None
    except Exception as error:  # noqa: BLE001  # a worker's types are the user's, and one schedule must not stop others
        return None, f"{type(error).__name__}: {error}"[:2000]
