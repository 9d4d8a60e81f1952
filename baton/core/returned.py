"""What a worker may return, in place of a result, to control its step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from baton.core.durations import Seconds, seconds
from baton.errors import InvalidOption


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


@dataclass(frozen=True, slots=True, init=False)
class Again:
    """Returned by a worker to run again, in the same place, as the next round of its step.

    The named arguments replace those that the step had, and the others stay; a reference that stood in one that is
    replaced is gone. What was kept is forgotten, the count of failures begins anew, and `ctx.idempotency_key` changes.

    A step of a returned graph whose result is the group's may return it for the group: the step that returned the graph
    runs again, once the graph is judged completed, with its own arguments replaced. The steps of the graph that it
    returns then are named after the round, as in `turn[#2]/call`. A step has at most 10,000 rounds.

    Args:
        arguments: arguments as a mapping, for one whose name is taken here; the named ones are added to it.
        after: how long to wait before the next round: seconds or `timedelta`.
        keep_rounds: of how many earlier rounds the steps of a returned graph are kept; left out, of all.
    """

    arguments: Mapping[str, Any]
    after: float
    keep_rounds: int | None

    def __init__(
        self,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        after: Seconds = 0.0,
        keep_rounds: int | None = None,
        **named: Any,
    ) -> None:
        if keep_rounds is not None and (type(keep_rounds) is not int or keep_rounds < 0):
            raise InvalidOption("keep_rounds", keep_rounds, "it must be a number of rounds, 0 or more; None keeps all")
        object.__setattr__(self, "arguments", {**(arguments or {}), **named})
        object.__setattr__(self, "after", seconds("after", after))
        object.__setattr__(self, "keep_rounds", keep_rounds)


Control = Snooze | RetryAfter | Cancel | Skip | Fail | Again
CONTROLS = (Snooze, RetryAfter, Cancel, Skip, Fail, Again)


def _set_seconds(control: Snooze | RetryAfter, given: Seconds) -> None:
    object.__setattr__(control, "seconds", seconds("seconds", given))
