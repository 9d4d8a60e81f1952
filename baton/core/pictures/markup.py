"""XML written with care: every text is cleaned and escaped in one place."""

from __future__ import annotations

from html import escape

from baton.core.pictures.display_text import displayable

Value = str | float


def element(name: str, *children: str, **attributes: Value) -> str:
    """Return an element. Children are markup already; attribute values are not.

    Underscores in the names of attributes become hyphens, one at the end is left out: `class_="a"`,
    `stroke_width=2`.
    """
    written = "".join([f' {_name(key)}="{_value(value)}"' for key, value in attributes.items()])
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text(content: str) -> str:
    """Return any text as markup: what XML forbids is replaced, what it reserves is escaped."""
    return escape(displayable(content), quote=True)


def number(value: float) -> str:
    """Return a coordinate as it is written, with at most one decimal."""
    rounded = round(value, 1)
    return str(int(rounded)) if rounded == int(rounded) else str(rounded)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: Value) -> str:
    return text(value) if isinstance(value, str) else number(value)
