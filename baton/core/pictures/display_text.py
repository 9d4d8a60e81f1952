"""Text as it may stand in a picture, whatever the name was that it came from."""

from __future__ import annotations

import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MOST_MARKS = 4
"""Accents on one letter; a pile of them would be drawn over other lines."""

_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}"
# Marks that turn the direction of text around would turn what stands beside the name around too.
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_REPLACED: dict[int, str] = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF], REPLACEMENT),
    **{ord(mark): REPLACEMENT for mark in _DIRECTIONS},
    **{ord(space): " " for space in _SPACES},
}


def displayable(text: str) -> str:
    """Return `text` on one line, with what cannot be shown replaced by a question mark in a
    lozenge.

    The result can be written as UTF-8, and every character of it is one that XML allows. It has no
    control characters, no marks that change the direction of text, no space at its ends, and never
    two spaces in a row.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    if not text.isascii():
        text = "".join([REPLACEMENT if "\ud800" <= mark <= "\udfff" else mark for mark in text])
    shown = " ".join(text.translate(_REPLACED).split())
    return shown if shown.isascii() else _with_few_marks(shown)


def _with_few_marks(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)
