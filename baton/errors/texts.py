"""How names, paths and values are shown in the text of an error."""

from __future__ import annotations

from collections.abc import Iterable

COMPARED_NAMES = 5_000
LONGEST_NAME = 200
LONGEST_VALUE = 80


def shortened(name: str) -> str:
    """Return a name or path so that the sentence around it can still be read: a step may be 100 groups deep."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]} ... {name[-LONGEST_NAME // 2 :]}"


def quoted(name: str) -> str:
    """Return a name in quotes, shortened."""
    return repr(shortened(name))


def shown(value: object) -> str:
    """Return a value as Python writes it, shortened."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name most like `name`, to be added to an error message; empty if none is like it."""
    # Most programs never misspell a name, and the import takes as long as that of this package's
    # errors.
    from difflib import get_close_matches

    # A misspelled name in a graph of a hundred thousand steps has to be answered at once.
    similar_in_length = [other for other in known if abs(len(other) - len(name)) <= 2]
    matches = get_close_matches(name, similar_in_length[:COMPARED_NAMES], n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
