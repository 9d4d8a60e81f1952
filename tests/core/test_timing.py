"""When schedules fire: slots of cron across changes of the clock, what is missed, and jitter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from baton import InvalidOption
from baton.core.timing import LEAST_CATCH_UP, MOST_COUNTED, Timing, checked_timing, due, due_at

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Pacific/Apia",
    "America/St_Johns",
)
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


def slots(timing, since, until):
    """All slots after one moment until another, each found from the one before as the engine does."""
    found = []
    slot = timing.after(since)
    while slot is not None and slot < until:
        found.append(slot.astimezone(UTC))
        slot = timing.after(slot.astimezone(UTC))
    return found


def changes(zone):
    """The moments at which a zone's offset changes, to the minute, by walking through time and nothing else."""
    here = ZoneInfo(zone)
    found, moment = [], FIRST
    while moment < LAST:
        after = moment + timedelta(hours=6)
        if moment.astimezone(here).utcoffset() != after.astimezone(here).utcoffset():
            while moment.astimezone(here).utcoffset() != after.astimezone(here).utcoffset():
                middle = moment + (after - moment) / 2
                if after - moment <= timedelta(minutes=1):
                    break
                if middle.astimezone(here).utcoffset() == moment.astimezone(here).utcoffset():
                    moment = middle
                else:
                    after = middle
            found.append(after.replace(second=0, microsecond=0))
            moment = after
        else:
            moment = after
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_a_nightly_slot_comes_once_a_day_through_every_change_of_the_clock(zone):
    """A time that the clock skips fires right after; one that it repeats fires at its first or only."""
    here = ZoneInfo(zone)
    for hour, minute in ((2, 30), (0, 30), (3, 0)):
        timing = checked_timing(f"{minute} {hour} * * *", None, zone)
        for change in changes(zone):
            since, until = change - timedelta(days=2), change + timedelta(days=2)
            expected = []
            day = since.astimezone(here).date()
            while day <= until.astimezone(here).date():
                wanted = datetime(day.year, day.month, day.day, hour, minute, tzinfo=here)
                moment = wanted.astimezone(UTC)
                if moment.astimezone(here).replace(tzinfo=None) != wanted.replace(tzinfo=None):
                    moment = change  # the clock skipped it
                if since < moment < until:
                    expected.append(moment)
                day += timedelta(days=1)
            assert slots(timing, since, until) == expected, (zone, change)


@pytest.mark.parametrize("zone", ZONES)
def test_a_slot_every_quarter_of_an_hour_leaves_no_hole_and_comes_once(zone):
    timing = checked_timing("*/15 * * * *", None, zone)
    for change in changes(zone):
        since, until = change - timedelta(hours=5), change + timedelta(hours=5)
        step = timedelta(minutes=15)
        first = since + step
        assert slots(timing, since, until) == [first + step * n for n in range(39)], (zone, change)


def test_every_counts_from_its_slot():
    timing = checked_timing(None, timedelta(hours=36), "Europe/Berlin")

    assert timing.after(FIRST) == FIRST + timedelta(hours=36)


def test_the_id_of_a_slot_says_its_local_time_and_offset():
    timing = Timing("*/30 * * * *", None, "Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    assert timing.slot_id("n", first) == "n@2026-10-25T02:30+02:00"
    assert timing.slot_id("n", first + timedelta(hours=1)) == "n@2026-10-25T02:30+01:00"
    assert timing.slot_id("n", first + timedelta(seconds=5)) == "n@2026-10-25T02:30:05+02:00"


MINUTELY = Timing("* * * * *", None, "UTC")
EACH_MINUTE = Timing(None, 60.0, "UTC")


@pytest.mark.parametrize("timing", [MINUTELY, EACH_MINUTE])
def test_a_slot_within_catch_up_is_fired(timing):
    found = due(timing, FIRST, FIRST + timedelta(minutes=9, seconds=59), 600.0)

    assert (found.fire, found.missed, found.next) == (FIRST, 0, FIRST + timedelta(minutes=1))


@pytest.mark.parametrize("timing", [MINUTELY, EACH_MINUTE])
def test_slots_beyond_catch_up_are_missed_and_the_first_within_fired(timing):
    found = due(timing, FIRST, FIRST + timedelta(minutes=30), 600.0)

    first = FIRST + timedelta(minutes=20)
    assert (found.fire, found.missed, found.missed_at) == (first, 20, first - timedelta(minutes=1))
    assert found.next == first + timedelta(minutes=1)


def test_if_all_that_was_due_is_missed_the_next_is_in_the_future():
    found = due(Timing("0 3 * * *", None, "UTC"), FIRST + timedelta(hours=3), FIRST + timedelta(days=3), 0.0)

    assert (found.fire, found.missed, found.next) == (None, 3, FIRST + timedelta(days=3, hours=3))


def test_a_minute_late_is_never_missed():
    moment = FIRST + timedelta(seconds=LEAST_CATCH_UP)

    assert due(MINUTELY, FIRST, moment, 0.0).missed == 0


def test_not_more_missed_slots_are_counted_than_can_be_in_no_time():
    found = due(MINUTELY, FIRST, FIRST + timedelta(days=3650), 60.0)

    assert (found.missed, found.fire) == (MOST_COUNTED, FIRST + timedelta(days=3650, minutes=-1))


def test_jitter_is_fixed_for_a_slot_and_spread_over_slots():
    moments = [FIRST + timedelta(minutes=n) for n in range(500)]
    put_off = [(due_at("n", one, 30.0) - one).total_seconds() for one in moments]

    assert put_off == [(due_at("n", one, 30.0) - one).total_seconds() for one in moments]
    assert (min(put_off) < 3, max(put_off) > 27, max(put_off) <= 30) == (True, True, True)
    assert due_at("n", FIRST, 0.0) == FIRST
    assert due_at("n", None, 30.0) is None


def test_a_cron_text_that_never_fires_is_refused():
    with pytest.raises(InvalidOption):
        checked_timing("0 0 30 2 *", None, "UTC")
