from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
import pytest

from baton import Baton, Snooze, each, result_of, worker
from baton.core.compatibility import can_fit
from baton.errors import InvalidWorkflow


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 1


@dataclass
class Order:
    id: int


class Row(TypedDict):
    id: int


class Point(msgspec.Struct, array_like=True):
    x: int


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (list[str], int),
        (int, str),
        (str, list[str]),
        (None, int),
        (bool, int),
        (dict[str, int], list[int]),
        (Order, str),
        (Row, int),
        (Colour, int),
        (Size, str),
        (Literal["a"], int),
        (datetime, bool),
        (UUID, int),
        (Path, list[str]),
        (int | None, str),
        (list[str], list[int]),
        (list[list[str]], list[list[int]]),
        (tuple[str, ...], list[int]),
        (dict[str, str], Mapping[str, int]),
        (list[str], Sequence[int] | None),
        (Annotated[str, "x"], int),
    ],
)
def test_a_type_that_can_never_fit_is_found(given: Any, wanted: Any) -> None:
    assert not can_fit(given, wanted)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (int, int),
        (int, float),
        (float, int),
        (Any, int),
        (list[str], Any),
        (list, list[int]),
        (list[Any], list[int]),
        (str | None, str),
        (int | str, str),
        (str, datetime),
        (str, UUID),
        (str, Colour),
        (int, Size),
        (int, Decimal),
        (Decimal, float),
        (datetime, str),
        (Path, str),
        (Order, dict[str, Any]),
        (Row, Order),
        (dict[str, int], Order),
        (set[int], list[int]),
        (tuple[int, str], list[int]),
        (list[int], list[float]),
        (Point, list[int]),
        (object, int),
        (list[int] | None, list[int]),
    ],
)
def test_a_type_that_may_fit_is_accepted(given: Any, wanted: Any) -> None:
    assert can_fit(given, wanted)


@pytest.fixture
def texts():
    @worker
    async def texts() -> list[str] | Snooze:
        return []

    return texts


@pytest.fixture
def half():
    @worker
    async def half(number: int, other: Any = None) -> float:
        return number / 2

    return half


def faults_of(baton: Baton) -> list[str]:
    with pytest.raises(InvalidWorkflow) as caught:
        baton.validate()
    return [str(fault) for fault in caught.value.faults]


CHANGE = "; change one of the two annotations"


def test_a_result_passed_where_it_cannot_fit_is_a_fault(texts, half) -> None:
    assert faults_of(Baton.new().add("t", texts.new()).add("h", half.new(result_of("t")))) == [
        f"step 'h' takes the result of 't', list[str], as its parameter 'number', which is int{CHANGE}"
    ]


def test_with_each_the_items_are_checked(texts, half) -> None:
    assert faults_of(Baton.new().add("t", texts.new()).add("h", half.new(each(result_of("t"))))) == [
        f"step 'h' takes an item of the result of 't', str, as its parameter 'number', which is int{CHANGE}"
    ]


def test_each_over_a_result_that_is_no_list_is_a_fault(half) -> None:
    flow = Baton.new().add("a", half.new(1)).add("b", half.new(each(result_of("a"))))
    (fault,) = faults_of(flow)
    assert fault == (
        "step 'b' takes each item of the result of 'a', which is float and not a list; "
        "return a list, or leave out each(...)"
    )


def test_a_map_results_in_a_list_of_what_its_children_do(half) -> None:
    flow = Baton.new().add("m", half.new(each([1, 2])))
    assert faults_of(flow.add("h", half.new(result_of("m")))) == [
        f"step 'h' takes the result of 'm', list[float], as its parameter 'number', which is int{CHANGE}"
    ]


def test_a_workflow_results_in_what_it_returns(texts, half) -> None:
    inner = Baton.new().add("t", texts.new()).add("h", half.new(1)).returns("t")
    assert faults_of(Baton.new().add("in", inner).add("h", half.new(result_of("in")))) == [
        f"step 'h' takes the result of 'in', list[str], as its parameter 'number', which is int{CHANGE}"
    ]


def test_what_is_not_annotated_or_stands_inside_an_argument_is_unknown(texts, half) -> None:
    @worker
    async def untyped():
        return 1

    inner = Baton.new().add("t", texts.new()).add("h", half.new(1))
    flow = Baton.new().add("u", untyped.new()).add("t", texts.new()).add("in", inner)
    flow.add("a", half.new(result_of("u")))
    flow.add("b", half.new(1, other=[result_of("t")]))
    flow.add("c", half.new(result_of("in")))

    assert len(flow.validate()) == 8
