"""What Python put in is what Python gets back, as an argument and as a result; or it is refused in a sentence."""

# ruff: noqa: DTZ001  # naive datetimes come back as well

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, Self, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import numpy as np
import pydantic
import pytest

from baton.core import registry
from baton.core.references import each, result_of
from baton.core.worker import AnyWorker, worker
from baton.errors import NotJSON

if TYPE_CHECKING:
    from fractions import Fraction as Unresolvable


@pytest.fixture(autouse=True)
def _own_registry(own_workers: None) -> None: ...


@dataclass
class Page:
    url: str


@dataclass
class RatedPage(Page):
    stars: int


@dataclass
class SamePage(Page): ...


@dataclass
class OtherPage:
    url: str


@dataclass(frozen=True)
class Place:
    name: str


@dataclass(frozen=True)
class RatedPlace(Place):
    stars: int = 1


@dataclass
class Doubled:
    count: int

    def __post_init__(self) -> None:
        self.count *= 2


@dataclass
class Album:
    pages: list[Page]
    by_name: dict[str, Page] = field(default_factory=dict)
    cover: Page | None = None


class Shape(msgspec.Struct):
    sides: int


class Square(Shape):
    width: int = 1


@attrs.define
class Box:
    width: int


@attrs.define
class NamedBox(Box):
    name: str


class Item(pydantic.BaseModel):
    name: str


class SoldItem(Item):
    price: int


class Basket(pydantic.BaseModel):
    items: list[Item]
    at: datetime | None = None


class Account(pydantic.BaseModel):
    password: pydantic.SecretStr


class Note(pydantic.BaseModel):
    text: str
    _draft: str = pydantic.PrivateAttr("none")


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = "red"


class Mood(StrEnum):
    GOOD = "good"


class Level(IntEnum):
    HIGH = 3


class Label(str):
    __slots__ = ()


class Tagged(str):  # noqa: SLOT000  # it carries more than its text
    def __new__(cls, text: str, tag: str) -> Self:
        made = super().__new__(cls, text)
        made.tag = tag  # type: ignore[attr-defined]
        return made


class Moment(datetime): ...


class Day(date): ...


class Span(timedelta): ...


class Price(Decimal): ...


class Raw(bytes): ...


class Cache(dict[str, int]):
    def __init__(self, entries: Mapping[str, int], limit: int) -> None:
        super().__init__(entries)
        self.limit = limit


BERLIN = ZoneInfo("Europe/Berlin")
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def as_argument(kind: Any, value: Any) -> Any:
    """Return what a worker gets that is annotated so and was given this value."""

    def take(value: Any) -> None: ...

    made = annotated(take, value=kind)
    encoded = made.new(value=value).arguments
    if encoded.faults:
        raise encoded.faults[0]
    return made.bind_json(encoded.args, None, {})["value"]


def as_result(kind: Any, value: Any) -> Any:
    """Return what a caller gets of a worker that is annotated so and returned this value."""

    def give() -> Any: ...

    made = annotated(give, **{"return": kind})
    return made.decode_result(made.encode_result(value))


def annotated(function: Callable[..., Any], **annotations: Any) -> AnyWorker:
    function.__annotations__ = {name: kind for name, kind in annotations.items() if kind is not None}
    with registry.isolated():
        return worker(function)


WAYS = pytest.mark.parametrize("way", [as_argument, as_result])
Way = Callable[[Any, Any], Any]


def shown(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", f"{value!r}")[:60]


@WAYS
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (RatedPage, RatedPage("x", 3)),
        (list[Page], [Page("x"), Page("y")]),
        (Album, Album([Page("x")], {"a": Page("y")}, Page("z"))),
        (Shape, Shape(4)),
        (Box, Box(4)),
        (set[Place], {Place("a")}),
        (Basket, Basket(items=[Item(name="a")])),
        (Open, Open(name="a", more=[1, {"b": 2}])),  # type: ignore[call-arg]
        (Movie, {"title": "M", "year": 1931}),
        (Movie, {"title": "M"}),
        (Point, Point(1, 2)),
        (list[tuple[int, str]], [(1, "a")]),
        (Colour, Colour.RED),
        (dict[str, list[Colour]], {"a": [Colour.RED]}),
        (datetime, datetime(2024, 1, 1)),
        (datetime, NEW_YEAR),
        (datetime, NEW_YEAR.astimezone(timezone(timedelta(hours=-9, minutes=-30)))),
        (time, time(12, tzinfo=timezone(timedelta(hours=2)))),
        (time, time(23, 59)),
        (Decimal, Decimal("1.10")),
        (Decimal, Decimal("-0")),
        (bytes, b"\x00\xff"),
        (dict[UUID, Decimal], {UUID(int=1): Decimal("2.0")}),
        (dict[date, int], {date(2024, 1, 1): 1}),
        (deque[Page], deque([Page("x")])),
        (Counter[str], Counter("aab")),
        (Any, {"a": [1, 2.5, None, True, {"b": []}]}),
        (None, [{"a": "unannotated"}]),
        (Mapping[str, int], {"a": 1}),
        (Sequence[Page], [Page("x")]),
    ],
    ids=shown,
)
def test_a_value_comes_back_as_it_was(way: Way, kind: Any, value: Any) -> None:
    back = way(kind, value)
    assert repr(back) == repr(value)
    assert type(back) is type(value)


@pytest.mark.parametrize("value", [Decimal(text) for text in ("NaN", "sNaN", "-Infinity", "1E+5")])
def test_a_decimal_keeps_its_digits_and_its_kind(value: Decimal) -> None:
    assert str(as_argument(Decimal, value)) == str(value)


@WAYS
@pytest.mark.parametrize(
    ("kind", "value", "back"),
    [
        (str, Label("x"), "x"),
        (str, Mood.GOOD, "good"),
        (int, Level.HIGH, 3),
        (datetime, Moment(2024, 1, 1, tzinfo=UTC), NEW_YEAR),
        (date, Day(2024, 1, 1), date(2024, 1, 1)),
        (timedelta, Span(days=-3, microseconds=1), timedelta(days=-3, microseconds=1)),
        (timedelta, Span.max, timedelta.max),
        (Decimal, Price("1.10"), Decimal("1.10")),
        (bytes, Raw(b"x"), b"x"),
        (bytes, bytearray(b"x"), b"x"),
        (int, np.int64(4), 4),
        (float, np.float32(0.5), 0.5),
        (float, np.float64(0.1), 0.1),
        (bool, np.bool_(True), True),
        (str, np.str_("x"), "x"),
        (Any, [np.int8(4), {"a": np.float16(2)}], [4, {"a": 2.0}]),
        (datetime, datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")), NEW_YEAR),
        (dict[str, int], OrderedDict(a=1), {"a": 1}),
        (dict[str, list[int]], defaultdict(list, a=[1]), {"a": [1]}),
        (Any, (1, (2, 3)), [1, [2, 3]]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (set[int], [2, 1], {1, 2}),
        (frozenset[int], {1, 2}, frozenset({1, 2})),
        (float, 2**53, 2.0**53),
        (list[float], [1, 2], [1.0, 2.0]),
    ],
    ids=shown,
)
def test_what_carries_nothing_more_is_taken_as_its_base(way: Way, kind: Any, value: Any, back: Any) -> None:
    arrived = way(kind, value)
    assert arrived == back
    assert type(arrived) is type(back)


@pytest.mark.parametrize(
    ("kind", "form", "value"),
    [
        (datetime, "2024-01-01T00:00:00Z", NEW_YEAR),
        (Decimal, "1.10", Decimal("1.10")),
        (Colour, "red", Colour.RED),
        (Page, {"url": "x"}, Page("x")),
        (Album, {"pages": [{"url": "x"}]}, Album([Page("x")])),
        (Item, {"name": "a"}, Item(name="a")),
        (Point, [1, 2], Point(1, 2)),
        (Path, "a/b", Path("a/b")),
    ],
    ids=shown,
)
def test_an_argument_may_be_given_in_its_form_in_json(kind: Any, form: Any, value: Any) -> None:
    assert as_argument(kind, form) == value


ARGUMENT = "annotate parameter 'value' with its type"
ZONE = "a datetime in the zone Europe/Berlin would come back with the fixed offset +01:00; give it in UTC, as in "


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Page, RatedPage("x", 3), f"$: a value of type RatedPage would come back as Page, without 'stars'; {ARGUMENT}"),
        (Page, SamePage("x"), f"$: a value of type SamePage would come back as Page; {ARGUMENT}"),
        (Page, OtherPage("x"), f"$: a value of type OtherPage would come back as Page; {ARGUMENT}"),
        (
            list[Page],
            [Page("x"), RatedPage("x", 3)],
            "$[1]: a value of type RatedPage would come back as Page, without 'stars'",
        ),
        (
            dict[str, Page],
            {"a": RatedPage("x", 3)},
            "$.a: a value of type RatedPage would come back as Page, without 'stars'",
        ),
        (
            Album,
            Album([RatedPage("x", 1)]),
            "$.pages[0]: a value of type RatedPage would come back as Page, without 'stars'",
        ),
        (set[Place], {RatedPlace("a")}, "$: it would come back as another value of its type"),
        (Doubled, Doubled(1), "$.count: it would come back as another value of its type"),
        (Shape, Square(4), "$: a value of type Square would come back as Shape, without 'width'"),
        (Box, NamedBox(4, "a"), "$: a value of type NamedBox would come back as Box, without 'name'"),
        (
            Item,
            SoldItem(name="a", price=1),
            f"$: a value of type SoldItem would come back as Item, without 'price'; {ARGUMENT}",
        ),
        (
            Basket,
            Basket(items=[SoldItem(name="a", price=1)]),
            "$.items[0]: a value of type SoldItem would come back as Item",
        ),
        (Basket, Basket(items=[], at=datetime(2024, 1, 1, tzinfo=BERLIN)), f"$.at: {ZONE}"),
        (Account, Account(password="x"), "$.password: it would come back as another value of its type"),  # type: ignore[arg-type]
        (Movie, {"title": "M", "stars": 3}, "$: the key 'stars' would be left out, as its annotation has no such key"),
        (Page, {"url": "x", "stars": 3}, "$: the key 'stars' would be left out, as Page has no such field"),
        (tuple[int, int], Point(1, 2), f"$: a value of type Point would come back as tuple; {ARGUMENT}"),
        (str, Tagged("x", "y"), "$: a Tagged would lose its 'tag'; give the plain value"),
        (dict[str, int], Cache({"a": 1}, 5), "$: a value of type Cache would come back as dict, without its 'limit'"),
        (Any, [Cache({"a": 1}, 5)], "$[0]: a value of type Cache would come back as dict, without its 'limit'"),
        (
            list[dict[str, int]],
            [Cache({"a": 1}, 5)],
            "$[0]: a value of type Cache would come back as dict, without its 'limit'",
        ),
        (datetime, datetime(2024, 1, 1, tzinfo=BERLIN), f"$: {ZONE}"),
        (list[datetime], [datetime(2024, 1, 1, tzinfo=BERLIN)], f"$[0]: {ZONE}"),
        (set[datetime], {datetime(2024, 1, 1, tzinfo=BERLIN)}, f"$: {ZONE}"),
        (dict[datetime, int], {datetime(2024, 1, 1, tzinfo=BERLIN): 1}, f"$: {ZONE}"),
        (datetime, datetime(2024, 1, 1, fold=1), "$: a naive time with fold=1 would come back with fold=0; give it a"),
        (
            datetime,
            datetime(1800, 1, 1, tzinfo=BERLIN),
            "$: it would come back as another value of its type",
        ),
        (
            time,
            time(12, tzinfo=BERLIN),
            "$: a time in the zone Europe/Berlin would come back without it; pass the name",
        ),
        (float, 2**53 + 1, "$: the integer has more digits than a float keeps"),
        (set[int], [1, 1], "$: the set would have fewer items than this, as some are equal"),
        (str, Path("a"), f"$: a value of type PosixPath would come back as str; {ARGUMENT}"),
        (str, UUID(int=1), f"$: a value of type UUID would come back as str; {ARGUMENT}"),
        (str, Decimal("1.5"), f"$: a value of type Decimal would come back as str; {ARGUMENT}"),
        (str, Colour.RED, f"$: a value of type Colour would come back as str; {ARGUMENT}"),
        (str, b"x", f"$: a value of type bytes would come back as str; {ARGUMENT}"),
        (list[str], ["a", NEW_YEAR], "$[1]: a value of type datetime would come back as str"),
        (list[int], {1, 2}, "$: a value of type set would come back as list"),
        (Any, Decimal("1.5"), f"$: a value of type Decimal would come back as str; {ARGUMENT}"),
        (None, [Page("x")], "$[0]: a value of type Page would come back as dict"),
        (Any, {"a": {1, 2}}, "$.a: a value of type set would come back as list"),
        (Any, Item(name="a"), "$: a value of type Item would come back as dict"),
        (dict, {1: "a"}, "$: the key 1 would come back as a string; annotate it, as in dict[int, ...], or use text"),
        (Any, {1: "a", "1": "b"}, "$: two of its keys are the same as text, and one would be left out"),
        (Any, [SimpleNamespace()], "$[0]: a value of type SimpleNamespace has no form in JSON"),
        (Any, np.zeros(2), "$: a numpy ndarray has no form in JSON; give value.tolist(), or text"),
        (Any, (number for number in [1]), "$: a value of type generator has no form in JSON; give a list of what it"),
    ],
    ids=shown,
)
@WAYS
def test_a_value_that_would_change_is_refused(way: Way, kind: Any, value: Any, message: str) -> None:
    with pytest.raises(NotJSON) as caught:
        way(kind, value)
    where, _, why = message.partition(": ")
    if way is as_argument:
        assert caught.value.path == f"$.value{where[1:]}"
        assert caught.value.why.startswith(why)
    else:
        assert caught.value.path == where
        assert caught.value.why.startswith(why.replace(ARGUMENT, "annotate what the worker returns with its type"))


def test_a_private_attribute_of_a_model_does_not_get_lost() -> None:
    note = Note(text="a")
    note._draft = "much"
    with pytest.raises(NotJSON, match="it would come back as another value of its type"):
        as_argument(Note, note)


def test_the_coroutine_of_a_call_that_nobody_awaited_is_refused() -> None:
    async def fetch() -> None: ...

    with pytest.raises(NotJSON, match="a value of type coroutine has no form in JSON; await it first"):
        as_argument(Any, [fetch()])


def test_a_job_is_no_value() -> None:
    with pytest.raises(NotJSON, match=r"add it as a step, and pass what it results in with result_of\(...\)"):
        as_argument(Any, worker(name="other")(lambda: None).new())


def test_each_argument_that_would_change_is_a_fault() -> None:
    @worker
    def take(a: str, b: str, c: str) -> None: ...

    faults = take.new(a=Path("a"), b="b", c=UUID(int=1)).arguments.faults  # type: ignore[arg-type]
    assert [fault.path for fault in faults] == ["$.a", "$.c"]


# --- an annotation that is there for the type checker alone


def test_what_an_unresolved_annotation_would_change_is_refused() -> None:
    @worker
    def take(price: Unresolvable, other: Unresolvable | None = None) -> Unresolvable:
        return price

    assert take.new(price="1.5").arguments.faults == ()  # type: ignore[arg-type]
    (fault,) = take.new(price=Decimal("1.5")).arguments.faults  # type: ignore[arg-type]
    assert str(fault) == (
        "not JSON, at $.price: a value of type Decimal would come back as str; the annotation of parameter 'price', "
        "Unresolvable, has a name that is not there at run time: define or import it at the top of the module, outside "
        "of 'if TYPE_CHECKING'"
    )
    with pytest.raises(NotJSON, match="the annotation of what the worker returns, Unresolvable, has a name that is"):
        take.encode_result(Decimal("1.5"))


def test_a_field_whose_annotation_is_not_there_is_a_sentence() -> None:
    @dataclass
    class Sale:
        price: Unresolvable

    with pytest.raises(TypeError) as caught:
        as_argument(Sale, None)
    assert str(caught.value) == (
        "take: parameter 'value' is annotated with a type JSON cannot carry: name 'Unresolvable' is not defined: "
        "import it outside of 'if TYPE_CHECKING', in the module of the class that names it"
    )


# --- beside references, and in maps


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (list[Page], [result_of("a"), RatedPage("x", 1)], "$.value[1]"),
        (dict[str, Page], {"a": result_of("a"), "b": RatedPage("x", 1)}, "$.value.b"),
        (dict[str, list[Page]], {"a": [result_of("a"), RatedPage("x", 1)]}, "$.value.a[1]"),
        (tuple[str, Page], (result_of("a"), RatedPage("x", 1)), "$.value[1]"),
        (list[Page] | None, [result_of("a"), RatedPage("x", 1)], "$.value[1]"),
        (Page, each([Page("x"), RatedPage("x", 1)]), "$.value[1]"),
        (Page, each([result_of("a"), RatedPage("x", 1)]), "$.value[1]"),
        (None, [result_of("a"), Decimal(1)], "$.value[1]"),
    ],
    ids=shown,
)
def test_what_stands_beside_a_reference_is_refused_as_well(kind: Any, value: Any, path: str) -> None:
    with pytest.raises(NotJSON) as caught:
        as_argument(kind, value)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (Page, result_of("a", default=RatedPage("x", 1)), "$.value"),
        (list[Page], [result_of("b"), result_of("a", default=RatedPage("x", 1))], "$.value[1]"),
        (Page, each([result_of("a", default=RatedPage("x", 1))]), "$.value[0]"),
        (None, result_of("a", default=Decimal(1)), "$.value"),
        (None, result_of("a", default=[object()]), "$.value[0]"),
        (None, [result_of("b"), result_of("a", default=[object()])], "$.value[1][0]"),
    ],
    ids=shown,
)
def test_the_default_of_a_reference_is_refused_as_well(kind: Any, value: Any, path: str) -> None:
    with pytest.raises(NotJSON) as caught:
        as_argument(kind, value)
    assert caught.value.path == path


def test_the_default_of_a_reference_must_fit_its_annotation() -> None:
    with pytest.raises(TypeError) as caught:
        as_argument(dict[str, int], {"a": result_of("a", default="x")})
    assert str(caught.value) == "take: in `$.value.a`: Expected `int`, got `str`"


def test_what_stands_beside_a_reference_must_fit_its_annotation() -> None:
    with pytest.raises(TypeError) as caught:
        as_argument(dict[str, list[int]], {"a": [result_of("a"), "x"]})
    assert str(caught.value) == "take: in `$.value.a[1]`: Expected `int`, got `str`"
