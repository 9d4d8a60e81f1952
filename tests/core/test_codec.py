# ruff: noqa: DTZ001  # naive datetimes come back as well

from __future__ import annotations

import json
import math
import random
import re
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pytest

from baton.core.codec import MAX_NESTING, Decoder, decode, encode, encode_in_order
from baton.errors import NotJSON


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


class Movie(TypedDict):
    title: str
    year: int


class Shape(msgspec.Struct):
    sides: int


class Label(str):
    __slots__ = ()


@dataclass
class Order:
    number: int
    placed: datetime
    price: Decimal
    by_number: dict[int, str] = field(default_factory=dict)


def shown(value: Any) -> str:
    """What a case is called: without the elements of sets, whose order changes from process to process."""
    return re.sub(r"\{'[^}:]*\}", "{...}", repr(value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Any, {"a": [1, 2.5, None, True, "x"], "b": {}}),
        (str, ""),
        (str, "\x00 \u2028 \U0001f600 ü"),
        (str, "lone \ud800 surrogate"),
        (list[str], ["\udc00", "\ud800\ud800"]),
        (str, "\\ud800"),
        (float, 1e22),
        (float, -0.0),
        (float, 5e-324),
        (int, 10**100),
        (int, -(2**63) - 1),
        (dict[int, str], {1: "a", -2: "b"}),
        (dict[int, set[str]], {1: {"a", "b"}, 2: set()}),
        (dict[float, int], {1.5: 1}),
        (dict[UUID, int], {UUID(int=7): 1}),
        (Decimal, Decimal("1.10")),
        (Decimal, Decimal("0.1000000000000000000000000001")),
        (bytes, b"\x00\xff"),
        (datetime, datetime(2024, 2, 29, 1, 2, 3, 4)),
        (datetime, datetime(2024, 2, 29, 1, 2, 3, 4, UTC)),
        (datetime, datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=-9, minutes=-30)))),
        (date, date(1, 1, 1)),
        (time, time(23, 59, 59, 999999)),
        (timedelta, timedelta(days=-3, microseconds=1)),
        (timedelta, timedelta.max),
        (UUID, UUID(int=1)),
        (Path, Path("/a/b")),
        (list[Path | None], [Path("a"), None]),
        (Colour, Colour.RED),
        (Level, Level.HIGH),
        (Label, Label("x")),
        (Point, Point(1, 2)),
        (Movie, {"title": "M", "year": 1931}),
        (Shape, Shape(3)),
        (set[int], {1, 2, 3}),
        (frozenset[str], frozenset({"a"})),
        (tuple[int, str], (1, "a")),
        (deque[int], deque([1, 2])),
        (Counter[str], Counter("aab")),
        (OrderedDict[str, int], OrderedDict(b=1, a=2)),
        (Order, Order(1, datetime(2024, 1, 1, tzinfo=UTC), Decimal("9.90"), {3: "c"})),
    ],
    ids=shown,
)
def test_what_went_in_comes_back(kind: Any, value: Any) -> None:
    text = encode(value)
    back = Decoder(kind).decode(text)
    assert back == value
    assert type(back) is type(value)
    assert json.loads(text) == decode(text)
    text.encode()


def test_minus_zero_keeps_its_sign() -> None:
    assert math.copysign(1, decode(encode(-0.0))) == -1


def test_nothing_is_escaped_that_need_not_be() -> None:
    assert encode({"ü": "é"}) == '{"ü":"é"}'


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda x: x, "$"),
        (lambda x: {"items": [0, None, 2, x]}, "$.items[3]"),
        (lambda x: {"null": None, "x": x}, "$.x"),
        (lambda x: Order(x, datetime(2024, 1, 1), Decimal(1)), "$.number"),
        (lambda x: [Shape(x)], "$[0].sides"),
        (lambda x: (1, {"a": {2: x}}), "$[1].a[2]"),
        (lambda x: {"nan": ["null", x]}, "$.nan[1]"),
        (lambda x: deque([x]), "$[0]"),
    ],
)
def test_a_number_that_json_lacks_is_never_a_silent_null(wrap: Callable[[float], Any], path: str, wrong: float) -> None:
    with pytest.raises(NotJSON) as caught:
        encode(wrap(wrong))
    assert caught.value.path == path
    assert caught.value.why == f"{wrong!r} has no form in JSON"


def test_nulls_that_are_meant_stay_nulls() -> None:
    assert encode({"a": None, "b": [None, "null"]}) == '{"a":null,"b":[null,"null"]}'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, object()], "not JSON, at $[1]: a value of type object has no form in JSON"),
        ({"f": print}, "not JSON, at $.f: a value of type builtin_function_or_method has no form in JSON"),
        ({"c": complex(1, 2)}, "not JSON, at $.c: a value of type complex has no form in JSON"),
        ({"a": {(1, 2): 3}}, "not JSON, at $.a: a key must be text or a number, not tuple"),
        ({None: 1}, "not JSON, at $: a key must be text or a number, not NoneType"),
        ({"n": 10**4300}, "not JSON, at $.n: an integer of more than 4,300 digits cannot be read back"),
    ],
    ids=["object", "function", "complex", "tuple key", "None key", "huge integer"],
)
def test_what_is_not_json_is_named_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(NotJSON) as caught:
        encode(value)
    assert str(caught.value) == message


def test_the_largest_integer_comes_back() -> None:
    assert decode(encode(10**4300 - 1)) == 10**4300 - 1


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_the_deepest_nesting_comes_back() -> None:
    assert decode(encode(nested(MAX_NESTING))) == nested(MAX_NESTING)


@pytest.mark.parametrize("depth", [MAX_NESTING + 1, 900, 10_000, 200_000])
def test_deeper_nesting_is_an_error_that_says_so(depth: int) -> None:
    with pytest.raises(NotJSON, match="nested deeper than 200 levels"):
        encode(nested(depth))


def test_many_brackets_are_not_depth() -> None:
    value = [[[]]] * 1_000
    assert decode(encode(value)) == value


def test_a_character_in_two_halves_is_an_error_as_it_would_come_back_whole() -> None:
    with pytest.raises(NotJSON, match="two surrogates"):
        encode(["\ud83d\ude00"])


def test_a_list_that_contains_itself_is_an_error() -> None:
    value: list[Any] = [1]
    value.append(value)
    with pytest.raises(NotJSON, match="contains itself"):
        encode(value)


def test_a_union_that_json_cannot_tell_apart_is_refused() -> None:
    with pytest.raises(TypeError):
        Decoder(str | datetime)


def test_equal_mappings_and_sets_have_one_text_in_order() -> None:
    left = encode_in_order({"b": 1, "a": {"x", "y", "z"}})
    right = encode_in_order({"a": {"z", "y", "x"}, "b": 1})
    assert left == right


def random_json(source: random.Random, depth: int = 0) -> Any:
    scalar: list[Callable[[], Any]] = [
        lambda: None,
        lambda: source.random() * 10 ** source.randint(-300, 300),
        lambda: source.randint(-(10**30), 10**30),
        lambda: "".join(chr(source.choice([0, 34, 92, 100, 117, 0xDBFF, 0x1F600])) for _ in range(6)),
        lambda: source.random() < 0.5,
    ]
    if depth > 4 or source.random() < 0.4:
        return source.choice(scalar)()
    if source.random() < 0.5:
        return [random_json(source, depth + 1) for _ in range(source.randint(0, 4))]
    return {f"k{source.randint(0, 99)}\\": random_json(source, depth + 1) for _ in range(source.randint(0, 4))}


def test_random_json_comes_back() -> None:
    seed = random.randrange(sys.maxsize)
    source = random.Random(seed)
    for _ in range(500):
        value = random_json(source)
        assert decode(encode(value)) == value, f"seed {seed}"
