"""A strict reader of the part of Mermaid's flowcharts that is written.

After the grammar of Mermaid 11 (packages/mermaid/src/diagrams/flowchart/parser/flow.jison): a title
as YAML between lines of `---`, `flowchart` and a direction, then one statement a line. A label
stands in quotes, has at least one character and no quote. In a label Mermaid reads `#35;` as an
entity, and what it takes out of a text before parsing must not be there: directives, comments,
markdown, and placeholders of its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

SHAPES = {"(": ")", "[[": "]]", "{{": "}}", "([": "])", "[/": "/]", "[": "]", ">": "]"}
LABEL = r'"(?P<label>[^"\n]+)"'
NODE = re.compile(
    rf" +(?P<name>n\d+)(?P<begin>\(\[|\(|\[\[|\[/|\[|{{{{|>){LABEL}"
    r"(?P<end>\]\)|\)|\]\]|/\]|\]|}})(?::::(?P<state>[a-z]+))?"
)
SUBGRAPH = re.compile(rf" +subgraph (?P<name>g\d+)\[{LABEL}\]")
EDGE = re.compile(r" +(?P<source>[ng]\d+) (?P<arrow>-->|-\.->|-\.-o) (?P<target>[ng]\d+)")
CLASS = re.compile(r" +class (?P<name>g\d+) (?P<class>[a-z-]+)")
CLASS_DEF = re.compile(r" +classDef (?P<class>[a-z-]+) (?:[a-z-]+:[#\w. ]+,?)+")
MISREAD = re.compile("%%|`|\ufb02|\u00b0|\u00b6|<(?!br/>)|[{}]")


@dataclass
class Flowchart:
    direction: str = ""
    title: str = ""
    labels: dict[str, list[str]] = field(default_factory=dict)
    """The lines of each label, as they are seen."""
    states: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    edges: list[tuple[str, str, str]] = field(default_factory=list)


def read(text: str) -> Flowchart:
    """Read a flowchart; whatever is not exactly as it should be is an `AssertionError`."""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    chart = Flowchart()
    if lines[0] == "---":
        _, title, end, *lines = lines
        assert end == "---"
        assert "<" not in title
        chart.title = json.loads(title.removeprefix("title: "))
    kind, chart.direction = lines.pop(0).split(" ")
    assert kind == "flowchart"
    assert chart.direction in ("TD", "LR")
    defined: set[str] = set()
    used: set[str] = set()
    around: list[str] = []
    for line in lines:
        if line.strip() == "end":
            around.pop()
        elif found := NODE.fullmatch(line):
            assert SHAPES[found["begin"]] == found["end"], line
            keep(chart, found, around)
            if found["state"]:
                chart.states[found["name"]] = found["state"]
                used.add(found["state"])
        elif found := SUBGRAPH.fullmatch(line):
            keep(chart, found, around)
            around.append(found["name"])
        elif found := EDGE.fullmatch(line):
            assert found["source"] in chart.labels
            assert found["target"] in chart.labels
            chart.edges.append((found["source"], found["arrow"], found["target"]))
        elif found := CLASS.fullmatch(line):
            used.add(found["class"])
        else:
            found = CLASS_DEF.fullmatch(line)
            assert found, line
            defined.add(found["class"])
    assert not around
    assert used == defined
    return chart


def keep(chart: Flowchart, found: re.Match[str], around: list[str]) -> None:
    assert found["name"] not in chart.labels
    label = found["label"]
    entities = re.sub(r"#\d+;", "", label)
    assert not MISREAD.search(entities), label
    assert "#" not in entities, label
    assert ";" not in entities, label
    assert ":" not in entities, label
    lines = label.split("<br/>")
    chart.labels[found["name"]] = [re.sub(r"#(\d+);", lambda code: chr(int(code[1])), line) for line in lines]
    chart.parents[found["name"]] = around[-1] if around else None
