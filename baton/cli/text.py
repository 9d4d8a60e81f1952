"""Text that comes from elsewhere, made fit to be shown: it steers no terminal, and its width is known."""

from __future__ import annotations

import unicodedata

_JOINERS = frozenset("\u200c\u200d")
"""They shape letters and emoji, and move nothing."""
_WIDE = frozenset("WF")
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})
ELLIPSIS = "…"


def visible(text: str) -> str:
    """Return `text` with an escape, as in a Python literal, for each character that is not simply drawn.

    These are control characters (a terminal obeys them), marks that change the direction of writing (they make a name
    read as another one), lone surrogates, and characters without a shape.
    """
    return text if text.isprintable() else text.translate(_IN_A_LINE)


def visible_lines(text: str) -> str:
    """Do what `visible` does, for text of several lines: line feeds and tabs stay."""
    return text if text.isprintable() else text.replace("\r\n", "\n").translate(_IN_LINES)


def one_line(text: str) -> str:
    """Return `text` as one visible line, each run of white space as one space."""
    return visible(" ".join(text.split()))


def cells(text: str) -> int:
    """Return how many columns of a terminal a visible text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut(text: str, width: int) -> str:
    """Return as much of a visible text as fits into `width` columns, with an ellipsis in place of what does not."""
    if cells(text) <= width:
        return text
    left = width - 1
    for place, one in enumerate(text):
        left -= _cells(one)
        if left < 0:
            return text[:place] + ELLIPSIS[: max(width, 0)]
    return text


def padded(text: str, width: int) -> str:
    """Return a visible text with spaces behind it, so that it takes `width` columns."""
    return text + " " * (width - cells(text))


class _Escapes(dict[int, str]):
    """What stands for a character, by its number; filled as characters are met, so that most of the work is C's."""

    def __init__(self, kept: str) -> None:
        super().__init__({ord(one): one for one in kept})

    def __missing__(self, number: int) -> str:
        one = chr(number)
        # Spaces of other widths are no harm; Python calls none but the common one printable.
        is_drawn = one.isprintable() or one in _JOINERS or unicodedata.category(one) == "Zs"
        self[number] = one if is_drawn else one.encode("unicode_escape").decode()
        return self[number]


_IN_A_LINE = _Escapes("")
_IN_LINES = _Escapes("\n\t")


def _cells(one: str) -> int:
    if unicodedata.category(one) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(one) in _WIDE else 1
