from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from baton.core.codec import Decoder, encode
from baton.errors import NotJSON

pydantic = pytest.importorskip("pydantic")


class Item(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    name: str
    weight: float = 1.0


class Order(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    model_config = pydantic.ConfigDict(strict=True, ser_json_inf_nan="null")
    placed: datetime
    price: Decimal
    items: list[Item]
    by_number: dict[int, str]
    kind: str = pydantic.Field(default="plain", alias="type")


def test_a_model_comes_back_strict_or_not_inside_lists_and_with_aliases() -> None:
    order = Order(
        placed=datetime(2024, 1, 1, tzinfo=UTC),
        price=Decimal("1.10"),
        items=[Item(name="a")],
        by_number={1: "x"},
        type="t",
    )
    assert Decoder(list[Order | None]).decode(encode([order, None])) == [order, None]


def test_a_model_does_not_turn_nan_into_null() -> None:
    with pytest.raises(NotJSON) as caught:
        encode({"order": [Item(name="a", weight=math.nan)]})
    assert caught.value.path == "$.order[0].weight"
