"""A diagram as SVG: one self-contained text, without scripts, references, or ids that could meet
others on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from baton.core.drawable import Direction
from baton.core.pictures.diagram import STATES, Diagram, Node, ancestors
from baton.core.pictures.display_text import displayable
from baton.core.pictures.layout import MARGIN, Picture, laid_out
from baton.core.pictures.markup import element, number, text
from baton.core.pictures.palette import DARK, LIGHT, LOOKS, PLAIN, Look, Outline
from baton.core.pictures.svg_boxes import (
    group_element,
    head_element,
    line_of_text,
    moved,
    node_element,
)
from baton.core.pictures.svg_legend import legend_of
from baton.core.pictures.svg_routes import route_elements
from baton.core.pictures.text_width import shortened, text_width

_TITLE_SIZE = 15.0
_TITLE_LINE = 34.0
_LEAST_LEGEND = 300.0
_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"


def _style() -> str:
    looks: list[tuple[str, Look | Outline]] = [*LOOKS.items(), ("plain", PLAIN)]
    boxes = [
        f".baton-{name}{{fill:{look.dark.area};stroke:{look.dark.line}}}.baton-{name}>.baton-area{{stroke:{look.dark.line}}}"
        for name, look in looks
    ]
    return (
        "@media (prefers-color-scheme:dark){"
        f".baton-paper{{fill:{DARK.paper}}}.baton-ink{{fill:{DARK.ink}}}.baton-muted{{fill:{DARK.muted}}}"
        f".baton-icon{{stroke:{DARK.muted}}}.baton-edges,.baton-edges path{{stroke:{DARK.edge}}}"
        f".baton-arrows{{fill:{DARK.edge}}}.baton-area{{fill:{DARK.edge}}}{''.join(boxes)}}}"
    )


STYLE = _style()
"""The rules for dark pages, for a page that shows pictures without their own `<style>`. Classes
begin with `baton-`."""


_NO_LINKS: Mapping[str, str] = {}


def to_svg(
    diagram: Diagram,
    *,
    direction: Direction | None = None,
    has_style: bool = True,
    links: Mapping[str, str] = _NO_LINKS,
) -> str:
    """Return a picture of a diagram as SVG, which is well-formed XML whatever the names are.

    It follows the page's colour scheme, light or dark. It works under any content security policy:
    where `style-src` forbids the `<style>` element it is light, and a page may leave the element
    out (`has_style`) and have `STYLE` in a style sheet of its own. Direction: see `laid_out`.
    `links` are addresses by the key of a node or group, which its box, or its head, leads to. The
    keyboard passes them over: there may be a thousand, and a page has them in a table as well.
    """
    return svg_of(diagram, laid_out(diagram, direction), has_style=has_style, links=links)


def svg_of(diagram: Diagram, picture: Picture, *, has_style: bool = True, links: Mapping[str, str] = _NO_LINKS) -> str:
    """Return a diagram that is laid out already as SVG."""
    title = shortened(displayable(diagram.title), _TITLE_SIZE, max(picture.width - 2 * MARGIN, _LEAST_LEGEND))
    top = _TITLE_LINE if title else 0.0
    legend = legend_of(diagram, max(picture.width - 2 * MARGIN, _LEAST_LEGEND))
    inner = max(legend.width, text_width(title, _TITLE_SIZE))
    width = max(picture.width, inner + 2 * MARGIN)
    bottom = top + picture.height
    height = bottom + (legend.height + MARGIN / 2 if legend.markup else 0.0)
    groups = [*zip(diagram.groups, picture.groups, strict=True)]
    nodes = zip(diagram.nodes, picture.nodes, strict=True)
    crossed = _crossed_groups(diagram)
    content = [
        *[group_element(group, box) for group, box in sorted(groups, key=lambda pair: -pair[1].width * pair[1].height)],
        route_elements(picture),
        *[_linked(links, group, head_element(group, box, is_crossed=group.key in crossed)) for group, box in groups],
        *[_linked(links, node, node_element(node, box)) for node, box in nodes],
    ]
    return element(
        "svg",
        element("title", text(diagram.title or "Workflow")),
        element("desc", text(summary(diagram))),
        *([f"<style>{STYLE}</style>"] if has_style else []),
        element("rect", class_="baton-paper", width=width, height=height, rx=8.0, fill=LIGHT.paper),
        *([line_of_text(title, _TITLE_SIZE, MARGIN, MARGIN / 2 + _TITLE_LINE / 2)] if title else []),
        element("g", *content, transform=moved((width - picture.width) // 2, top)),
        *([element("g", legend.markup, transform=moved(MARGIN, bottom))] if legend.markup else []),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        # The links in an image would be hidden.
        role="group" if links else "img",
        font_family=_FONT,
    )


def summary(diagram: Diagram) -> str:
    """Return the picture in a sentence, for those who cannot see it."""
    counts = [_counted(len(diagram.nodes), "step"), _counted(len(diagram.edges), "dependency", "dependencies")]
    if diagram.groups:
        counts.append(_counted(len(diagram.groups), "open group"))
    states = Counter(node.state for node in diagram.nodes)
    shown = [f"{states[state]:,} {state}" for state in STATES if states[state]]
    return ", ".join(counts) + (f": {', '.join(shown)}" if shown else "")


def _linked(links: Mapping[str, str], node: Node, drawn: str) -> str:
    if (address := links.get(node.key)) is None:
        return drawn
    return element("a", drawn, href=address, tabindex="-1")


def _crossed_groups(diagram: Diagram) -> set[str]:
    """The groups whose borders are crossed by edges to or from what lies in them."""
    parents = {box.key: box.parent for box in (*diagram.nodes, *diagram.groups)}
    crossed: set[str] = set()
    for edge in diagram.edges:
        if parents[edge.source] != parents[edge.target]:
            crossed.update({*ancestors(parents, edge.source)} ^ {*ancestors(parents, edge.target)})
    return crossed


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
