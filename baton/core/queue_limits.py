"""The limits of a queue: how many of its steps execute at once, and how many may start in a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from baton.core.durations import Seconds, more_than_none
from baton.core.options import checked_queue
from baton.errors import InvalidOption

MOST_RUNNING = 1_000_000
LEAST_RATE, HIGHEST_RATE = 1e-9, 1e9
"""Units a second."""
SHORTEST_BURST = 0.1
"""Seconds. With a burst of 1 at 100 starts a second, only 0.9 of the rate was used."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many units may start in a time, as a generic cell rate algorithm counts them."""

    starts: float
    """Units: a start counts as many as its job has `units`, 1 unless given."""
    per: float
    """Seconds."""
    burst: float
    """How many units may start at once after a rest. No window of `per` seconds has more than `starts` plus this."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What bounds a queue, over all worker pools."""

    running: int | None = None
    """How many of its steps execute at once."""
    rate: Rate | None = None
    lane_running: int | None = None
    """How many steps of each lane execute at once."""
    lane_rate: Rate | None = None


def queue_limits(
    queue: str,
    *,
    running: int | None,
    starts: float | None,
    per: Seconds | None,
    burst: float | None,
    lane_running: int | None,
    lane_starts: float | None,
    lane_per: Seconds | None,
    lane_burst: float | None,
) -> QueueLimits:
    """Return the limits that `Engine.limit` was given. Raises `InvalidOption` for what cannot be one."""
    checked_queue("queue", queue)
    limits = QueueLimits(
        _running(queue, "running", running),
        _rate(queue, "", starts, per, burst),
        _running(queue, "lane_running", lane_running),
        _rate(queue, "lane_", lane_starts, lane_per, lane_burst),
    )
    if limits == QueueLimits():
        why = f"no limit is given, such as running=20; remove_limit({queue!r}) takes its limits away"
        raise InvalidOption("queue", queue, why)
    return limits


def _running(queue: str, option: str, value: int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOption(option, value, "it must be an integer, how many steps execute at once")
    if value == 0:
        raise InvalidOption(option, value, _pause_instead(queue, option))
    if not 1 <= value <= MOST_RUNNING:
        raise InvalidOption(option, value, f"it must be between 1 and {MOST_RUNNING:,}")
    return value


def _rate(queue: str, lane: str, starts: float | None, per: Seconds | None, burst: float | None) -> Rate | None:
    option = f"{lane}starts"
    if starts is None:
        for name, value in ((f"{lane}per", per), (f"{lane}burst", burst)):
            if value is not None:
                raise InvalidOption(
                    name, value, f"it belongs to {option}, how many units may start in that time: give both"
                )
        return None
    number = _number(option, starts)
    if number == 0:
        raise InvalidOption(option, starts, _pause_instead(queue, option))
    if per is None:
        raise InvalidOption(option, starts, f"in what time? Give {lane}per as well, such as {lane}per=60 for a minute")
    seconds = more_than_none(f"{lane}per", per)
    if not LEAST_RATE <= number / seconds <= HIGHEST_RATE:
        raise InvalidOption(option, starts, "it must be more than none, and at most 1,000,000,000 units a second")
    at_once = max(1.0, number / seconds * SHORTEST_BURST) if burst is None else _number(f"{lane}burst", burst)
    if not 1 <= at_once <= HIGHEST_RATE:
        raise InvalidOption(f"{lane}burst", burst, "it must be at least 1, and at most 1,000,000,000 units")
    return Rate(number, seconds, at_once)


def _number(option: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InvalidOption(option, value, "it must be a number of units, more than 0")
    return float(value)


def _pause_instead(queue: str, option: str) -> str:
    lane = ", lane=..." if option.startswith("lane") else ""
    return f"nothing could ever start; to hold it up, pause it: engine.pause({queue!r}{lane})"
