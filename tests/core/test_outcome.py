from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from baton.core.outcome import (
    MAX_SUMMARY,
    MAX_TRACE,
    Outcome,
    cancelled,
    classify,
    failed,
    unknown_worker,
)
from baton.core.returned import Cancel, Fail, RetryAfter, Skip, Snooze
from baton.errors import InvalidName, InvalidOption, ResultNotJSON


class Echo:
    name = "echo"

    def encode_result(self, value: object) -> str:
        if isinstance(value, BaseException):
            raise value
        return f'"{value}"'


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001  # it is what the tests look at
        return caught


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("x", Outcome("completed", '"x"')),
        (Snooze(5), Outcome("snoozed", delay=5.0)),
        (Snooze(timedelta(minutes=1)), Outcome("snoozed", delay=60.0)),
        (RetryAfter(2.5), Outcome("failed", "the worker asked for a retry after 2.5 s", delay=2.5, is_requested=True)),
        (Cancel("enough"), Outcome("cancelled", "enough")),
        (Cancel(), Outcome("cancelled")),
        (Skip("not today"), Outcome("skipped", "not today")),
        (Fail("no such article"), Outcome("discarded", "no such article")),
        (Snooze(5, reason="the mailbox is full"), Outcome("snoozed", "the mailbox is full", delay=5.0)),
        (Snooze(5, keep={"page": 7}), Outcome("snoozed", delay=5.0, keep='{"page":7}')),
        (Snooze(5, keep=None), Outcome("snoozed", delay=5.0, keep="null")),
    ],
)
def test_what_a_worker_returns_decides_the_outcome(value: Any, outcome: Outcome) -> None:
    assert classify(Echo(), value) == outcome


def test_a_result_that_is_not_json_fails_the_attempt_with_a_clear_error() -> None:
    outcome = classify(Echo(), ResultNotJSON("fetch", "$.a", "nan has no form in JSON"))
    assert outcome == Outcome(
        "failed",
        "ResultNotJSON: the result of worker 'fetch' is not JSON, at $.a: nan has no form in JSON",
    )


def test_whatever_an_encoder_raises_fails_the_attempt() -> None:
    assert classify(Echo(), LookupError("no such field")).detail == "LookupError: no such field"


def test_an_error_fails_the_attempt_with_its_text_and_trace() -> None:
    outcome = failed(raised(ValueError("boom")))
    assert (outcome.kind, outcome.detail, outcome.delay) == ("failed", "ValueError: boom", None)
    assert outcome.trace is not None
    assert outcome.trace.startswith("Traceback (most recent call last):")
    assert outcome.trace.endswith("ValueError: boom\n")


def test_an_error_that_discards_the_step_keeps_its_trace() -> None:
    outcome = failed(raised(InvalidName("step", "a/b", "it has a slash")))
    assert outcome.kind == "discarded"
    assert outcome.trace is not None
    assert "in raised" in outcome.trace


def test_an_error_without_text_is_named_by_its_type() -> None:
    assert failed(KeyboardInterrupt()).detail == "KeyboardInterrupt"


def test_an_error_without_a_readable_text_is_an_outcome_too() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    outcome = failed(raised(MuteError()))
    assert outcome.detail is not None
    assert outcome.detail.endswith("(this error has no text: its __str__ raises)")
    assert outcome.trace is not None


def test_nul_and_lone_surrogates_in_an_error_become_escapes() -> None:
    outcome = failed(raised(ValueError("a\x00b\ud800c")))
    assert outcome.detail == "ValueError: a\\x00b\\ud800c"
    assert outcome.trace is not None
    assert "\x00" not in outcome.trace
    outcome.trace.encode()


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\x00" * 100_000, "ü" * MAX_TRACE], ids=["long", "nul", "ü"])
def test_long_texts_keep_head_and_tail_within_the_limit(text: str) -> None:
    outcome = failed(raised(ValueError("HEAD" + text + "TAIL")))
    assert outcome.detail is not None
    assert outcome.trace is not None
    assert len(outcome.detail) <= MAX_SUMMARY
    assert len(outcome.trace) <= MAX_TRACE
    assert outcome.detail.startswith("ValueError: HEAD")
    assert outcome.detail.endswith("TAIL")
    assert "characters left out" in outcome.trace


def test_a_reason_is_made_storable() -> None:
    assert cancelled("a\x00b").detail == "a\\x00b"


def test_an_unknown_worker_is_named() -> None:
    assert unknown_worker("fetch").detail == "no worker named 'fetch' is registered here"


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "5", None, True, timedelta(days=-1)])
@pytest.mark.parametrize("control", [Snooze, RetryAfter])
def test_a_delay_that_is_no_duration_is_refused(control: Any, seconds: Any) -> None:
    with pytest.raises(InvalidOption):
        control(seconds)
