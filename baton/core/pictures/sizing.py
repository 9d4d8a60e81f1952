"""How large the box of a node is, and which of its text is shown in it."""

from __future__ import annotations

from typing import NamedTuple

from baton.core.pictures.diagram import Node
from baton.core.pictures.display_text import displayable
from baton.core.pictures.text_width import shortened, text_width

LABEL_SIZE = 13.0
SUBLABEL_SIZE = 11.0
GROUP_LABEL_SIZE = 12.0
LABEL_LINE = 17.0
SUBLABEL_LINE = 14.0
WIDEST_TEXT = 208.0
PADDING_X = 12.0
PADDING_Y = 8.5
BADGE = 16.0
"""The diameter of the mark that says the state."""
ICON = 14.0
"""The width of the mark that says the kind."""
MARK_GAP = 8.0
BAR_LINE = 12.0
"""What the bar of a node's counts adds to its height."""
STACK = 4.0
"""How far the sheets behind a map stick out."""
GROUP_HEADER = 30.0
GROUP_PADDING = 16.0

_NARROWEST = 72.0
_WIDTH_STEP = 12.0
_COLUMN_STEP = 36.0
"""Widths are rounded up to a multiple, so that boxes with names of nearly the same length get
the same width: a coarser one, a multiple of the other, where they stand in columns."""


class Sized(NamedTuple):
    """The size of a box in pixels, and its lines as they are shown."""

    width: float
    height: float
    label: str
    sublabel: str


def node_size(node: Node) -> Sized:
    """Return the size of a node's box. Of its state it matters only whether it has one."""
    label = shortened(displayable(node.label), LABEL_SIZE, WIDEST_TEXT)
    sublabel = shortened(displayable(node.sublabel), SUBLABEL_SIZE, WIDEST_TEXT)
    width = max(text_width(label, LABEL_SIZE), text_width(sublabel, SUBLABEL_SIZE)) + 2 * PADDING_X
    if node.state is not None:
        width += BADGE + MARK_GAP
    if node.kind != "step":
        width += ICON + MARK_GAP
    width = max(_NARROWEST, -(-width // _WIDTH_STEP) * _WIDTH_STEP)
    height = 2 * PADDING_Y + LABEL_LINE + (SUBLABEL_LINE if sublabel else 0.0) + (BAR_LINE if node.counts else 0.0)
    return Sized(width, height, label, sublabel)


def in_column(sized: Sized) -> Sized:
    """Return the size of a node's box that stands in a column, with others of about the same
    width."""
    return sized._replace(width=-(-sized.width // _COLUMN_STEP) * _COLUMN_STEP)


def group_header(group: Node) -> Sized:
    """Return the width that the header of an open group needs, padding included, its height, and
    its lines."""
    label = shortened(displayable(group.label), GROUP_LABEL_SIZE, WIDEST_TEXT)
    sublabel = shortened(displayable(group.sublabel), SUBLABEL_SIZE, WIDEST_TEXT)
    width = text_width(label, GROUP_LABEL_SIZE) + 2 * GROUP_PADDING
    if group.state is not None:
        width += BADGE + MARK_GAP
    if group.kind != "step":
        width += ICON + MARK_GAP
    if sublabel:
        width += text_width(sublabel, SUBLABEL_SIZE) + MARK_GAP
    return Sized(-(-width // 2) * 2, GROUP_HEADER, label, sublabel)
