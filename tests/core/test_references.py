from __future__ import annotations

from typing import Any

import pytest

from baton.core.codec import decode, encode
from baton.core.references import Placed, fill, result_of, take_out, take_out_nested, to_json


def filled(arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    taken = take_out_nested(arguments)
    plain: dict[str, Any] = decode(encode(taken.arguments))
    references = to_json(taken.placed)
    if references is not None:
        fill(plain, references, results)
    return plain


def test_a_reference_is_taken_out_with_its_path() -> None:
    taken = take_out({"a": 1, "b": result_of("x")})
    assert taken.arguments == {"a": 1, "b": None}
    assert to_json(taken.placed) == '[[["b"],"x"]]'


def test_nested_references_are_taken_out_in_the_order_of_their_places() -> None:
    given = {"b": [1, (result_of("x"), {"k": result_of("y")})], "a": result_of("z")}
    taken = take_out_nested(given)
    assert taken.arguments == {"b": [1, [None, {"k": None}]], "a": None}
    assert taken.placed == (Placed(("a",), "z"), Placed(("b", 1, 0), "x"), Placed(("b", 1, 1, "k"), "y"))


def test_what_was_given_is_not_changed() -> None:
    inner = [result_of("x")]
    take_out_nested({"a": inner})
    assert type(inner[0]) is type(result_of("x"))


def test_results_are_put_where_the_references_stood() -> None:
    given = {"a": [result_of("x"), {"k": result_of("y")}], "b": result_of("x")}
    assert filled(given, {"x": {"n": 1}, "y": None}) == {"a": [{"n": 1}, {"k": None}], "b": {"n": 1}}


def test_a_list_and_a_mapping_do_without_a_result_that_is_missing() -> None:
    given = {
        "items": [result_of("y"), result_of("x"), 5, result_of("y"), [result_of("y")]],
        "by_name": {"x": result_of("x"), "y": result_of("y")},
        "alone": result_of("y"),
        "other": result_of("x"),
    }
    assert filled(given, {"x": 1}) == {"items": [1, 5, []], "by_name": {"x": 1}, "other": 1}


def test_names_in_nfd_and_nfc_are_one() -> None:
    assert result_of("e\u0301").step == result_of("\u00e9").step


def test_only_a_name_can_be_referred_to() -> None:
    with pytest.raises(TypeError, match="takes the name of a step, not int"):
        result_of(1)  # type: ignore[arg-type]
