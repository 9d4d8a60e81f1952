from __future__ import annotations

import pytest

from baton.core.map_items import Items, NoItems, items_of


def test_each_list_gives_an_item_a_child_and_other_arguments_are_shared() -> None:
    items = items_of('{"a":[1,2],"b":["x","y"],"c":true}', None, ["a", "b"], {})
    assert items == Items(2, {"a": [1, 2], "b": ["x", "y"]}, {"c": True})
    assert list(items.arguments(0, 2)) == ['{"c":true,"a":1,"b":"x"}', '{"c":true,"a":2,"b":"y"}']
    assert list(items.arguments(1, 2)) == ['{"c":true,"a":2,"b":"y"}']


def test_results_are_filled_in_first() -> None:
    items = items_of('{"a":[1,null]}', '[[["a",1],"x"]]', ["a"], {"x": 5})
    assert items == Items(2, {"a": [1, 5]}, {})


def test_a_list_that_lacks_a_result_is_left_out() -> None:
    references = '[[["a"],"x"]]'
    assert items_of('{"a":null,"b":[1]}', references, ["a", "b"], {}) == Items(1, {"b": [1]}, {})
    assert items_of('{"a":null}', references, ["a"], {}) == Items(0, {}, {})


def test_an_item_that_lacks_its_result_is_left_out() -> None:
    assert items_of('{"a":[null,1]}', '[[["a",0],"x"]]', ["a"], {}) == Items(1, {"a": [1]}, {})


def test_lists_that_go_in_step_do_without_the_same_items() -> None:
    """Otherwise the items behind a missing one would meet others of the other list."""
    args = '{"a":[null,1,2],"b":[3,4,null],"c":null,"other":[null,5]}'
    references = '[[["a",0],"x"],[["b",2],"y"],[["c"],"z"],[["other",0],"x"]]'
    found = items_of(args, references, ["a", "b", "c"], {"z": [6, 7, 8]})
    assert found == Items(1, {"a": [1], "b": [4], "c": [7]}, {"other": [5]})


@pytest.mark.parametrize(("value", "called"), [("null", "null"), ("1.5", "a number"), ('{"x":1}', "an object")])
def test_a_value_that_is_no_list_is_reported(value: str, called: str) -> None:
    found = items_of(f'{{"a":{value}}}', None, ["a"], {})
    assert found == NoItems(f"each(...) for 'a' takes a list, and this is {called}")


def test_lists_of_different_length_are_reported() -> None:
    found = items_of('{"a":[1],"b":[]}', None, ["a", "b"], {})
    why = "the lists of several each(...) must agree in length: 'a' has 1 items and 'b' has 0 items"
    assert found == NoItems(why)
