"""What all causes have in common, and how their sentences write times and names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

NAMED = 3
"""How many steps one sentence names."""


def _kind(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Kind(Struct, frozen=True, kw_only=True, tag_field="kind", tag=_kind):
    """One way to wait, to run or to have ended. `str()` is the rest of a sentence that begins with the step's name.

    As JSON, the field `kind` has the name of its class in lower case, as in `queue_paused`.
    """


def span(seconds: float) -> str:
    """Return a duration as people say it: 12 s, 3 min, 5 h, 2 days."""
    seconds = max(0.0, seconds)
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:,.0f} days"


def limit(seconds: float) -> str:
    """Return a duration that somebody set, without rounding it to nothing."""
    return f"{seconds:g} s" if seconds < 120 else span(seconds)


def listed(names: Sequence[str], more: int = 0) -> str:
    """Return quoted names as a list in a sentence, with how many more there are."""
    shown = [repr(name) for name in names[:NAMED]]
    more += max(0, len(names) - NAMED)
    if more:
        return f"{', '.join(shown)} and {counted(more, 'other step')}" if shown else counted(more, "step")
    return "".join(shown) if len(shown) < 2 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(count: int, what: str) -> str:
    """Return a number of things: 1 step, 2 steps."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def caller(actor: str | None, role: str | None) -> str:
    """Return who made a call: as the application said, else by its database role."""
    if actor:
        return repr(actor)
    return f"a call of database role {role!r}" if role else "a call"


def because(reason: str | None) -> str:
    """Return what follows a sentence that has a reason; nothing without one."""
    return f": {reason}" if reason else ""
