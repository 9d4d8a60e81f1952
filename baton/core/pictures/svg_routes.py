"""Edges as SVG paths: smooth where they go across, with one arrow where several arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from baton.core.pictures.layout import Picture, Route
from baton.core.pictures.markup import Value, element, number, text
from baton.core.pictures.palette import DASHES, LIGHT

_ARROW = 8.0
_ARROW_HALF = 3.6
_CORNER = 6.0
_WIDTH = 1.4

Point = tuple[float, float]


def route_elements(picture: Picture) -> str:
    """Return the lines of all edges, each with its ends as the tooltip, and their arrows."""
    is_down = picture.direction == "down"
    lines = [
        element("path", element("title", text(_described(route))), d=path_of(route.points, is_down), **_dash(route))
        for route in picture.routes
    ]
    arrows = dict.fromkeys([_arrow(route.points) for route in picture.routes])
    return element(
        "g", *lines, class_="baton-edges", fill="none", stroke=LIGHT.edge, stroke_width=_WIDTH, stroke_linecap="round"
    ) + element("path", class_="baton-arrows", d="".join(arrows), fill=LIGHT.edge)


def path_of(points: Sequence[Point], is_down: bool) -> str:
    """Return the path of a route, which ends at the back of its arrow."""
    stops = [*points[:-1], _behind_arrow(points)]
    path = [f"M{_pair(stops[0])}"]
    for before, here, after in zip(stops, stops[1:], [*stops[2:], stops[-1]], strict=False):
        if before[0] != here[0] and before[1] != here[1]:
            path.append(_curve(before, here, is_down))
        elif _is_corner(before, here, after):
            path.append(f"L{_pair(_towards(here, before))}Q{_pair(here)} {_pair(_towards(here, after))}")
        else:
            path.append(f"L{_pair(here)}")
    return "".join(path)


def _described(route: Route) -> str:
    return f"{route.source} \N{RIGHTWARDS ARROW} {route.target}" + (
        "" if route.kind == "required" else f", {route.kind}"
    )


def _dash(route: Route) -> dict[str, Value]:
    return {"stroke_dasharray": DASHES[route.kind]} if DASHES[route.kind] else {}


def _curve(before: Point, after: Point, is_down: bool) -> str:
    """An S: it leaves and arrives in the direction of the picture."""
    if is_down:
        middle = (before[1] + after[1]) / 2
        return f"C{_pair((before[0], middle))} {_pair((after[0], middle))} {_pair(after)}"
    middle = (before[0] + after[0]) / 2
    return f"C{_pair((middle, before[1]))} {_pair((middle, after[1]))} {_pair(after)}"


def _is_corner(before: Point, here: Point, after: Point) -> bool:
    """Whether a line turns at a right angle."""
    return (before[0] == here[0]) != (here[0] == after[0]) and (before[1] == here[1]) != (here[1] == after[1])


def _towards(here: Point, there: Point) -> Point:
    """A point near `here` on the way to `there`, where the one is level with the other."""
    (x, y), (u, v) = here, there
    return x + max(-_CORNER, min(_CORNER, (u - x) / 2)), y + max(-_CORNER, min(_CORNER, (v - y) / 2))


def _direction(points: Sequence[Point]) -> Point:
    """Where a route goes at its end: one step along an axis."""
    (x, y), (u, v) = points[-2:]
    return (0.0, 1.0 if v > y else -1.0) if x == u else (1.0 if u > x else -1.0, 0.0)


def _behind_arrow(points: Sequence[Point]) -> Point:
    x, y = points[-1]
    to_right, down = _direction(points)
    return x - to_right * (_ARROW - 2), y - down * (_ARROW - 2)


def _arrow(points: Sequence[Point]) -> str:
    x, y = points[-1]
    to_right, down = _direction(points)
    back = x - to_right * _ARROW, y - down * _ARROW
    aside = down * _ARROW_HALF, to_right * _ARROW_HALF
    corners: Iterable[Point] = ((back[0] + aside[0], back[1] + aside[1]), (back[0] - aside[0], back[1] - aside[1]))
    return f"M{_pair((x, y))}" + "".join([f"L{_pair(corner)}" for corner in corners]) + "z"


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
