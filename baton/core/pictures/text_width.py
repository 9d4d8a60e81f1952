"""How wide a text is when it is drawn, and texts cut to a width.

The widths are those of Liberation Sans, so of Arial and Helvetica. For scripts that the font lacks
they are estimates; `svg` therefore states the width of each text, so that a viewer with another
font squeezes it to fit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from baton.core.pictures.advances import RUNS

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_WIDE = 1.0
_EMOJI = 1.35
_OTHER = 0.7
_JOINER = "\N{ZERO WIDTH JOINER}"
_HEAD_PART = 0.6


def _advances() -> dict[str, float]:
    found: dict[str, float] = {}
    code = 0
    for word in RUNS.split():
        if word.endswith(":"):
            code = int(word[:-1], 16)
        else:
            found[chr(code)] = int(word) / 1000
            code += 1
    return found


_ADVANCES = _advances()


def text_width(text: str, size: float) -> float:
    """Return the width of a line of text in pixels. `size` is the font's, in pixels."""
    try:
        return sum(map(_ADVANCES.__getitem__, text)) * size
    except KeyError:
        return sum([_advance(before, character) for before, character in pairwise(("", *text))]) * size


def shortened(text: str, size: float, most: float) -> str:
    """Return `text`, or its beginning and end around an ellipsis if it is wider than `most` pixels.

    Names of steps often differ only in their last characters, so both ends stay. Letters stay with
    their accents, and emoji that are joined stay together.
    """
    if text_width(text, size) <= most:
        return text
    letters = _letters(text)
    widths = [text_width(letter, size) for letter in letters]
    room = most - text_width(ELLIPSIS, size)
    head = _fitting(widths, room * _HEAD_PART)
    tail = _fitting(widths[:head:-1], room - sum(widths[:head]))
    return "".join(letters[:head]).rstrip() + ELLIPSIS + "".join(letters[len(letters) - tail :]).lstrip()


def _fitting(widths: Sequence[float], room: float) -> int:
    """How many of the first widths fit."""
    used = 0.0
    for count, width in enumerate(widths):
        used += width
        if used > room:
            return count
    return len(widths)


def _advance(before: str, character: str) -> float:
    if (before == _JOINER and _is_emoji(character)) or _is_skin_tone(character):
        return 0.0  # it is drawn into the emoji before it
    known = _ADVANCES.get(character)
    return _estimate(character) if known is None else known


@lru_cache(maxsize=4096)
def _estimate(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return _EMOJI if _is_emoji(character) else _WIDE
    return _OTHER


def _letters(text: str) -> list[str]:
    """What is seen as one letter each: a character and what is set over it or joined to it."""
    letters: list[str] = []
    for character in text:
        if letters and (letters[-1].endswith(_JOINER) or _continues(letters[-1], character)):
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _continues(letter: str, character: str) -> bool:
    is_flag = _is_half_flag(character) and len(letter) == 1 and _is_half_flag(letter)
    return is_flag or _is_skin_tone(character) or unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf")


def _is_half_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_emoji(character: str) -> bool:
    return character >= "\U0001f000" and unicodedata.category(character) == "So"


def _is_skin_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"
