from __future__ import annotations

import random

from baton.core.pictures.diagram import Diagram, Edge, Node
from baton.core.pictures.display_text import displayable
from baton.core.pictures.dot import to_dot
from baton.core.pictures.nested import node_lines
from tests.core.pictures.dot_reading import read
from tests.core.pictures.drawing import drawn_diagram
from tests.core.pictures.hostile import hostile_diagram


def test_a_group_is_a_cluster_where_its_edges_end() -> None:
    diagram = Diagram(
        (Node("a", "a"), Node("b", "b", parent="g"), Node("c", "c", parent="g")),
        (Edge("a", "g"), Edge("b", "c", "optional")),
        (Node("g", "group", state="executing"),),
    )
    graph = read(to_dot(diagram))

    assert graph.labels["cluster_g1"] == ["\N{BLACK RIGHT-POINTING TRIANGLE} group"]
    assert graph.parents["n2"] == graph.parents["n3"] == "cluster_g1"
    assert graph.edges[0] == ("n1", "n2", {"lhead": "cluster_g1"})
    assert graph.edges[1] == ("n2", "n3", {"style": "dashed"})
    assert graph.attributes[""]["compound"] == "true"


def test_an_edge_can_end_at_an_empty_group() -> None:
    diagram = Diagram((Node("a", "a"),), (Edge("a", "g"),), (Node("g", "g"), Node("h", "h", parent="g")))
    graph = read(to_dot(diagram))

    assert graph.edges == [("n1", "g2", {"lhead": "cluster_g1"})]
    assert graph.attributes["g2"]["style"] == "invis"


def test_hostile_names_are_read_as_they_are_shown_in_dot() -> None:
    diagram = hostile_diagram()
    graph = read(to_dot(diagram))

    for index, node in enumerate(diagram.nodes, 1):
        sign = "\N{CHECK MARK} " if node.state else ""
        first, *others = node_lines(node)
        assert graph.labels[f"n{index}"] == [sign + first, *others]
    assert graph.labels[""] == [displayable(diagram.title)]
    assert len(graph.edges) == len(diagram.edges)


def test_random_graphs_are_read_with_the_clusters_they_have() -> None:
    for seed in range(20):
        diagram = drawn_diagram(random.Random(seed))
        graph = read(to_dot(diagram))
        names = {node.key: f"n{index}" for index, node in enumerate(diagram.nodes, 1)}
        names |= {group.key: f"cluster_g{index}" for index, group in enumerate(diagram.groups, 1)}

        for box in (*diagram.nodes, *diagram.groups):
            assert graph.parents[names[box.key]] == ("" if box.parent is None else names[box.parent]), seed
        assert len(graph.edges) == len(diagram.edges), seed
        for edge, (tail, head, attributes) in zip(diagram.edges, graph.edges, strict=True):
            assert attributes.get("ltail", tail) == names[edge.source], seed
            assert attributes.get("lhead", head) == names[edge.target], seed


def test_a_name_that_was_shortened_is_the_tooltip() -> None:
    name = "the_first_half_of_a_long_name_" + "and_the_other_half"

    assert read(to_dot(Diagram((Node("a", name),)))).attributes["n1"]["tooltip"] == name
