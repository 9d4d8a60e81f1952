"""What workers publish to streams of their run."""

from __future__ import annotations

from typing import Any

from baton.core import codec
from baton.core.names import UNSTORABLE
from baton.errors import InvalidOption

MOST_OF_NAME = 200
MOST_OF_ITEM = 100_000
"""Characters, as JSON."""


def checked_stream(name: object) -> str:
    """Return the name of a stream. Raises `InvalidOption`."""
    if not isinstance(name, str) or not 0 < len(name) <= MOST_OF_NAME or UNSTORABLE.search(name):
        raise InvalidOption("stream", name, f"it must be a text of at most {MOST_OF_NAME} characters")
    return name


def item_json(value: Any) -> str:
    """Return an item as JSON. Raises `NotJSON`, and `InvalidOption` for one that is too large."""
    text = codec.encode(value)
    if len(text) > MOST_OF_ITEM:
        raise InvalidOption("value", f"{text[:20]}...", f"an item has at most {MOST_OF_ITEM:,} characters as JSON")
    return text
