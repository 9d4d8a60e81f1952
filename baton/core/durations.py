"""Durations, as they are given in public and as they are stored."""

from __future__ import annotations

import math
from datetime import timedelta

from baton.errors import InvalidOption

Seconds = float | timedelta
"""A public duration: a number of seconds or a `timedelta`."""

MAX_SECONDS = 100 * 366 * 86_400.0
"""A hundred years. Anything longer is a mistake, and would overflow the database's clock."""


def seconds(option: str, value: object) -> float:
    """Return a duration as a number of seconds, 0 or more.

    Raises `InvalidOption` for what is not a duration, is negative, not finite, or longer than a hundred years.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidOption(option, value, "it must be a number of seconds or a timedelta")
    if not math.isfinite(value) or not 0 <= value <= MAX_SECONDS:
        raise InvalidOption(option, value, "it must be 0 or more seconds, and at most a hundred years")
    return float(value)


def more_than_none(option: str, value: Seconds) -> float:
    """Return a duration as a number of seconds, which is not 0. Raises `InvalidOption`."""
    if (number := seconds(option, value)) == 0:
        raise InvalidOption(option, value, "it must be more than 0 seconds")
    return number


def checked_deadline(option: str, value: object) -> float:
    """Return the time until a deadline as a number of seconds. Raises `InvalidOption`."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, int | float) and not isinstance(number, bool) and number <= 0:
        raise InvalidOption(option, value, "that is past when it begins; give more than 0 seconds, or leave it out")
    return seconds(option, value)
