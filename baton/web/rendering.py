"""Pages as HTML: the templates, and how values are written in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup, escape

from baton.core.pictures.display_text import displayable
from baton.core.pictures.svg import STYLE as PICTURE_STYLE

MOST_CHARACTERS = 20_000
"""Of one argument, result or traceback on a page; the rest can be loaded by itself."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows."""

    template: str
    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    follows: str | None = None
    """What its live updates follow: `all`, or the id of a run; None for a page that does not change by itself."""


def environment() -> jinja2.Environment:
    """Return the templates. Whatever a value holds, it is shown as text: nothing in them is marked as safe."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("baton.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"url": url}
    made.filters |= {
        "shown": displayable,
        "count": count,
        "plural": plural,
        "duration": duration,
        "ago": ago,
        "since": since,
        "pretty": pretty,
        "cut": cut,
    }
    return made


def picture_style() -> str:
    """Return the style sheet of the pictures: the page's policy allows none inside them."""
    return PICTURE_STYLE


def url(path: str, *pairs: tuple[str, str], **query: str | int | list[str] | None) -> str:
    """Return a relative address within the dashboard. What is None is left out; names may be any text.

    All pages are in one folder, and their addresses are relative, so they are right whatever prefix a proxy adds or
    takes away. Ids are in the query, where a slash or a dot in them means nothing.
    """
    given = {name: value for name, value in query.items() if value is not None and value != []}
    encoded = urlencode([*pairs, *_flat(given)], errors="replace")
    return f"{path}?{encoded}" if encoded else path


def _flat(query: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, one) for name, value in query.items() for one in (value if isinstance(value, list) else [value])]


def count(number: int) -> str:
    """Write a number with separators of thousands."""
    return f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Write how many there are of something."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """Write a span of time in its two largest units."""
    if seconds is None:
        return "\N{EN DASH}"
    if seconds < 0.0095:
        return f"{max(seconds, 0) * 1000:.1f} ms"
    if seconds < 0.995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for large, small, unit, lower in ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large:,} {unit}" + (f" {rest} {lower}" if rest else "")
    return f"{whole} s"


def ago(moment: datetime | None, now: datetime) -> Markup:
    """Write a time relative to now, with the exact one as the tooltip."""
    if moment is None:
        return Markup("<span class=none>\N{EN DASH}</span>")
    seconds = (now - moment).total_seconds()
    words = f"{duration(seconds)} ago" if seconds > 0 else f"in {duration(-seconds)}"
    if abs(seconds) < 1:
        words = "now"
    exact = moment.isoformat(sep=" ", timespec="milliseconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(), exact, words)


def since(end: datetime | None, begin: datetime | None) -> float | None:
    """Return the seconds between two times."""
    return None if end is None or begin is None else (end - begin) / timedelta(seconds=1)


def pretty(text: str) -> str:
    """Write a JSON text with a line for each member, if it is short enough to be read."""
    if len(text) > MOST_CHARACTERS:
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def cut(text: str, most: int = MOST_CHARACTERS) -> Markup:
    """Return a text as it can be shown, and say how much of it is left out."""
    if len(text) <= most:
        return escape(printable(text))
    note = Markup("<span class=cut>… {:,} more characters</span>").format(len(text) - most)
    return escape(printable(text[:most])) + note


def printable(text: str) -> str:
    """Replace what a browser could take for something else than a character: controls, and lone surrogates."""
    return "".join(
        char if char in "\n\t" or (char.isprintable() or char == " ") else f"\\u{ord(char):04x}" for char in text
    )
