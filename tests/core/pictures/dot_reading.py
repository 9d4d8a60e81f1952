"""A strict reader of the part of the DOT language that is written.

After the grammar of Graphviz (graphviz.org/doc/info/lang.html): every value is a quoted string, in
which `\\"` is a quote. A label is an escString: `\\n` begins a line and `\\\\` is a backslash. It
may have HTML entities.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

TOKEN = re.compile(r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_]\w*)|(?P<mark>->|[{}\[\];,=]))')


@dataclass
class Graph:
    labels: dict[str, list[str]] = field(default_factory=dict)
    """The lines of each node and cluster, as they are seen; of the whole under the empty name."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    """The cluster of each node and cluster; empty for the outermost level."""
    edges: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


def read(text: str) -> Graph:
    """Read a graph; whatever is not exactly as it should be is an `AssertionError`."""
    reader = _Reader(text)
    reader.expect("digraph")
    reader.block("")
    assert reader.position == len(reader.tokens)
    return reader.graph


def tokens_of(text: str) -> list[str]:
    tokens = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = TOKEN.match(text, position)
        assert found, text[position : position + 80]
        tokens.append(found[0].strip())
        position = found.end()
    return tokens


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens = tokens_of(text)
        self.position = 0
        self.graph = Graph()

    def take(self) -> str:
        self.position += 1
        return self.tokens[self.position - 1]

    def expect(self, token: str) -> None:
        assert self.take() == token, self.tokens[self.position - 5 : self.position + 5]

    def block(self, cluster: str) -> None:
        self.expect("{")
        while (name := self.take()) != "}":
            if name == "subgraph":
                inner = self.take()
                assert inner.startswith("cluster")
                self.graph.parents[inner] = cluster
                self.block(inner)
                continue
            if self.tokens[self.position] == "->":
                self.take()
                target = self.take()
                assert {name, target} <= self.graph.attributes.keys()
                self.graph.edges.append((name, target, self.attributes()))
            else:
                self.keep(cluster if name == "graph" else name, cluster, self.attributes())
            self.expect(";")

    def keep(self, name: str, cluster: str, attributes: dict[str, str]) -> None:
        if name in ("node", "edge"):
            return
        assert name not in self.graph.attributes
        self.graph.attributes[name] = attributes
        if name not in self.graph.parents:
            self.graph.parents[name] = cluster
        if "label" in attributes:
            self.graph.labels[name] = shown(attributes["label"])

    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.tokens[self.position] != "[":
            return found
        while self.take() != "]":
            name = self.take()
            self.expect("=")
            found[name] = unquoted(self.take())
            assert self.tokens[self.position] in (",", "]")
        return found


def unquoted(token: str) -> str:
    assert token.startswith('"')
    return token[1:-1].replace('\\"', '"')


def shown(label: str) -> list[str]:
    """The lines of an escString."""
    lines = [""]
    for part in re.findall(r"\\.|[^\\]", label):
        if part == "\\n":
            lines.append("")
        else:
            assert len(part) == 1 or part == "\\\\", part
            lines[-1] += part[0]
    return [html.unescape(line) for line in lines]
