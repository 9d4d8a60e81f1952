"""What a worker may return, in place of a result, to control its step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from baton.core.durations import Seconds, seconds


@dataclass(frozen=True, slots=True, init=False)
class Snooze:
    """Returned by a worker to be started again later, without spending an attempt.

    The count of failures begins anew: `max_attempts` bounds failures in a row.

    Args:
        reason: shown while the step waits.
        keep: a JSON value that the next attempts find as `ctx.kept`; left out, what was kept before stays.
    """

    seconds: float
    reason: str
    keep: Any

    def __init__(self, seconds: Seconds, *, reason: str = "", keep: Any = UNSET) -> None:
        _set_seconds(self, seconds)
        object.__setattr__(self, "reason", reason)
        object.__setattr__(self, "keep", keep)


@dataclass(frozen=True, slots=True, init=False)
class RetryAfter:
    """Returned by a worker to fail this attempt and have the next one after a delay of its own choice."""

    seconds: float

    def __init__(self, seconds: Seconds) -> None:
        _set_seconds(self, seconds)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Returned by a worker to cancel its step, and with it the dependents that do not ignore that."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """Returned by a worker to skip its step, and with it the dependents that do not ignore that."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fail:
    """Returned by a worker whose step can never succeed: it is discarded at once, whatever attempts are left.

    The reason is kept among the errors of the step. To do the same for what a worker raises: `@worker(fatal=[...])`.
    """

    reason: str = "the worker returned Fail"


Control = Snooze | RetryAfter | Cancel | Skip | Fail
CONTROLS = (Snooze, RetryAfter, Cancel, Skip, Fail)


def _set_seconds(control: Snooze | RetryAfter, given: Seconds) -> None:
    object.__setattr__(control, "seconds", seconds("seconds", given))
