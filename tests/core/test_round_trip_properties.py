"""Generated annotations and values: each value comes back as it was, or is refused; it never changes silently.

What counts as the same is written down here a second time, as text: a value's `description`.
"""

# ruff: noqa: DTZ001  # naive datetimes are generated as well

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from baton.core import registry
from baton.core.worker import AnyWorker, worker
from baton.errors import NotJSON


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Moment(datetime): ...


class Label(str):
    __slots__ = ()


@dataclass
class Base:
    a: Any


@dataclass
class Derived(Base):
    b: int = 0


@dataclass(frozen=True)
class Key:
    name: str


class Shape(msgspec.Struct):
    sides: int


class Square(Shape):
    width: int = 1


@dataclass(frozen=True)
class Typed:
    """An annotation, and values that fit it, some of which JSON cannot carry."""

    kind: Any
    values: st.SearchStrategy[Any]


def zones() -> st.SearchStrategy[tzinfo | None]:
    offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    named = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]).map(ZoneInfo)
    return st.one_of(st.none(), st.just(UTC), offsets, named)


TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=5)
DATETIMES = st.builds(
    lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
    st.datetimes(datetime(1850, 1, 1), datetime(9000, 1, 1)),
    zones(),
    st.sampled_from([0, 0, 0, 1]),
)
TIMES = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), st.times(), zones())
SCALARS = (
    Typed(str, TEXTS | TEXTS.map(Label)),
    Typed(int, st.integers() | st.booleans().map(int)),
    Typed(float, st.floats() | st.integers()),
    Typed(bool, st.booleans()),
    Typed(None, st.none()),
    Typed(bytes, st.binary(max_size=4)),
    Typed(Decimal, st.decimals().filter(lambda number: not number.is_snan())),  # which cannot be in a set
    Typed(UUID, st.uuids()),
    Typed(date, st.dates()),
    Typed(datetime, DATETIMES | DATETIMES.map(lambda m: Moment.combine(m.date(), m.timetz()))),
    Typed(time, TIMES),
    Typed(timedelta, st.timedeltas()),
    Typed(Colour, st.sampled_from(Colour)),
    Typed(Key, st.builds(Key, TEXTS)),
    Typed(Shape, st.builds(Shape, st.integers(0, 9)) | st.builds(Square, st.integers(0, 9))),
)
KEYS = tuple([typed for typed in SCALARS if typed.kind in (str, int, UUID, date, Colour)])
HASHABLE = tuple([typed for typed in SCALARS if typed.kind is not Shape])


def containers(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    return st.one_of(
        inner.map(lambda t: Typed(list[t.kind], st.lists(t.values, max_size=3))),
        inner.map(lambda t: Typed(tuple[t.kind, ...], st.lists(t.values, max_size=3).map(tuple))),
        inner.map(lambda t: Typed(deque[t.kind], st.lists(t.values, max_size=3).map(deque))),
        st.tuples(inner, inner).map(lambda pair: Typed(tuple[pair[0].kind, pair[1].kind], pairs(*pair))),
        st.tuples(st.sampled_from(KEYS), inner).map(
            lambda pair: Typed(
                dict[pair[0].kind, pair[1].kind], st.dictionaries(pair[0].values, pair[1].values, max_size=3)
            )
        ),
        st.sampled_from(HASHABLE).map(lambda t: Typed(set[t.kind], st.sets(t.values, max_size=3))),
        inner.map(lambda t: Typed(t.kind | None if t.kind is not None else None, t.values | st.none())),
        inner.map(record_of),
        inner.map(lambda t: Typed(Any, t.values)),
    )


def pairs(first: Typed, second: Typed) -> st.SearchStrategy[Any]:
    return st.tuples(first.values, second.values)


def record_of(typed: Typed) -> Typed:
    """A dataclass with a field of this type, whose values may be of a class derived from it."""
    record = make_dataclass("Record", [("field", typed.kind)])
    derived = make_dataclass("DerivedRecord", [("more", int)], bases=(record,))
    return Typed(record, st.builds(record, typed.values) | st.builds(partial(derived, more=1), typed.values))


TYPED = st.recursive(st.sampled_from(SCALARS), containers, max_leaves=4)


@st.composite
def kinds_and_values(draw: st.DrawFn) -> tuple[Any, Any]:
    typed = draw(TYPED)
    return typed.kind, draw(typed.values)


def description(value: Any) -> str:
    """What a value is, as text that is the same for values that are the same."""
    match value:
        case Enum():
            return repr(value)
        case str():
            return f"text {str.__repr__(value)}"
        case bool() | None:
            return repr(value)
        case int() | float():
            # A whole number and a float are one in JSON; 0.1 + 0.2 is not 0.3.
            return f"number {int(value) if value == value // 1 else value!r}"
        case datetime() | time():
            zone = value.tzinfo if value.tzinfo is None or value.tzinfo.utcoffset(None) is None else value.utcoffset()
            plain = value.replace(tzinfo=None, fold=0).isoformat()
            return (
                f"{'datetime' if isinstance(value, datetime) else 'time'} {plain} {zone} {zone is None and value.fold}"
            )
        case list() | tuple() | deque():
            return f"sequence {list(map(description, value))}"
        case set() | frozenset():
            return f"set {sorted(map(description, value))}"
        case Mapping():
            return f"mapping {[(description(key), description(child)) for key, child in value.items()]}"
        case _ if is_dataclass(value):
            return f"{type(value)} {[description(getattr(value, field.name)) for field in fields(value)]}"
        case _:
            return repr(value)


def made(kind: Any) -> AnyWorker:
    def give(value: Any) -> Any: ...

    give.__annotations__ = {"value": kind, "return": kind}
    with registry.isolated():
        return worker(give)


quick = settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quick
@given(kinds_and_values())
def test_an_argument_comes_back_as_it_was_or_is_refused(given: tuple[Any, Any]) -> None:
    kind, value = given
    described = description(value)
    try:
        encoded = made(kind).new(value=value).arguments
    except TypeError:
        event("refused: does not fit")
        return
    assert description(value) == described
    if encoded.faults:
        event("refused: would change")
        return
    event("kept")
    back = made(kind).bind_json(encoded.args, None, {})["value"]
    assert description(back) == described


@quick
@given(kinds_and_values())
def test_a_result_comes_back_as_it_was_or_is_refused(given: tuple[Any, Any]) -> None:
    kind, value = given
    try:
        returned = made(kind)
        text = returned.encode_result(value)
    except NotJSON:
        event("refused")
        return
    event("kept")
    assert description(returned.decode_result(text)) == description(value)


@quick
@given(kinds_and_values(), TYPED)
def test_a_value_under_another_annotation_is_refused_or_kept(given: tuple[Any, Any], other: Typed) -> None:
    """Or it is the JSON form of a value of that annotation, and then that has the same form."""
    _, value = given
    try:
        returned = made(other.kind)
        text = returned.encode_result(value)
    except (NotJSON, TypeError):
        return
    back = returned.decode_result(text)
    if description(back) != description(value):
        assert isinstance(value, str | int | float | list | tuple | dict | deque | None)
