"""The constraints in annotations are checked where a value is given, and again where it arrives."""

# ruff: noqa: DTZ001  # naive datetimes are what a constraint is about

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, NewType, TypedDict

import annotated_types as at
import msgspec
import pydantic
import pytest

from baton.core import registry
from baton.core.references import each, result_of, to_json
from baton.core.worker import AnyWorker, worker
from baton.errors import ArgumentsDoNotFit

Positive = Annotated[int, at.Gt(0)]
Known = NewType("Known", int)


@dataclass
class Order:
    count: Positive
    parts: list[Order] | None = None


class Sale(TypedDict, total=False):
    count: Positive


class Range(NamedTuple):
    first: Positive
    last: int


class Size(msgspec.Struct):
    width: Positive


def taking(kind: Any) -> AnyWorker:
    def take(value: Any) -> None: ...

    take.__annotations__ = {"value": kind}
    with registry.isolated():
        return worker(take)


KEPT: list[tuple[Any, Any]] = [
    (Positive, 1),
    (Annotated[float, at.Interval(ge=0, lt=1)], 0.0),
    (Annotated[str, at.Len(1, 3)], "abc"),
    (Annotated[int, at.MultipleOf(5)], 10),
    (Annotated[str, at.Predicate(str.islower)], "a"),
    (Annotated[datetime, at.Timezone(None)], datetime(2024, 1, 1)),
    (Annotated[datetime, at.Timezone(...)], datetime(2024, 1, 1, tzinfo=UTC)),
    (Annotated[int, "what nobody knows", at.doc("a number")], -1),
    (Positive | None, None),
    (Positive | str, "x"),
    (Annotated[int, pydantic.Field(gt=0)], 1),
    (pydantic.PositiveInt, 1),
    (Annotated[str, pydantic.AfterValidator(str.strip)], "a"),
    (Sale, {}),
    (Order, Order(1, [Order(2)])),
]


@pytest.mark.parametrize(("kind", "value"), KEPT, ids=str)
def test_a_value_that_meets_its_constraints_arrives(kind: Any, value: Any) -> None:
    take = taking(kind)
    assert take.bind_json(take.new(value=value).arguments.args, None, {}) == {"value": value}


REFUSED: list[tuple[Any, Any, str]] = [
    (Positive, 0, "Expected a value > 0 - at `$.value`"),
    (Annotated[int, msgspec.Meta(gt=0)], 0, "Expected `int` >= 1 - at `$.value`"),
    (Annotated[Known, at.Gt(0)], 0, "Expected a value > 0 - at `$.value`"),
    (Annotated[float, at.Interval(ge=0, lt=1)], 1.0, "Expected a value < 1 - at `$.value`"),
    (Annotated[float, at.Interval(ge=0, lt=1)], -1.0, "Expected a value >= 0 - at `$.value`"),
    (Annotated[str, at.Len(1, 3)], "", "Expected a length >= 1 - at `$.value`"),
    (Annotated[str, at.MaxLen(3)], "abcd", "Expected a length <= 3 - at `$.value`"),
    (Annotated[int, at.MultipleOf(5)], 11, "Expected a multiple of 5 - at `$.value`"),
    (Annotated[str, at.Predicate(str.islower)], "A", "Expected a value for which str.islower is true - at `$.value`"),
    (Annotated[datetime, at.Timezone(None)], datetime(2024, 1, 1, tzinfo=UTC), "Expected a time without a zone"),
    (Annotated[datetime, at.Timezone(...)], datetime(2024, 1, 1), "Expected a time with a zone - at `$.value`"),
    (Positive | None, 0, "Expected a value > 0 - at `$.value`"),
    (list[Positive], [1, 0], "Expected a value > 0 - at `$.value[1]`"),
    (tuple[str, Positive], ("a", 0), "Expected a value > 0 - at `$.value[1]`"),
    (dict[str, Positive], {"a": 0}, "Expected a value > 0 - at `$.value[...]`"),
    (dict[Positive, str], {0: "a"}, "Expected a value > 0 - at `$.value[...]`"),
    (Order, Order(0), "Expected a value > 0 - at `$.value.count`"),
    (Order, Order(1, [Order(1, [Order(0)])]), "Expected a value > 0 - at `$.value.parts[0].parts[0].count`"),
    (Sale, {"count": 0}, "Expected a value > 0 - at `$.value.count`"),
    (Range, Range(0, 1), "Expected a value > 0 - at `$.value.first`"),
    (Size, Size(0), "Expected a value > 0 - at `$.value.width`"),
    (Annotated[int, pydantic.Field(gt=0)], 0, "Input should be greater than 0 - at `$.value`"),
    (pydantic.PositiveInt, 0, "Expected a value > 0 - at `$.value`"),
    (Annotated[str, pydantic.Field(pattern="^a")], "b", "String should match pattern '^a' - at `$.value`"),
    (Annotated[str, pydantic.AfterValidator(str.strip)], " a", "its annotation would change it; give it as the"),
]


@pytest.mark.parametrize(("kind", "value", "message"), REFUSED, ids=str)
def test_a_value_that_does_not_is_a_type_error_where_it_is_given(kind: Any, value: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        taking(kind).new(value=value)
    assert str(caught.value).startswith(f"take: {message}")


@pytest.mark.parametrize("value", [each([1, 0]), [result_of("a"), 0]], ids=["each", "beside a reference"])
def test_a_value_in_a_list_that_becomes_another_is_checked_as_well(value: Any) -> None:
    kind = Positive if type(value).__name__ == "Each" else list[Positive]
    with pytest.raises(TypeError, match="Expected a value > 0"):
        taking(kind).new(value=value)


def test_a_result_that_does_not_meet_the_constraint_does_not_fit() -> None:
    take = taking(Positive)
    encoded = take.new(value=result_of("a")).arguments
    with pytest.raises(ArgumentsDoNotFit) as caught:
        take.bind_json(encoded.args, to_json(encoded.placed), {"a": 0})
    assert str(caught.value) == ("the arguments do not fit worker 'take': Expected a value > 0 - at `$.value`")


def test_a_constraint_that_fails_itself_is_unmet() -> None:
    with pytest.raises(TypeError, match="take: TypeError: '>' not supported between"):
        taking(Annotated[str, at.Gt(1)]).new(value="a")
