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


Notice = QueueHasWork | EntryDue | ClaimsVoid | WorkflowFinished | StepEnded | Reconnected


def channel(schema: str) -> str:
    """Return the name of the schema's channel: a prefix and a hash, as names of channels are short."""
    return "baton_" + md5(schema.encode(), usedforsecurity=False).hexdigest()[:16]


def parse(payload: str) -> Notice | None:
    """Return what a notice says, or None for one this version does not know."""
    kind, _, subject = payload.partition(" ")
    match kind:
        case "queue":
            entries, _, queue = subject.partition(" ")
            return QueueHasWork(queue, int(entries))
        case "due":
            return EntryDue(int(subject) / 1000)
        case "cancel":
            return ClaimsVoid(int(subject))
        case "workflow":
            return WorkflowFinished(int(subject))
        case "step":
            return StepEnded(int(subject))
        case _:
            return None
