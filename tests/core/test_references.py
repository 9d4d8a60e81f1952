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


def test_an_argument_whose_result_is_missing_is_left_out() -> None:
    assert filled({"a": result_of("y"), "b": result_of("x"), "c": 3}, {"x": 1}) == {"b": 1, "c": 3}


def test_a_list_and_a_mapping_leave_out_what_has_no_result() -> None:
    given = {"a": [result_of("y"), 7, result_of("x"), result_of("z")], "b": {"x": result_of("x"), "y": result_of("y")}}
    assert filled(given, {"x": 1}) == {"a": [7, 1], "b": {"x": 1}}


def test_a_default_keeps_the_place_of_a_missing_result() -> None:
    given = {"a": [result_of("y", default=None), result_of("x", default=0)], "b": result_of("y", default={"k": [1]})}
    assert filled(given, {"x": 1}) == {"a": [None, 1], "b": {"k": [1]}}


def test_names_in_nfd_and_nfc_are_one() -> None:
    assert result_of("e\u0301").step == result_of("\u00e9").step


def test_only_a_name_can_be_referred_to() -> None:
    with pytest.raises(TypeError, match="takes the name of a step, not int"):
        result_of(1)  # type: ignore[arg-type]
