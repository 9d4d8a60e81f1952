"""Points in time and spans of time, as people read them."""

from __future__ import annotations

from datetime import datetime

INFINITE_YEAR = 9999
"""The year in which asyncpg puts what the database has as infinitely late."""


def moment(at: datetime) -> str:
    """Return a point in time to the second, in its own time zone; the database's are in UTC."""
    if at.year >= INFINITE_YEAR:
        return "never"
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def since(begin: datetime, end: datetime) -> str:
    """Return the span between two points in time; none if they are the wrong way round."""
    return span((end - begin).total_seconds())


def ago(begin: datetime, now: datetime) -> str:
    """Return roughly how long ago a point in time was, in one unit."""
    seconds = max(0.0, (now - begin).total_seconds())
    for size, unit, limit in ((1, "s", 60), (60, "min", 3600), (3600, "h", 2 * 86_400)):
        if seconds < limit:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds // 86_400:,.0f} days ago"


def span(seconds: float) -> str:
    """Return a span of time in one or two units."""
    if seconds < 60:
        return f"{max(0.0, seconds):.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24:,} days"
