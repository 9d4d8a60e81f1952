"""What the layered layout takes and returns.

The layout does not know where the picture's top is: edges flow *along* one axis, and vertices of
one layer lie side by side *across* it. A picture that flows down has its y axis along; one that
flows to the right has its x axis along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LINE_MARGIN = 7.0
BOX_MARGIN = 14.0
"""Half the distance between two boxes in a layer; a box and a line keep half of each."""


# A plain tuple: a large picture has half a million of them, and the garbage collector stops looking
# at plain ones.
Point = tuple[float, float]
"""A place in pixels, across and along."""


class Port(NamedTuple):
    """A place on the border of a vertex where links end that do not end at its middle."""

    vertex: int
    offset: float
    """From the middle of the vertex, across."""


class Link(NamedTuple):
    """An edge. It flows from its tail to its head, each the id of a vertex or of a port."""

    tail: int
    head: int
    is_fan_out: bool
    """It shares its line with the other links of its tail that are marked so, until it turns
    off; else with those of its head that are not marked."""


@dataclass(frozen=True, slots=True)
class Network:
    """A graph without cycles. Vertices have the ids 0, 1, …, and its ports those that follow.

    Sizes are whole and even numbers, and so all places become whole numbers, which are sharp on a
    screen.
    """

    across: Sequence[float]
    """The size of each vertex across."""
    along: Sequence[float]
    """The size of each vertex along."""
    ports: Sequence[Port] = ()
    links: Sequence[Link] = ()
    entries: Sequence[int] = ()
    """Vertices that lie on the border at the beginning: there links come in from outside."""
    exits: Sequence[int] = ()
    """Vertices that lie on the border at the end."""
    first_gap: float = 0.0
    """How far from the entries the first layer must be, at least."""
    last_gap: float = 0.0
    """How far from the exits the last layer must be, at least."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where everything goes: within a rectangle from 0 to `across` and from 0 to `along`."""

    across: float
    along: float
    places: Sequence[Point]
    """The middle across and the beginning along of each vertex."""
    paths: Sequence[Sequence[Point]]
    """The path of each link, `begin` too far across. Between two points that differ in both
    coordinates it is an S-shaped curve that leaves and arrives in the direction of flow, else a
    straight line."""
    begin: float = 0.0
    """What is to be taken off the paths' places across; they are many, and moved further anyway."""
