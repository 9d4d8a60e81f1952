"""The methods of an engine that deal with schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast

from baton.core.options import Overlap

if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.client.run import Run
    from baton.client.schedules import Schedules
    from baton.core.job import Job
    from baton.core.workflow import Baton
    from baton.database.schedules import ScheduleRecord


class Scheduling:
    """A part of `Engine`. What it needs is imported by those who have schedules."""

    async def schedule(
        self,
        name: str,
        workflow: Baton | Job,
        *,
        cron: str | None = None,
        every: float | timedelta | None = None,
        timezone: str = "UTC",
        overlap: Overlap = "skip",
        catch_up: float | timedelta = 3600.0,
        jitter: float | timedelta = 0.0,
        actor: str | None = None,
    ) -> Literal["created", "changed", "unchanged"]:
        """Insert a workflow again and again, from now on, or change the schedule of this name.

        Each slot gets exactly one run, whatever dies: some living worker pool inserts it, and moves the schedule on, in
        one transaction. The run of a slot has the id `nightly@2026-11-28T03:00+01:00`. Slots are found by the clock of
        the database. A change keeps the next slot, unless it changes the times.

        Args:
            name: at most 150 characters.
            workflow: what is inserted; its own id is not used.
            cron: five fields: minute, hour, day of month, month, day of week; or six, the first of them seconds. A time
                that the clock skips in spring fires right after; one that it repeats in autumn fires once.
            every: seconds, at least 1, or a `timedelta`; the first slot is that long from now.
            timezone: an IANA name; cron is read in it.
            overlap: what becomes of a slot while the run of an earlier one is not final. "skip" leaves it out, "allow"
                runs both, "replace" cancels the earlier run, "queue one" fires the newest such slot when that is final.
            catch_up: seconds, or a `timedelta`, by which a slot may be late, because no pool ran, and still run. One
                that is later is counted as missed. A minute is always allowed.
            jitter: seconds, or a `timedelta`, over which the slots are spread, each by a fixed part of it.
            actor: who makes or changes it; see `Engine.interventions`.

        Returns what this call did. Raises `InvalidOption`, `InvalidName`, `InvalidWorkflow` and `TypeError`.
        """
        from baton.client.schedules import Schedule

        given = Schedule(name, workflow, cron, every, timezone, overlap, catch_up, jitter)
        return await self._schedules().put(given, actor)

    async def schedules(self) -> Sequence[ScheduleRecord]:
        """Return all schedules by name."""
        return await self._schedules().records()

    async def unschedule(self, name: str, *, actor: str | None = None) -> None:
        """Delete a schedule; its runs stay. Raises `ScheduleNotFound`."""
        await self._schedules().delete(name, actor)

    async def pause_schedule(self, name: str, *, actor: str | None = None) -> bool:
        """Let a schedule fire nothing until it is resumed. Returns whether it was not paused before.

        Raises `ScheduleNotFound`.
        """
        return await self._schedules().pause(name, actor)

    async def resume_schedule(self, name: str, *, actor: str | None = None) -> bool:
        """Let a paused schedule go on with its next slot from now: what it left out is not missed.

        Returns whether it was paused. Raises `ScheduleNotFound`.
        """
        return await self._schedules().resume(name, actor)

    async def run_schedule(self, name: str, *, actor: str | None = None) -> Run:
        """Insert a run of a schedule now, beside its slots, and return it. Raises `ScheduleNotFound`.

        `actor` says who asks for it, for `run.interventions()`.
        """
        return await self._schedules().run_now(name, actor)

    async def backfill(self, name: str, since: datetime, until: datetime) -> Sequence[Run]:
        """Insert a run for each slot that a schedule has from `since` until before `until`, as far as that is past.

        A slot that has a run already keeps it. At most 10,000 in one call; each is a transaction. Raises
        `ScheduleNotFound` and `InvalidOption`.
        """
        return await self._schedules().backfill(name, since, until)

    def _schedules(self) -> Schedules:
        from baton.client.schedules import Schedules

        return Schedules(cast("Engine", self))
