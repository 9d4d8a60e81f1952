"""How long a step waits after a failed attempt before the next one."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from baton.core.durations import Seconds, seconds
from baton.errors import InvalidOption

_log = logging.getLogger("baton.retry")


class Backoff(Protocol):
    """A policy that says how long to wait after an attempt has failed."""

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt`, which is 1 for the first."""
        ...


@dataclass(frozen=True, slots=True)
class Exponential:
    """Wait `base` to the power of the attempt, in seconds, with random `jitter`, and at most `maximum`."""

    base: float = 2.0
    maximum: float = 3600.0
    """Seconds."""
    jitter: float = 0.1
    """The part of the delay by which it is shortened or lengthened at random, 0 to 1."""

    def __post_init__(self) -> None:
        seconds("maximum", self.maximum)
        if not 1 <= self.base <= 1_000:
            raise InvalidOption("base", self.base, "it must be between 1 and 1000")
        if not 0 <= self.jitter <= 1:
            raise InvalidOption("jitter", self.jitter, "it must be between 0 and 1")

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt; drawn anew at each call if there is `jitter`."""
        spread = random.uniform(1 - self.jitter, 1 + self.jitter)
        return min(self._power(attempt) * spread, self.maximum)

    def _power(self, attempt: int) -> float:
        # A float overflows at about 2 ** 1023, so the power is not computed where the maximum
        # applies anyway.
        if attempt * math.log(self.base) > math.log(max(self.maximum, 1.0)) + 1:
            return self.maximum
        return min(self.base**attempt, self.maximum)


@dataclass(frozen=True, slots=True)
class Constant:
    """Wait the same number of seconds after each attempt."""

    seconds: float

    def delay(self, attempt: int) -> float:  # noqa: ARG002  # the shape of a policy
        return self.seconds


DEFAULT_BACKOFF = Exponential()


@dataclass(frozen=True, slots=True)
class Guarded:
    """A policy of the user. If it raises or returns something other than a duration, the default is used."""

    policy: Callable[[int], Seconds]
    fallback: Backoff = field(default=DEFAULT_BACKOFF)

    def delay(self, attempt: int) -> float:
        try:
            return seconds("backoff", self.policy(attempt))
        except Exception as error:  # noqa: BLE001  # the policy is the user's code
            _log.warning("the backoff %r failed for attempt %d, the default is used: %s", self.policy, attempt, error)
            return self.fallback.delay(attempt)


def as_backoff(value: Seconds | Callable[[int], Seconds] | Backoff | None) -> Backoff:
    """Return the policy that a number of seconds, a function of the attempt or a policy object stands for.

    None is the default: 2 to the power of the attempt, with jitter, at most an hour. Raises `InvalidOption`.
    """
    if value is None:
        return DEFAULT_BACKOFF
    if isinstance(value, Exponential | Constant | Guarded):
        return value
    if isinstance(value, int | float | timedelta):
        return Constant(seconds("backoff", value))
    policy = getattr(value, "delay", value)
    if callable(policy) and not isinstance(value, type):
        return Guarded(policy)
    why = "it must be a number of seconds, a function of the attempt, or an object with a method delay(attempt)"
    raise InvalidOption("backoff", value, why)


def storable_backoff(option: str, value: object) -> float | Exponential:
    """Return a backoff in the form in which it is stored with a job. Raises `InvalidOption`."""
    if type(value) is Exponential:
        return value
    if isinstance(value, int | float | timedelta):
        return seconds(option, value)
    why = (
        "a job stores it, so it must be a number of seconds, a timedelta or Exponential(...); a function belongs to "
        "the worker, as in @worker(backoff=...)"
    )
    raise InvalidOption(option, value, why)


def stored_backoff(value: Any) -> Backoff:
    """Return the policy that `storable_backoff` wrote, from its JSON."""
    return Exponential(**value) if isinstance(value, dict) else Constant(value)
