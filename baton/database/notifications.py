"""The schema's one channel, and what is said on it (sql/functions/channel.sql says the same)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5


@dataclass(frozen=True, slots=True)
class QueueHasWork:
    queue: str
    entries: int
    """At least so many were released there: a power of ten."""


@dataclass(frozen=True, slots=True)
class EntryDue:
    seconds: float
    """From when the notice was composed."""


@dataclass(frozen=True, slots=True)
class ClaimsVoid:
    pool: int


@dataclass(frozen=True, slots=True)
class WorkflowFinished:
    key: int


@dataclass(frozen=True, slots=True)
class StepEnded:
    step_id: int


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Not said by the database: the listener hears again, after it may have missed notices."""


MOST_DELAYED_MS = 86_400_000
"""A day; what is due later is announced to nobody."""

Notice = QueueHasWork | EntryDue | ClaimsVoid | WorkflowFinished | StepEnded | Reconnected


def channel(schema: str) -> str:
    """Return the name of the schema's channel: a prefix and a hash, as names of channels are short."""
    return "baton_" + md5(schema.encode(), usedforsecurity=False).hexdigest()[:16]


def parse(payload: str) -> Notice | None:
    """Return what a notice says; None for one that this version does not know, or that cannot be read.

    Every role that may connect to the database may notify on the channel.
    """
    kind, _, subject = payload.partition(" ")
    try:
        match kind:
            case "queue":
                entries, _, queue = subject.partition(" ")
                return QueueHasWork(queue, int(entries)) if int(entries) > 0 else None
            case "due":
                return EntryDue(int(subject) / 1000) if 0 <= int(subject) <= MOST_DELAYED_MS else None
            case "cancel":
                return ClaimsVoid(int(subject))
            case "workflow":
                return WorkflowFinished(int(subject))
            case "step":
                return StepEnded(int(subject))
            case _:
                return None
    except ValueError:
        return None
