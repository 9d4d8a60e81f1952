"""One level of a nested graph laid out: its connected parts side by side, in a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from baton.core.pictures.layered.network import Point
from baton.core.pictures.packing import packed
from baton.core.pictures.parts import Extent, Known, Part, parts_of
from baton.core.pictures.scopes import Scope

_PACKING_GAP = 28.0
_FLATTEST = 0.2
_PORT_GAP = 14.0
"""How much further from the border a layer is that is joined with it, so that the paths have
room to turn."""


class Frame(NamedTuple):
    """The room around what lies in a group, and the least size of the group."""

    before: Extent
    after: Extent
    least: Extent
    ratio: float
    """The wanted ratio of the size across to the size along, where there is a choice."""


class Path(NamedTuple):
    """The path of a link, and how far it is to be moved."""

    points: Sequence[Point]
    moved: Extent


@dataclass(frozen=True, slots=True)
class LevelLayout:
    """Where everything on a level goes, measured from the corner of its frame."""

    extent: Extent
    places: Mapping[int, Point]
    """Where each member begins, and where each port on the border is."""
    paths: Sequence[Path]
    """Of the links, in their order."""


def level_layout(scope: Scope, known: Known, frame: Frame) -> LevelLayout:
    """Return where everything on a level goes."""
    parts = parts_of(scope, known, frame.before.along + _PORT_GAP, frame.after.along + _PORT_GAP)
    begins, content = _packed(parts, frame)
    natural = Extent(frame.before.across + content.across + frame.after.across, content.along)
    extent = Extent(_even(max(natural.across, frame.least.across)), _even(max(natural.along, frame.least.along)))
    moved = Extent(frame.before.across + (extent.across - natural.across) // 2, (extent.along - natural.along) // 2)
    places: dict[int, Point] = {}
    paths = [Path((), moved)] * len(scope.links)
    for part, begin in zip(parts, begins, strict=True):
        across, along = begin.across + moved.across, begin.along + moved.along
        for vertex, (middle, top) in zip(part.vertices, part.arrangement.places, strict=True):
            if (port := known.ports.get(vertex)) is not None:
                places[vertex] = (across + middle, extent.along if port.is_exit else 0.0)
            else:
                places[vertex] = (across + middle - known.extents[vertex].across / 2, along + top)
        own = Extent(across - part.arrangement.begin, along)
        for link, path in zip(part.links, part.arrangement.paths, strict=True):
            paths[link] = Path(path, own)
    return LevelLayout(extent, places, paths)


def _even(size: float) -> float:
    """The next even number, whose half is whole."""
    return -(-size // 2) * 2


def _packed(parts: Sequence[Part], frame: Frame) -> tuple[list[Extent], Extent]:
    """Where each part begins, and the size of all of them: along with the frame's room, across
    without."""
    before, after = frame.before.along, frame.after.along
    begins: list[Extent] = []
    left = height = 0.0
    ratio = frame.ratio
    sizes = [(part.arrangement.across, part.arrangement.along) for part in parts]
    if parts and (parts[0].has_entries or parts[0].has_exits):
        # It reaches to the border; the other parts lie beside it, in about as many rows as it is
        # high.
        across, along = sizes.pop(0)
        begins.append(Extent(0.0, 0.0 if parts[0].has_entries else before))
        height = begins[0].along + along + (0.0 if parts[0].has_exits else after)
        left = across + _PACKING_GAP
        ratio = max(_FLATTEST, sum([width * length for width, length in sizes]) / max(1.0, along) ** 2)
    if not sizes:
        return begins, Extent(max(0.0, left - _PACKING_GAP), height or before + after)
    rows = packed(sizes, _PACKING_GAP, ratio)
    begins += [Extent(left + across, before + along) for across, along in rows.places]
    return begins, Extent(left + rows.across, max(height, before + rows.along + after))
