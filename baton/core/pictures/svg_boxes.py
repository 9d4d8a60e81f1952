"""Nodes and groups as SVG elements.

Presentation attributes have the colours of a light page; `svg.STYLE` overrides them by class on a
dark one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from baton.core.pictures.diagram import STATES, Kind, Node, State
from baton.core.pictures.layout import Box
from baton.core.pictures.markup import Value, element, number, text
from baton.core.pictures.palette import ICONS, LIGHT, LOOKS, PLAIN
from baton.core.pictures.sizing import (
    BADGE,
    BAR_LINE,
    GROUP_HEADER,
    GROUP_LABEL_SIZE,
    GROUP_PADDING,
    ICON,
    LABEL_LINE,
    LABEL_SIZE,
    MARK_GAP,
    PADDING_X,
    PADDING_Y,
    STACK,
    SUBLABEL_LINE,
    SUBLABEL_SIZE,
)
from baton.core.pictures.text_width import text_width

_BASELINE = 0.36
"""How far below the middle of a line its letters stand, in font sizes."""
_BAR = 5.0
_LEAST_SHARE = 3.0
"""The least width of a state in a bar, in pixels, so that one failure in ten thousand is seen."""
_INNER = 3.0
"""How far inside the border the second line of a closed group is."""


def node_element(node: Node, box: Box) -> str:
    """Return a node, with its full name as the tooltip."""
    return element(
        "g",
        element("title", text(described(node))),
        *_outline(node, box),
        *_content(node, box),
        *_bar(node.counts, box),
        class_=f"baton-node baton-{node.state or 'plain'}",
        data_key=node.key,
        transform=moved(box.x, box.y),
        **_colours(node.state),
    )


def group_element(group: Node, box: Box) -> str:
    """Return the area of an open group, which lies below the edges."""
    look = PLAIN if group.state is None else LOOKS[group.state]
    area = element(
        "rect",
        width=box.width,
        height=box.height,
        rx=10.0,
        class_="baton-area",
        fill=LIGHT.edge,
        fill_opacity="0.07",
        stroke=look.light.line,
        stroke_width=1.0,
        **({"stroke_dasharray": look.dash} if look.dash else {}),
    )
    return element(
        "g",
        element("title", text(described(group))),
        area,
        class_=f"baton-group baton-{group.state or 'plain'}",
        data_key=group.key,
        transform=moved(box.x, box.y),
    )


def head_element(group: Node, box: Box, *, is_crossed: bool) -> str:
    """Return what is written at the top of an open group: on a ground of its own if edges may
    come in there."""
    written, end = _head(group, box)
    ground = {"x": 5.0, "y": 4.0, "width": end - 3, "height": GROUP_HEADER - 7, "rx": 6.0}
    back = [element("rect", class_="baton-paper", fill=LIGHT.paper, **ground)] if is_crossed else []
    return element("g", *back, *written, transform=moved(box.x, box.y))


def badge(state: State, x: float, y: float) -> str:
    """Return the disc with the mark of a state; `x` and `y` are its middle."""
    return element("g", _badge(state), transform=moved(x, y))


def icon(kind: Kind, x: float, y: float) -> str:
    """Return the mark of a kind; `x` and `y` are its middle."""
    return element("g", _icon(kind), transform=moved(x, y))


def line_of_text(content: str, size: float, x: float, y: float, look: str = "baton-ink") -> str:
    """Return one line of text, of the width that it was measured with whatever font the viewer has.

    `x` is where it begins and `y` its middle; `look` is baton-ink or baton-muted.
    """
    return element(
        "text",
        text(content),
        class_=look,
        x=x,
        y=y + size * _BASELINE,
        font_size=size,
        fill=LIGHT.muted if "baton-muted" in look else LIGHT.ink,
        stroke="none",
        textLength=text_width(content, size),
        lengthAdjust="spacingAndGlyphs",
    )


def described(node: Node) -> str:
    """Return what the tooltip of a node says: its full name, and what else is known."""
    parts = [node.label, node.sublabel, "" if node.kind == "step" else node.kind, node.state or ""]
    parts += [f"{count:,} {state}" for state, count in _counted(node.counts)]
    return ", ".join([part for part in parts if part])


def moved(x: float, y: float) -> str:
    """Return a transformation that moves what is drawn around 0 0."""
    return f"translate({number(x)} {number(y)})"


def _colours(state: State | None) -> dict[str, Value]:
    look = PLAIN if state is None else LOOKS[state]
    colours: dict[str, Value] = {"fill": look.light.area, "stroke": look.light.line, "stroke_width": look.width}
    return colours | {"stroke_dasharray": look.dash} if look.dash else colours


def _outline(node: Node, box: Box) -> Iterator[str]:
    width, height = box.width, box.height
    match node.kind:
        case "map":
            for sheet in (STACK, 0.0):
                yield element("rect", x=sheet, y=sheet, width=width, height=height, rx=7.0)
        case "workflow" | "graph":
            yield element("rect", width=width, height=height, rx=7.0)
            inner = {"x": _INNER, "y": _INNER, "width": width - 2 * _INNER, "height": height - 2 * _INNER}
            yield element("rect", rx=4.5, fill="none", stroke_width=0.8, **inner)
        case "signal" | "timer" | "run":
            yield element("rect", width=width, height=height, rx=min(17.0, height / 2))
        case "closing" | "undo":
            yield element("rect", width=width, height=height, rx=0.0)
        case "step":
            yield element("rect", width=width, height=height, rx=7.0)


def _content(node: Node, box: Box) -> Iterator[str]:
    """The marks and lines of a node, which are in the middle of its height, above the bar."""
    middle = (box.height - (BAR_LINE if node.counts else 0.0)) / 2
    text_wide = max(text_width(box.label, LABEL_SIZE), text_width(box.sublabel, SUBLABEL_SIZE))
    x = PADDING_X
    if node.state is not None:
        yield badge(node.state, x + BADGE / 2 - 1, middle)
        x += BADGE + MARK_GAP - 1
    elif node.kind == "step":
        x = (box.width - text_wide) / 2
    if box.sublabel:
        top = middle - (LABEL_LINE + SUBLABEL_LINE) / 2
        yield line_of_text(box.label, LABEL_SIZE, x, top + LABEL_LINE / 2)
        yield line_of_text(box.sublabel, SUBLABEL_SIZE, x, top + LABEL_LINE + SUBLABEL_LINE / 2, "baton-muted")
    else:
        yield line_of_text(box.label, LABEL_SIZE, x, middle)
    if node.kind != "step":
        yield icon(node.kind, box.width - PADDING_X - ICON / 2 + 1, middle)


def _head(group: Node, box: Box) -> tuple[list[str], float]:
    """What is written at the top of a group, and where it ends."""
    written = []
    x, middle = GROUP_PADDING - 4, GROUP_HEADER / 2
    if group.state is not None:
        written.append(badge(group.state, x + BADGE / 2, middle))
        x += BADGE + MARK_GAP - 2
    written.append(line_of_text(box.label, GROUP_LABEL_SIZE, x, middle))
    x += text_width(box.label, GROUP_LABEL_SIZE)
    if box.sublabel:
        written.append(line_of_text(box.sublabel, SUBLABEL_SIZE, x + MARK_GAP, middle, "baton-muted"))
        x += MARK_GAP + text_width(box.sublabel, SUBLABEL_SIZE)
    if group.kind != "step":
        written.append(icon(group.kind, x + MARK_GAP + ICON / 2, middle))
        x += MARK_GAP + ICON
    return written, x


@cache
def _badge(state: State) -> str:
    look = LOOKS[state]
    disc = element("circle", r=BADGE / 2, fill=look.badge, stroke="none")
    mark = element(
        "path",
        d=look.mark,
        fill=look.ink if look.mark.endswith("z") else "none",
        stroke=look.ink,
        stroke_width=1.8,
        stroke_dasharray="none",
        stroke_linecap="round",
        stroke_linejoin="round",
    )
    return disc + mark


@cache
def _icon(kind: Kind) -> str:
    return element(
        "path",
        d=ICONS[kind],
        class_="baton-icon",
        fill="none",
        stroke=LIGHT.muted,
        stroke_width=1.2,
        stroke_dasharray="none",
        stroke_linejoin="round",
        stroke_linecap="round",
    )


def _counted(counts: Mapping[State, int]) -> list[tuple[State, int]]:
    return [(state, counts[state]) for state in reversed(STATES) if counts.get(state)]


def _bar(counts: Mapping[State, int], box: Box) -> Iterator[str]:
    """How many steps of a closed group are in which state, as parts of a line along the bottom
    of its box."""
    counted = _counted(counts)
    width = box.width - 2 * PADDING_X
    room = width - _LEAST_SHARE * len(counted)
    total = sum([count for _, count in counted])
    x, y = PADDING_X, box.height - PADDING_Y - _BAR + 1
    for state, count in counted:
        share = _LEAST_SHARE + room * count / total
        yield element("rect", x=x, y=y, width=share, height=_BAR, fill=LOOKS[state].badge, stroke="none")
        x += share
