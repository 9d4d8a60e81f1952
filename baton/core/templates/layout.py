"""JSON laid out for people: what is short is on one line."""

from __future__ import annotations

import json
from typing import Any

COLUMNS = 100


def laid_out(value: Any, indent: str = "") -> str:
    """Return JSON text in which what fits is on one line, and of anything else each part has a line."""
    line = _on_one_line(value)
    if len(indent) + len(line) < COLUMNS or not isinstance(value, dict | list) or not value:
        return line
    # JSON is nested at most 200 deep, so this may call itself.
    inside = f"{indent}  "
    if isinstance(value, dict):
        parts = [f"{_on_one_line(key)}: {laid_out(part, inside)}" for key, part in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [laid_out(part, inside) for part in value]
        opening, closing = "[", "]"
    lines = f",\n{inside}".join(parts)
    return f"{opening}\n{inside}{lines}\n{indent}{closing}"


def _on_one_line(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no form in UTF-8.
        return json.dumps(value, allow_nan=False)
    return text
