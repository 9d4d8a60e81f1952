"""Points in time and spans of time, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from baton.cli.times import ago, moment, since, span

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0.00 s"),
        (0.004, "0.00 s"),
        (59.99, "59.99 s"),
        (60, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (172_700, "47 h 58 min"),
        (172_800, "2 days"),
        (1e9, "11,574 days"),
    ],
)
def test_a_span_has_one_or_two_units(seconds, shown):
    assert span(seconds) == shown
    assert since(NOW, NOW + timedelta(seconds=seconds)) == span(seconds)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (172_799, "47 h"), (1e7, "115 days")],
)
def test_how_long_ago_has_one_unit(seconds, shown):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == f"{shown} ago"


def test_a_moment_has_its_time_zone():
    assert moment(NOW) == "2030-01-01 12:00:00 UTC"
    assert moment(datetime.max.replace(tzinfo=UTC)) == "never"
