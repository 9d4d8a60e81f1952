from __future__ import annotations

import random

from baton.core.pictures.diagram import Diagram, Edge, Node
from baton.core.pictures.display_text import displayable
from baton.core.pictures.mermaid import to_mermaid
from baton.core.pictures.nested import node_lines
from tests.core.pictures.drawing import drawn_diagram
from tests.core.pictures.hostile import hostile_diagram
from tests.core.pictures.mermaid_reading import read


def test_a_small_workflow_reads_as_one_would_write_it() -> None:
    diagram = Diagram(
        (Node("a", "extract", "load", "completed"), Node("b", "wait", kind="timer", parent="g"), Node("c", "report")),
        (Edge("a", "g"), Edge("a", "c", "optional"), Edge("g", "c", "observed")),
        (Node("g", "cool down"),),
    )

    assert to_mermaid(diagram, direction="down").splitlines()[:9] == [
        "flowchart TD",
        '    n1("#10003; extract<br/>load"):::completed',
        '    n3("report")',
        '    subgraph g1["cool down"]',
        '        n2(["wait"])',
        "    end",
        "    n1 --> g1",
        "    n1 -.-> n3",
        "    g1 -.-o n3",
    ]


def test_hostile_names_are_read_as_they_are_shown() -> None:
    diagram = hostile_diagram()
    chart = read(to_mermaid(diagram))

    for index, node in enumerate(diagram.nodes, 1):
        sign = "\N{CHECK MARK} " if node.state else ""
        first, *others = node_lines(node)
        assert chart.labels[f"n{index}"] == [(sign + first) or "\N{NO-BREAK SPACE}", *others]
    assert chart.title == displayable(diagram.title)
    assert len(chart.edges) == len(diagram.edges)


def test_random_graphs_are_read_with_the_nesting_they_have() -> None:
    for seed in range(20):
        diagram = drawn_diagram(random.Random(seed))
        chart = read(to_mermaid(diagram))
        names = {node.key: f"n{index}" for index, node in enumerate(diagram.nodes, 1)}
        names |= {group.key: f"g{index}" for index, group in enumerate(diagram.groups, 1)}

        for box in (*diagram.nodes, *diagram.groups):
            assert chart.parents[names[box.key]] == (None if box.parent is None else names[box.parent]), seed
        for node in diagram.nodes:
            assert chart.states.get(names[node.key]) == node.state, seed
        drawn = [(source, target) for source, _, target in chart.edges]
        assert drawn == [(names[edge.source], names[edge.target]) for edge in diagram.edges], seed


def test_mermaid_flows_as_the_layout_does() -> None:
    keys = [f"w{index}" for index in range(30)]
    edges = [Edge("split", key) for key in keys]
    wide = Diagram(tuple([Node(key, key) for key in ("split", *keys)]), tuple(edges))

    assert read(to_mermaid(wide)).direction == "LR"
    assert read(to_mermaid(wide, direction="down")).direction == "TD"
