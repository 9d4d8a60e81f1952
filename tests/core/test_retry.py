from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import Any

import pytest

from baton.core.retry import Exponential, as_backoff
from baton.errors import InvalidOption


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (5, 32), (11, 2048)])
def test_the_default_is_two_to_the_power_of_the_attempt_with_jitter(attempt: int, seconds: float) -> None:
    delays = [as_backoff(None).delay(attempt) for _ in range(200)]
    assert all(0.9 * seconds <= delay <= 1.1 * seconds for delay in delays)
    assert max(delays) - min(delays) > 0.05 * seconds


@pytest.mark.parametrize("attempt", [12, 13, 1_100, 20_000, 32_767])
def test_the_default_never_exceeds_an_hour(attempt: int) -> None:
    assert all(3240 <= as_backoff(None).delay(attempt) <= 3600 for _ in range(200))


def test_a_number_of_seconds_is_the_same_delay_each_time() -> None:
    assert [as_backoff(1.5).delay(attempt) for attempt in (1, 2, 99)] == [1.5, 1.5, 1.5]
    assert as_backoff(timedelta(minutes=1)).delay(1) == 60.0


def test_a_function_is_asked_with_the_attempt() -> None:
    assert as_backoff(lambda attempt: attempt * 10).delay(3) == 30.0
    assert as_backoff(lambda attempt: timedelta(minutes=attempt)).delay(2) == 120.0


def test_a_policy_object_is_asked_with_the_attempt() -> None:
    class Linear:
        def delay(self, attempt: int) -> float:
            return attempt

    assert as_backoff(Linear()).delay(4) == 4.0
    assert as_backoff(Exponential(base=3, jitter=0)).delay(2) == 9.0


@pytest.mark.parametrize("answer", [-1, math.nan, math.inf, "soon", None, True, 1e300])
def test_a_function_that_answers_nonsense_gives_way_to_the_default(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="baton.retry"):
        assert 1.8 <= as_backoff(lambda attempt: answer).delay(1) <= 2.2
    assert "the default is used" in caplog.text


def test_a_function_that_raises_gives_way_to_the_default() -> None:
    def broken(attempt: int) -> float:
        raise ZeroDivisionError

    assert 1.8 <= as_backoff(broken).delay(1) <= 2.2


@pytest.mark.parametrize("value", [-1, math.nan, True, "10", Exponential])
def test_an_invalid_backoff_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption):
        as_backoff(value)
