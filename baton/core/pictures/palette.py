"""Colours and marks of states and kinds.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any colour vision can tell
apart, with lighter and darker shades of them for areas and lines. No state is shown by its colour alone: each has a
mark of its own, and those that look alike in grey have different borders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from baton.core.pictures.diagram import EdgeKind, Kind, State


class Shades(NamedTuple):
    """The colours of a box in one scheme."""

    area: str
    line: str


class Outline(NamedTuple):
    """How the box of a state looks."""

    light: Shades
    dark: Shades
    width: float = 1.5
    """Of the border."""
    dash: str = ""
    """Of the border."""


class Look(NamedTuple):
    """How a state looks."""

    badge: str
    """The colour of its mark's disc."""
    ink: str
    """The colour of the mark."""
    mark: str
    """The path of the mark, around 0 0, within a disc of radius 8. It is filled if it is closed."""
    light: Shades
    dark: Shades
    width: float = 1.5
    dash: str = ""


class Scheme(NamedTuple):
    """The colours that no state has."""

    paper: str
    ink: str
    muted: str
    """Of smaller text, and of the marks of kinds."""
    edge: str
    group: str
    """Of the border of a group without a state."""


LIGHT = Scheme(paper="#ffffff", ink="#111827", muted="#4b5563", edge="#6b7280", group="#9ca3af")
DARK = Scheme(paper="#111827", ink="#f3f4f6", muted="#b6bdc9", edge="#9aa3b2", group="#6b7280")

PLAIN = Outline(Shades("#f9fafb", "#6b7280"), Shades("#1f2937", "#9aa3b2"))
"""A box without a state."""

LOOKS: Mapping[State, Look] = {
    "suspended": Look(
        "#e5e7eb",
        "#374151",
        "M-3.4 0h.01M0 0h.01M3.4 0h.01",
        Shades("#f9fafb", "#7b8494"),
        Shades("#1f2937", "#8b94a5"),
    ),
    "scheduled": Look(
        "#f0e442", "#111827", "M0-3.9V.4L2.9 2.2", Shades("#fdfbdc", "#857c00"), Shades("#3a3708", "#e0d43a")
    ),
    "available": Look(
        "#56b4e9", "#111827", "M-1.5-3.2 1.9 0-1.5 3.2", Shades("#e8f5fd", "#2b86bd"), Shades("#12344a", "#56b4e9")
    ),
    "executing": Look(
        "#0072b2",
        "#ffffff",
        "M-1.8-3.2 3.2 0-1.8 3.2z",
        Shades("#d8ebf7", "#0072b2"),
        Shades("#0b3d61", "#6cc0f0"),
        2.5,
    ),
    "retryable": Look(
        "#e69f00",
        "#111827",
        "M3.5 1A3.7 3.7 0 1 1 2.2-2.9M3.1-5.2 3-2.3.1-2.4",
        Shades("#fdf2da", "#a86f00"),
        Shades("#46310a", "#f0b83a"),
        1.5,
        "7 3",
    ),
    "waiting": Look(
        "#cc79a7",
        "#111827",
        "M-1.9-3v6M1.9-3v6",
        Shades("#f9ebf3", "#a94f82"),
        Shades("#46243a", "#de9bc2"),
        1.5,
        "7 3",
    ),
    "completed": Look(
        "#009e73", "#ffffff", "M-3.5.2-1.1 2.7 3.6-2.6", Shades("#def3ec", "#00805d"), Shades("#0b3b30", "#2fc79c")
    ),
    "cancelled": Look(
        "#6b7280", "#ffffff", "M-3.4 0h6.8", Shades("#eceef1", "#5b6472"), Shades("#2b3341", "#a3acba"), 1.5, "4 3"
    ),
    "discarded": Look(
        "#d55e00",
        "#ffffff",
        "M-2.7-2.7 2.7 2.7M2.7-2.7-2.7 2.7",
        Shades("#fce4d6", "#c24e00"),
        Shades("#51240a", "#ff9147"),
        2.5,
    ),
    "skipped": Look(
        "#e5e7eb",
        "#374151",
        "M-3.6-2.7-.9 0-3.6 2.7M.6-2.7 3.3 0 .6 2.7",
        Shades("#f9fafb", "#7b8494"),
        Shades("#1f2937", "#8b94a5"),
        1.5,
        "1.5 3.5",
    ),
}

SIGNS: Mapping[State, str] = {
    "suspended": "\N{HORIZONTAL ELLIPSIS}",
    "scheduled": "\N{WHITE CIRCLE WITH UPPER RIGHT QUADRANT}",
    "available": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    "executing": "\N{BLACK RIGHT-POINTING TRIANGLE}",
    "retryable": "\N{CLOCKWISE OPEN CIRCLE ARROW}",
    "waiting": "\N{DOUBLE VERTICAL LINE}",
    "completed": "\N{CHECK MARK}",
    "cancelled": "\N{CIRCLED MINUS}",
    "discarded": "\N{BALLOT X}",
    "skipped": "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}",
}
"""The marks of states as text, for languages that cannot draw."""

ICONS: Mapping[Kind, str] = {
    "step": "",
    "map": "M-5-5h4v4h-4zM1-5h4v4h-4zM-5 1h4v4h-4zM1 1h4v4h-4z",
    "workflow": "M-6-4.5h5v4h-5zM1 .5h5v4h-5zM-3.5-.5v3h4.5",
    "graph": "M0-2.4v2.6M-4 2.4V.2h8v2.2M-1.7-5.8h3.4v3.4h-3.4zM-5.7 2.4h3.4v3.4h-3.4zM2.3 2.4h3.4v3.4h-3.4z",
    "signal": "M-4 6V-5.5M-4-5h8.5L2.3-2l2.2 3H-4",
    "timer": "M-4-6h8M-4 6h8M-3-6c0 3.6 2.6 4 3 6 .4-2 3-2.4 3-6M-3 6c0-3.6 2.6-4 3-6 .4 2 3 2.4 3 6",
    "run": "M-1-5h-4V5H5V1M1.5-5.5h4v4M5.5-5.5-1 1",
    "closing": "M-6 0h7.5M-2-3.5 1.5 0-2 3.5M5.5-5.5v11",
    "undo": "M-2.2-5.8-5.4-2.6l3.2 3.2M-5-2.6h6a3.9 3.9 0 0 1 0 7.8h-3.5",
}
"""The path of the mark of each kind, around 0 0, at most 7 to each side."""

DASHES: Mapping[EdgeKind, str] = {"required": "", "optional": "7 4", "observed": "1.5 4.5"}
