"""A diagram as a Mermaid flowchart, for pages that render Mermaid themselves, such as GitHub's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from baton.core.drawable import Direction
from baton.core.pictures.diagram import STATES, Diagram, EdgeKind, Kind, Node
from baton.core.pictures.display_text import displayable
from baton.core.pictures.layout import flow_of
from baton.core.pictures.nested import GroupBegin, GroupEnd, NodeLine, group_line, nested, node_lines, short_names
from baton.core.pictures.palette import LIGHT, LOOKS, PLAIN, SIGNS

_SHAPES: Mapping[Kind, tuple[str, str]] = {
    "step": ("(", ")"),
    "map": ("[[", "]]"),
    "workflow": ("[[", "]]"),
    "graph": ("[[", "]]"),
    "signal": ("{{", "}}"),
    "timer": ("([", "])"),
    "run": ("[/", "/]"),
    "closing": ("[", "]"),
    "undo": (">", "]"),
}
_ARROWS: Mapping[EdgeKind, str] = {"required": "-->", "optional": "-.->", "observed": "-.-o"}
# Mermaid keeps entities under way as these, and would take a name that has them for its own.
_PLACEHOLDERS = "\ufb02\u00b0\u00b6\u00df"
_SAFE = " _-.,/()"
_GROUP = "group-"
_EMPTY = "#160;"
"""A label of nothing would be a syntax error."""


def to_mermaid(diagram: Diagram, *, direction: Direction | None = None) -> str:
    """Return a diagram as a Mermaid flowchart, with groups as subgraphs and states as classes and
    signs.

    Whatever the names are, it is one flowchart: in a name all but letters, digits and a few
    harmless characters is an entity, so it can be neither syntax nor a directive nor markup.
    Mermaid itself refuses charts of more than 500 edges or 50,000 characters, unless the page
    configures `maxEdges` and `maxTextSize`.
    """
    ids = short_names(diagram)
    flow = flow_of(diagram) if direction is None else direction
    lines = [*_front(diagram), f"flowchart {'TD' if flow == 'down' else 'LR'}"]
    for part in nested(diagram):
        indent = "    " * (part.depth + 1)
        match part:
            case NodeLine(node, _):
                lines.append(indent + _node(node, ids[node.key]))
            case GroupBegin(group, _, _):
                lines.append(f'{indent}subgraph {ids[group.key]}["{_signed(group, [group_line(group)])}"]')
            case GroupEnd():
                lines.append(f"{indent}end")
    lines += [f"    {ids[edge.source]} {_ARROWS[edge.kind]} {ids[edge.target]}" for edge in diagram.edges]
    lines += [f"    class {ids[group.key]} {_GROUP}{group.state or 'plain'}" for group in diagram.groups]
    lines += [*_classes(diagram), *_group_classes(diagram)]
    return "\n".join(lines) + "\n"


def _front(diagram: Diagram) -> list[str]:
    """The title, as YAML. A string of JSON is one of YAML too; without `<` nothing of it is
    taken for markup."""
    title = displayable(diagram.title)
    return ["---", f"title: {json.dumps(title, ensure_ascii=False)}".replace("<", "\\u003c"), "---"] if title else []


def _node(node: Node, name: str) -> str:
    begin, end = _SHAPES[node.kind]
    of_class = "" if node.state is None else f":::{node.state}"
    return f'{name}{begin}"{_signed(node, node_lines(node))}"{end}{of_class}'


def _signed(box: Node, lines: list[str]) -> str:
    sign = "" if box.state is None else f"{_escaped(SIGNS[box.state])} "
    return (sign + "<br/>".join(map(_escaped, lines))) or _EMPTY


def _escaped(line: str) -> str:
    return "".join([one if _is_safe(one) else f"#{ord(one)};" for one in line])


def _is_safe(character: str) -> bool:
    return (character.isalnum() and character not in _PLACEHOLDERS) or character in _SAFE


def _classes(diagram: Diagram) -> Iterator[str]:
    present = {node.state for node in diagram.nodes}
    for state in STATES:
        if state in present:
            look = LOOKS[state]
            dash = f",stroke-dasharray:{look.dash}" if look.dash else ""
            style = f"fill:{look.light.area},stroke:{look.light.line},color:{LIGHT.ink},stroke-width:{look.width:g}px"
            yield f"    classDef {state} {style}{dash}"


def _group_classes(diagram: Diagram) -> Iterator[str]:
    present = {group.state for group in diagram.groups}
    for state in (None, *STATES):
        if state in present:
            look = PLAIN if state is None else LOOKS[state]
            style = f"fill:{PLAIN.light.area},stroke:{look.light.line},color:{LIGHT.ink}"
            yield f"    classDef {_GROUP}{state or 'plain'} {style}"
