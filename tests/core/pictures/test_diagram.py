from __future__ import annotations

import re

import msgspec
import pytest

from baton.core.pictures.diagram import Diagram, Edge, Node


def refused(says: str, nodes: list[Node], edges: list[Edge], groups: list[Node]) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Diagram(tuple(nodes), tuple(edges), tuple(groups))


def test_an_unknown_end_of_an_edge_is_named() -> None:
    refused("from 'a' to 'b' names 'b'", [Node("a", "a")], [Edge("a", "b")], [])
    refused("from 'b' to 'a' names 'b'", [Node("a", "a")], [Edge("b", "a")], [])


def test_an_edge_from_a_step_to_itself_is_refused() -> None:
    refused("joins 'a' to itself", [Node("a", "a")], [Edge("a", "a")], [])


def test_a_key_that_is_given_twice_is_named() -> None:
    refused("the key 'a' is given to 2", [Node("a", "a"), Node("a", "b")], [], [])
    refused("the key 'a' is given to 2", [Node("a", "a")], [], [Node("a", "b")])


def test_a_parent_must_be_an_open_group() -> None:
    refused("the parent of 'a' is 'b'", [Node("a", "a", parent="b"), Node("b", "b")], [], [])


def test_groups_in_one_another_in_a_circle_are_refused() -> None:
    refused("lies in itself", [], [], [Node("g", "g", parent="h"), Node("h", "h", parent="g")])


def test_an_edge_between_a_group_and_its_member_is_refused() -> None:
    groups = [Node("g", "g"), Node("h", "h", parent="g")]
    refused("joins a group to what lies in it", [Node("a", "a", parent="h")], [Edge("g", "a")], groups)
    refused("joins a group to what lies in it", [Node("a", "a", parent="h")], [Edge("a", "h")], groups)
    refused("joins a group to what lies in it", [], [Edge("h", "g")], groups)


def test_a_negative_count_is_refused() -> None:
    refused("negative count", [Node("a", "a", counts={"completed": -1})], [], [])


def test_a_hundred_thousand_groups_in_one_another_are_checked() -> None:
    """Without recursion, and looking at each group once."""
    groups = [Node(f"g{index}", "g", parent=f"g{index - 1}" if index else None) for index in range(100_000)]

    assert len(Diagram((), (), tuple(groups)).groups) == 100_000


def test_a_diagram_survives_json() -> None:
    diagram = Diagram((Node("a", "A", "w", "completed", "map", "g", {"completed": 3}),), (), (Node("g", "G"),), "title")

    assert msgspec.json.decode(msgspec.json.encode(diagram), type=Diagram) == diagram
