"""The schema's one channel, and what is announced on it (sql/functions/channel.sql lists the same)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import md5

MOST_DELAYED_MS = 86_400_000
"""A day. The engine announces no entry that is due later."""


@dataclass(frozen=True, slots=True)
class QueueHasWork:
    queue: str
    entries: int
    """At least this many were released there: a power of ten."""


@dataclass(frozen=True, slots=True)
class LaneFreed:
    """A step of this lane has ended, and others wait in its queue, which has limits."""

    queue: str
    lane: str


@dataclass(frozen=True, slots=True)
class EntryDue:
    seconds: float
    """From the moment when the notification was sent."""


@dataclass(frozen=True, slots=True)
class ScheduleDue:
    seconds: float
    """From the moment when the notification was sent."""


@dataclass(frozen=True, slots=True)
class DeadlineDue:
    seconds: float
    """From the moment when the notification was sent."""


@dataclass(frozen=True, slots=True)
class WaitOver:
    """What a step waits for has come, or its time is up."""

    seconds: float
    """From the moment when the notification was sent."""


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
class StepsChanged:
    """Steps of a followed workflow have ended, or say how far they are."""

    key: int


@dataclass(frozen=True, slots=True)
class StreamGrew:
    """Something was published to a followed stream of this workflow."""

    key: int


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Comes from the listener and not from the database: it listens again, and may have missed notifications."""


Notification = (
    QueueHasWork
    | LaneFreed
    | EntryDue
    | ScheduleDue
    | WaitOver
    | DeadlineDue
    | ClaimsVoid
    | WorkflowFinished
    | StepEnded
    | StepsChanged
    | StreamGrew
    | Reconnected
)


def channel(schema: str) -> str:
    """Return the name of the schema's channel: a prefix and a hash, because names of channels are short."""
    return "baton_" + md5(schema.encode(), usedforsecurity=False).hexdigest()[:16]


def parse(payload: str) -> Notification | None:
    """Return what a payload announces; None if this version does not know it, or if it is malformed.

    Every role that may connect to the database may notify on the channel.
    """
    kind, _, subject = payload.partition(" ")
    try:
        if kind == "queue":
            entries, _, queue = subject.partition(" ")
            return QueueHasWork(queue, int(entries)) if int(entries) > 0 else None
        if kind == "lane":
            return _lane_freed(subject)
        if (delayed := _DELAYED.get(kind)) is not None:
            return delayed(int(subject) / 1000) if 0 <= int(subject) <= MOST_DELAYED_MS else None
        numbered = _NUMBERED.get(kind)
        return None if numbered is None else numbered(int(subject))
    except ValueError:
        return None


_DELAYED: Mapping[str, Callable[[float], Notification]] = {
    "due": EntryDue,
    "schedule": ScheduleDue,
    "end": DeadlineDue,
    "ripe": WaitOver,
}
_NUMBERED: Mapping[str, Callable[[int], Notification]] = {
    "cancel": ClaimsVoid,
    "workflow": WorkflowFinished,
    "step": StepEnded,
    "steps": StepsChanged,
    "stream": StreamGrew,
}


def _lane_freed(subject: str) -> LaneFreed | None:
    length, _, names = subject.partition(" ")
    size = int(length)
    return LaneFreed(names[:size], names[size + 1 :]) if 0 < size < len(names) - 1 else None
