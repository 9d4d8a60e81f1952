"""A diagram in the DOT language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from baton.core.drawable import Direction
from baton.core.pictures.diagram import Diagram, Edge, EdgeKind, Kind, Node, State
from baton.core.pictures.display_text import displayable
from baton.core.pictures.layout import flow_of
from baton.core.pictures.nested import GroupBegin, GroupEnd, NodeLine, group_line, nested, node_lines, short_names
from baton.core.pictures.palette import LIGHT, LOOKS, PLAIN, SIGNS

_SHAPES: Mapping[Kind, Mapping[str, str]] = {
    "step": {},
    "map": {"shape": "box3d"},
    "workflow": {"peripheries": "2"},
    "graph": {"peripheries": "2"},
    "signal": {"shape": "hexagon"},
    "timer": {"shape": "oval"},
    "run": {"shape": "parallelogram"},
    "closing": {"shape": "cds"},
    "undo": {"shape": "larrow"},
}
_STROKES: Mapping[State, str] = {
    "retryable": ",dashed",
    "waiting": ",dashed",
    "cancelled": ",dashed",
    "skipped": ",dotted",
}
_FONT = "Helvetica,Arial,sans-serif"
_EDGES: Mapping[EdgeKind, Mapping[str, str]] = {
    "required": {},
    "optional": {"style": "dashed"},
    "observed": {"style": "dotted", "arrowhead": "odot"},
}


def to_dot(diagram: Diagram, *, direction: Direction | None = None) -> str:
    """Return a diagram as a DOT digraph, with groups as clusters. Graphviz reads it whatever the
    names are."""
    flow = flow_of(diagram) if direction is None else direction
    ids = short_names(diagram)
    lines = ["digraph {", *_defaults(diagram, flow)]
    for part in nested(diagram):
        indent = "  " * (part.depth + 1)
        match part:
            case NodeLine(node, _):
                lines.append(f"{indent}{ids[node.key]}{_attributes(_node(node))};")
            case GroupBegin(group, _, is_empty):
                lines.append(f"{indent}subgraph cluster_{ids[group.key]} {{")
                lines.append(f"{indent}  graph{_attributes(_group(group))};")
                if is_empty:
                    lines.append(f"{indent}  {ids[group.key]}{_attributes({'shape': 'point', 'style': 'invis'})};")
            case GroupEnd():
                lines.append(indent + "}")
    inner, groups = _innermost(diagram, ids), {group.key for group in diagram.groups}
    lines += [
        f"  {inner[edge.source]} -> {inner[edge.target]}{_attributes(_edge(edge, ids, groups))};"
        for edge in diagram.edges
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _defaults(diagram: Diagram, flow: Direction) -> Iterator[str]:
    graph = {"rankdir": "TB" if flow == "down" else "LR", "compound": "true", "fontname": _FONT}
    if diagram.title:
        graph |= {"label": _escaped(displayable(diagram.title)), "labelloc": "t"}
    yield f"  graph{_attributes(graph)};"
    node = {"shape": "box", "style": "rounded,filled", "fontname": _FONT, "fontsize": "12", "fontcolor": LIGHT.ink}
    yield f"  node{_attributes(node | {'color': PLAIN.light.line, 'fillcolor': PLAIN.light.area})};"
    yield f"  edge{_attributes({'color': LIGHT.edge, 'arrowsize': '0.7'})};"


def _node(node: Node) -> dict[str, str]:
    lines = node_lines(node)
    attributes = {"label": _signed(node, "\\n".join(map(_escaped, lines))), **_SHAPES[node.kind]}
    if (full := displayable(node.label)) != lines[0]:
        attributes["tooltip"] = _escaped(full)
    if node.state is None:
        return attributes
    look = LOOKS[node.state]
    return attributes | {
        "color": look.light.line,
        "fillcolor": look.light.area,
        "penwidth": f"{look.width:g}",
        "style": "rounded,filled" + _STROKES.get(node.state, ""),
    }


def _group(group: Node) -> dict[str, str]:
    look = PLAIN if group.state is None else LOOKS[group.state]
    label = _signed(group, _escaped(group_line(group)))
    return {"label": label, "labeljust": "l", "style": "rounded", "color": look.light.line, "fontname": _FONT}


def _edge(edge: Edge, ids: Mapping[str, str], groups: AbstractSet[str]) -> dict[str, str]:
    clusters = {}
    if edge.source in groups:
        clusters["ltail"] = f"cluster_{ids[edge.source]}"
    if edge.target in groups:
        clusters["lhead"] = f"cluster_{ids[edge.target]}"
    return {**_EDGES[edge.kind], **clusters}


def _innermost(diagram: Diagram, ids: Mapping[str, str]) -> dict[str, str]:
    """The node that stands for each box where an edge ends: of a group the first node in it, as
    DOT asks for one."""
    inner = {node.key: ids[node.key] for node in diagram.nodes}
    around: list[str] = []
    for part in nested(diagram):
        match part:
            case GroupBegin(group, _, is_empty):
                around.append(group.key)
                if is_empty:
                    _stand_for(around, ids[group.key], inner)
            case NodeLine(node, _):
                _stand_for(around, ids[node.key], inner)
            case GroupEnd():
                around.pop()
    return inner


def _stand_for(around: Sequence[str], name: str, inner: dict[str, str]) -> None:
    for group in reversed(around):
        if group in inner:  # and so have all groups around it
            break
        inner[group] = name


def _signed(box: Node, escaped: str) -> str:
    return escaped if box.state is None else f"{SIGNS[box.state]} {escaped}"


def _attributes(attributes: Mapping[str, str]) -> str:
    """An attribute list, of values that are escaped already; nothing if it is empty."""
    written = [f'{key}="{value}"' for key, value in attributes.items()]
    return f" [{', '.join(written)}]" if written else ""


def _escaped(text: str) -> str:
    """Graphviz reads backslashes, quotes and HTML entities in a quoted text."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
