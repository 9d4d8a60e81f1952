"""The checker of pictures finds each kind of fault."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from baton.core.pictures.diagram import Diagram, Edge, Node
from baton.core.pictures.layout import Picture, laid_out
from tests.core.pictures.geometry import faults

DIAGRAM = Diagram(
    (Node("a", "a"), Node("b", "b", parent="g"), Node("c", "c", parent="g"), Node("d", "d")),
    (Edge("a", "g"), Edge("b", "c"), Edge("g", "d"), Edge("a", "d")),
    (Node("g", "g"),),
)


@pytest.fixture
def picture() -> Picture:
    return laid_out(DIAGRAM, "down")


def with_box(picture: Picture, key: str, **changes: float) -> Picture:
    return replace(
        picture,
        nodes=tuple([replace(box, **changes) if box.key == key else box for box in picture.nodes]),
        groups=tuple([replace(box, **changes) if box.key == key else box for box in picture.groups]),
    )


def with_route(picture: Picture, source: str, target: str, *points: tuple[float, float]) -> Picture:
    return replace(
        picture,
        routes=tuple(
            [
                replace(route, points=points) if (route.source, route.target) == (source, target) else route
                for route in picture.routes
            ]
        ),
    )


def test_a_good_picture_has_no_faults(picture: Picture) -> None:
    assert faults(DIAGRAM, picture) == []


def test_boxes_that_overlap_are_found(picture: Picture) -> None:
    a = picture.nodes[0]

    assert "a and d overlap" in faults(DIAGRAM, with_box(picture, "d", x=a.x + 5, y=a.y + 5))


def test_a_member_outside_its_group_is_found(picture: Picture) -> None:
    assert "b sticks out of its group g" in faults(DIAGRAM, with_box(picture, "g", height=40.0))


def test_a_stranger_in_a_group_is_found(picture: Picture) -> None:
    group = picture.groups[0]

    assert "d and g overlap" in faults(DIAGRAM, with_box(picture, "d", x=group.x + 2, y=group.y + 2))


def test_a_box_outside_the_picture_is_found(picture: Picture) -> None:
    assert "a sticks out of the picture" in faults(DIAGRAM, with_box(picture, "a", x=-1.0))


def test_a_route_through_a_box_is_found(picture: Picture) -> None:
    a, d = picture.nodes[0], picture.nodes[3]
    straight = (a.x + a.width / 2, a.y + a.height), (d.x + d.width / 2, d.y)
    found = faults(DIAGRAM, with_route(picture, "a", "d", *straight))

    assert "the route a to d touches g" in found


def test_a_route_that_ends_elsewhere_is_found(picture: Picture) -> None:
    a = picture.nodes[0]
    found = faults(DIAGRAM, with_route(picture, "a", "d", (a.x + 5, a.y + a.height), (a.x + 5, a.y + a.height + 9)))

    assert "the route a to d does not end at the border of d" in found
