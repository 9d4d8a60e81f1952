"""Stored errors leave out the values that Pydantic refused, wherever in an error they stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pydantic
import pytest

from baton.core.error_texts import input_is_shown, text_of, trace_of
from baton.core.outcome import failed, misfit
from baton.core.worker import worker
from baton.errors import ArgumentsDoNotFit

SECRET = "4111 1111 1111 1111"


class Card(pydantic.BaseModel):
    number: int
    holder: str = pydantic.Field(max_length=3)


def refused() -> None:
    Card(number=SECRET, holder=SECRET)  # type: ignore[arg-type]


def in_a_cause() -> None:
    try:
        refused()
    except ValueError as error:
        raise LookupError("no card") from error


def in_a_context() -> None:
    try:
        refused()
    finally:
        raise LookupError("no card")


def in_a_group() -> None:
    try:
        refused()
    except ValueError as error:
        raise ExceptionGroup("several", [error, ValueError("another")]) from None


def of_json() -> None:
    Card.model_validate_json(json.dumps({"number": SECRET, "holder": [SECRET, "a\nb"]}))


WAYS = pytest.mark.parametrize("fail", [refused, in_a_cause, in_a_context, in_a_group, of_json])


def error_of(fail: Callable[[], Any]) -> BaseException:
    try:
        fail()
    except Exception as error:  # noqa: BLE001  # it is what the test is about
        return error
    raise AssertionError("it did not fail")


@contextmanager
def shown_input() -> Iterator[None]:
    token = input_is_shown.set(True)
    try:
        yield
    finally:
        input_is_shown.reset(token)


@WAYS
def test_a_stored_error_leaves_out_what_was_refused(fail: Callable[[], Any]) -> None:
    outcome = failed(error_of(fail))
    assert SECRET not in f"{outcome.detail} {outcome.trace}"
    assert outcome.trace is not None
    assert "number" in outcome.trace
    assert "[type=int_parsing, input_type=str]" in outcome.trace


@WAYS
def test_it_is_stored_where_that_is_allowed(fail: Callable[[], Any]) -> None:
    with shown_input():
        outcome = failed(error_of(fail))
    assert SECRET in str(outcome.trace)


def test_an_error_of_pydantic_still_says_where_and_why() -> None:
    assert text_of(error_of(refused)).splitlines()[:3] == [
        "2 validation errors for Card",
        "number",
        ("  Input should be a valid integer, unable to parse string as an integer [type=int_parsing, input_type=str]"),
    ]


def test_arguments_that_do_not_fit_a_model_are_not_repeated(own_workers: None) -> None:
    @worker
    async def charge(card: Card) -> None: ...

    with pytest.raises(ArgumentsDoNotFit) as caught:
        charge.bind_json(json.dumps({"card": {"number": SECRET, "holder": "Ann"}}), None, {})
    assert SECRET not in str(caught.value)
    assert SECRET not in str(misfit(caught.value).detail)
    assert "number" in str(caught.value)
    with pytest.raises(TypeError) as given:
        charge.new(card={"number": SECRET, "holder": "Ann"})  # type: ignore[arg-type]
    assert SECRET not in str(given.value)


def test_other_errors_are_stored_as_they_are() -> None:
    error = error_of(lambda: int("input_value"))
    assert text_of(error) == str(error)
    assert str(trace_of(error)).endswith(f"ValueError: {error}\n")
