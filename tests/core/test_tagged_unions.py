"""Unions of dataclasses, models and typed dicts: read by a tag, or refused with the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from baton.core import registry
from baton.core.worker import AnyWorker, worker
from baton.errors import NotJSON


@dataclass
class Cat:
    name: str
    kind: Literal["cat", "kitten"] = "cat"


@dataclass
class Dog:
    name: str
    kind: Literal["dog"] = "dog"


@dataclass
class Puppy(Dog):
    weeks: int = 0


class Car(pydantic.BaseModel):
    type: Literal["car"] = "car"
    doors: int


class Bus(pydantic.BaseModel):
    type: Literal["bus"] = "bus"
    seats: int


class Tree(TypedDict):
    kind: Literal["tree"]
    height: int


class Stone(msgspec.Struct, tag="stone", tag_field="kind"):
    weight: int


class Sand(msgspec.Struct, tag=True):
    grains: int


class Clay(msgspec.Struct, tag=True):
    parts: int


@dataclass
class Untagged:
    name: str


@dataclass
class Home:
    pet: Cat | Dog


def giving(kind: Any) -> AnyWorker:
    def give(value: Any) -> Any: ...

    give.__annotations__ = {"value": kind, "return": kind}
    with registry.isolated():
        return worker(give)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Cat | Dog, Dog("Rex")),
        (Cat | Dog, Cat("Tom", "kitten")),
        (Cat | Dog | None, None),
        (list[Cat | Dog], [Dog("Rex"), Cat("Tom")]),
        (dict[str, list[Cat | Dog | None]], {"a": [None, Cat("Tom")]}),
        (tuple[Cat | Dog, int], (Dog("Rex"), 1)),
        (Car | Bus, Bus(seats=40)),
        (Annotated[Car | Bus, pydantic.Field(discriminator="type")], Car(doors=5)),
        (Cat | Tree, {"kind": "tree", "height": 3}),
        (Cat | Stone, Stone(5)),
        (Sand | Clay, Clay(5)),
    ],
    ids=str,
)
def test_a_union_with_a_tag_comes_back_as_the_member_it_was(kind: Any, value: Any) -> None:
    give = giving(kind)
    encoded = give.new(value=value).arguments
    assert encoded.faults == ()
    for back in (give.bind_json(encoded.args, None, {})["value"], give.decode_result(give.encode_result(value))):
        assert back == value
        assert type(back) is type(value)


def test_a_subclass_of_a_member_is_refused() -> None:
    with pytest.raises(NotJSON, match="a value of type Puppy would come back as Dog, without 'weeks'"):
        giving(Cat | Dog).encode_result(Puppy("Rex", weeks=3))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"kind": "cow"}, "Expected `kind` to be one of 'cat', 'kitten', 'dog' - at `$.value`"),
        ({"name": "x"}, "Expected an object with the field `kind`, one of 'cat', 'kitten', 'dog' - at `$.value`"),
        (5, "Expected an object with the field `kind`, one of 'cat', 'kitten', 'dog' - at `$.value`"),
    ],
    ids=str,
)
def test_a_value_that_is_of_no_member_does_not_fit(value: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        giving(Cat | Dog).new(value=value)
    assert str(caught.value) == f"give: {message}"


TAG = "give each a field of another value, as in kind: Literal['a'], and annotate the parameter itself with the union"
ALIKE = "they look alike in JSON: annotate one of them, or dataclasses with a tag"


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (Untagged | Cat, TAG),
        (Car | Untagged, TAG),
        (Car | str, TAG),
        (Home, TAG),
        (str | datetime, ALIKE),
        (list[int] | set[str], ALIKE),
    ],
    ids=str,
)
def test_a_union_that_json_cannot_tell_apart_names_the_remedy(kind: Any, remedy: str) -> None:
    with pytest.raises(TypeError) as caught:
        giving(kind).new(value=None)
    assert str(caught.value).startswith(
        "give: parameter 'value' is annotated with a type JSON cannot carry: Type unions"
    )
    assert remedy in str(caught.value)
