"""Schedules: workflows that are inserted again and again, by the clock of the database."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from baton.client.run import Run
from baton.core.durations import seconds
from baton.core.job import Job
from baton.core.json_format import to_json
from baton.core.names import checked_actor, checked_text
from baton.core.options import OVERLAPS, Overlap
from baton.core.scheduled import made_for_slot, stored_form
from baton.core.timing import Timing, checked_timing, due_at
from baton.core.workflow import Baton
from baton.database.schedules import Put, ScheduleRecord, ScheduleStore, StoredSchedule
from baton.errors import InvalidOption, ScheduleNotFound

if TYPE_CHECKING:
    from baton.client.engine import Engine

log = logging.getLogger("baton")

LONGEST_NAME = 150
"""Characters: the id of a run is the name and the time of its slot."""
MOST_BACKFILLED = 10_000
CATCH_UP = 3600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule declared in code, for `Engine(schedules=[...])`. The fields are as in `Engine.schedule`."""

    name: str
    workflow: Baton | Job
    cron: str | None = None
    every: float | timedelta | None = None
    timezone: str = "UTC"
    overlap: Overlap = "skip"
    catch_up: float | timedelta = CATCH_UP
    jitter: float | timedelta = 0.0


class Schedules:
    """The schedules of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = ScheduleStore(engine.store.calls, engine.schema)

    async def put(self, schedule: Schedule, actor: str | None = None) -> Put:
        """Make a schedule, or change the one of this name."""
        return await _put(self._store, schedule, await self._store.moment(), self._engine, actor)

    async def apply(self, declared: Sequence[Schedule]) -> None:
        """Make or change all of these in one transaction, and log which others there are."""
        async with self._engine.connections.acquire() as connection, connection.transaction():
            store = ScheduleStore(connection, self._engine.schema)
            moment = await store.moment()
            # In one order, so that two processes that start at once wait for each other and do not
            # deadlock.
            for schedule in sorted(declared, key=lambda one: one.name):
                outcome = await _put(store, schedule, moment, self._engine)
                if outcome != "unchanged":
                    log.info("schedule %r was %s", schedule.name, outcome)
            known = {record.name for record in await store.records()}
        if others := sorted(known - {schedule.name for schedule in declared}):
            log.info("schedules that are not declared here, and stay: %s", ", ".join(map(repr, others[:20])))

    async def records(self) -> Sequence[ScheduleRecord]:
        return await self._store.records()

    async def delete(self, name: str, actor: str | None = None) -> None:
        """Delete a schedule. Raises `ScheduleNotFound`."""
        if not await self._store.delete(name, checked_actor(actor)):
            await self._refuse(name)

    async def pause(self, name: str, actor: str | None = None) -> bool:
        """Pause a schedule and return whether it ran. Raises `ScheduleNotFound`."""
        changed = await self._store.pause(name, checked_actor(actor))
        return changed if changed is not None else await self._refuse(name)

    async def resume(self, name: str, actor: str | None = None) -> bool:
        """Let a schedule go on from now and return whether it was paused. Raises `ScheduleNotFound`."""
        stored = await self._stored(name)
        first = _first(name, stored.timing, stored.jitter, stored.moment)
        changed = await self._store.resume(name, first, checked_actor(actor))
        return changed if changed is not None else await self._refuse(name)

    async def run_now(self, name: str, actor: str | None = None) -> Run:
        """Insert a run now, beside the slots. Raises `ScheduleNotFound`."""
        stored = await self._stored(name)
        workflow_id = f"{stored.timing.slot_id(name, stored.moment)} now"
        await self._store.run(name, made_for_slot(stored.workflow, workflow_id), checked_actor(actor))
        return Run(workflow_id, self._engine)

    async def backfill(self, name: str, since: datetime, until: datetime) -> Sequence[Run]:
        """Insert a run for each slot of a time that is past. Raises `ScheduleNotFound` and `InvalidOption`."""
        for option, value in (("since", since), ("until", until)):
            if value.tzinfo is None:
                raise InvalidOption(option, value, "the datetime is naive; give it a time zone")
        stored = await self._stored(name)
        if stored.timing.every is not None:
            raise InvalidOption(
                "since", since, "a schedule with every= has no slots in the past; insert the runs instead"
            )
        slots: list[datetime] = []
        for slot in stored.timing.slots_after(since - timedelta(microseconds=1)):
            if slot >= min(until, stored.moment):
                break
            if len(slots) == MOST_BACKFILLED:
                why = f"it has more than {MOST_BACKFILLED:,} slots in that time; go on with a later since="
                raise InvalidOption("since", since, why)
            slots.append(slot)
        return [await self._insert(stored, stored.timing.slot_id(name, slot)) for slot in slots]

    async def _insert(self, stored: StoredSchedule, workflow_id: str) -> Run:
        await self._store.insert(made_for_slot(stored.workflow, workflow_id))
        return Run(workflow_id, self._engine)

    async def _stored(self, name: str) -> StoredSchedule:
        return await self._store.stored(name) or await self._refuse(name)

    async def _refuse(self, name: str) -> NoReturn:
        raise ScheduleNotFound(name, [record.name for record in await self._store.records()])


async def _put(
    store: ScheduleStore, given: Schedule, moment: datetime, engine: Engine, actor: str | None = None
) -> Put:
    name = checked_text("schedule", given.name)
    if len(name) > LONGEST_NAME:
        raise InvalidOption("name", name, f"it is the beginning of ids, and has at most {LONGEST_NAME} characters")
    workflow: object = given.workflow
    if not isinstance(workflow, Baton | Job):
        kind = type(workflow).__name__
        raise TypeError(f"schedule {name!r} needs a workflow or a job, as in nightly.new(), not {kind}")
    if given.overlap not in OVERLAPS:
        raise InvalidOption("overlap", given.overlap, f"it must be one of {', '.join(map(repr, OVERLAPS))}")
    timing = checked_timing(given.cron, given.every, given.timezone)
    jitter, catch_up = seconds("jitter", given.jitter), seconds("catch_up", given.catch_up)
    first = _first(name, timing, jitter, moment)
    to_json(workflow.spec(), engine.size_limits)  # refuses what is too large
    text = stored_form(workflow)
    return await store.put(name, text, timing, given.overlap, catch_up, jitter, first, checked_actor(actor))


def _first(name: str, timing: Timing, jitter: float, moment: datetime) -> tuple[datetime | None, datetime | None]:
    slot = timing.after(moment)
    return slot, due_at(name, slot, jitter)
