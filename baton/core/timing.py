"""When a schedule fires: its slots, which of them are missed, and how they are spread."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zlib import crc32
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from baton.core.durations import MAX_SECONDS, seconds
from baton.errors import InvalidOption

if TYPE_CHECKING:
    from cronsim import CronSim

MOST_COUNTED = 10_000
"""How many missed slots are counted at once; there are as many or more."""
LEAST_CATCH_UP = 60.0
"""Seconds. A pool may look for what is due this late although nothing went wrong."""
LEAST_EVERY = 1.0


class Timing(Struct, frozen=True):
    """When a schedule fires: by cron in a time zone, or at an interval."""

    cron: str | None
    every: float | None
    """Seconds."""
    timezone: str

    def after(self, moment: datetime) -> datetime | None:
        """Return the first slot after a moment; for `every` that of a slot at this moment. None if there is none."""
        return next(self.slots_after(moment), None)

    def slots_after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the slots after a moment. With `every`, the moment is a slot itself."""
        if self.every is not None:
            for number in range(1, MOST_COUNTED**2):
                yield moment + timedelta(seconds=self.every * number)
            return
        # A time that the clock skips in spring fires right after; one that it repeats in autumn
        # fires once, unless the hour is a wildcard: then each hour that passes has its slots.
        yield from _cron(self.cron or "", moment.astimezone(ZoneInfo(self.timezone)))

    def slot_id(self, name: str, slot: datetime) -> str:
        """Return the id of the run of a slot: the same in whatever process it is made."""
        local = slot.astimezone(ZoneInfo(self.timezone))
        whole = local.second == local.microsecond == 0
        return f"{name}@{local.isoformat(timespec='minutes' if whole else 'auto')}"


class Due(Struct, frozen=True):
    """What is to be done for a schedule that is due."""

    fire: datetime | None
    """The slot to fire; None if all that was due was missed."""
    missed: int
    missed_at: datetime | None
    """The last slot that was missed."""
    next: datetime | None


def due(timing: Timing, slot: datetime, moment: datetime, catch_up: float) -> Due:
    """Return what is to be done at this moment, as far as it is known from the slot that is due.

    catch_up: seconds by which a slot may be late.
    """
    earliest = moment - timedelta(seconds=max(catch_up, LEAST_CATCH_UP))
    if slot >= earliest:
        return Due(slot, 0, None, timing.after(slot))
    if timing.every is not None:
        late = (earliest - slot).total_seconds()
        missed = math.ceil(late / timing.every)
        first = slot + timedelta(seconds=timing.every * missed)
        missed_at = first - timedelta(seconds=timing.every)
        return _with_first(timing, first, moment, missed, missed_at)
    missed, missed_at = 1, slot
    for following in timing.slots_after(slot):
        if following >= earliest:
            return _with_first(timing, following, moment, missed, missed_at)
        missed, missed_at = missed + 1, following
        if missed >= MOST_COUNTED:
            first_left = timing.after(earliest - timedelta(microseconds=1))
            if first_left is None:
                break
            return _with_first(timing, first_left, moment, missed, missed_at)
    return Due(None, missed, missed_at, None)


def _with_first(timing: Timing, first: datetime, moment: datetime, missed: int, missed_at: datetime) -> Due:
    """Return what is to be done if the slots before this one were missed."""
    if first > moment:
        return Due(None, missed, missed_at, first)
    return Due(first, missed, missed_at, timing.after(first))


def jitter_of(name: str, slot: datetime, jitter: float) -> float:
    """Return by how many seconds a slot is put off: a fixed part of `jitter`, so that every process finds the same."""
    return jitter * crc32(f"{name}@{slot.astimezone(UTC).isoformat()}".encode()) / 2**32


def due_at(name: str, slot: datetime | None, jitter: float) -> datetime | None:
    """Return when a slot is fired: put off by jitter."""
    return None if slot is None else slot + timedelta(seconds=jitter_of(name, slot, jitter))


def checked_timing(cron: str | None, every: float | timedelta | None, timezone: str) -> Timing:
    """Return the timing that these say. Raises `InvalidOption` for what is not valid or never fires."""
    if (cron is None) == (every is None):
        raise InvalidOption("cron", cron, "give cron= or every=, one of the two")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        why = "there is no such time zone here; give an IANA name, as in 'Europe/Berlin' or 'UTC'"
        raise InvalidOption("timezone", timezone, why) from None
    if every is not None:
        interval = seconds("every", every)
        if not LEAST_EVERY <= interval <= MAX_SECONDS:
            raise InvalidOption("every", every, "it must be at least a second")
        return Timing(None, interval, timezone)
    _check_cron(cron)
    return Timing(cron, None, timezone)


def _check_cron(cron: object) -> None:
    if not isinstance(cron, str):
        raise InvalidOption("cron", cron, "it must be text, as in '0 3 * * *' for three o'clock each night")
    from cronsim import CronSimError

    try:
        found = next(_cron(cron, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        why = f"{str(error).lower()}; it has five fields: minute, hour, day of month, month, day of week"
        raise InvalidOption("cron", cron, why) from None
    if found is None:
        raise InvalidOption("cron", cron, "it never fires: no date is such a day")


def _cron(cron: str, moment: datetime) -> Iterator[datetime]:
    # Imported by those who have schedules.
    from cronsim import CronSim

    found: CronSim = CronSim(cron, moment)
    return iter(found)
