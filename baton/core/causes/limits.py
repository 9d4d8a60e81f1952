"""The limits of queues that keep steps from their start."""

from __future__ import annotations

from typing import Literal

from baton.core.causes.kind import Kind, span
from baton.core.causes.waiting import Holder


class QueueLimited(Kind, frozen=True):
    """A limit of its queue, or of its lane there, keeps it from its start."""

    queue: str
    limit: Literal["running", "lane_running", "starts", "lane_starts"]
    """As `Engine.limit` names it."""
    most: float
    """How many steps may execute, or how many units may start in `per` seconds."""
    lane: str | None = None
    """None if the limit is that of the whole queue."""
    per: float | None = None
    seconds_left: float | None = None
    """Until its units are earned. Steps before it in the queue use theirs first."""
    holders: tuple[Holder, ...] = ()
    """Those that have run the longest in its queue."""

    def __str__(self) -> str:
        where = f"queue {self.queue!r}" if self.lane is None else f"lane {self.lane!r} of queue {self.queue!r}"
        if self.per is not None:
            left = f", which are used up; the next may start in {span(self.seconds_left or 0.0)}"
            return f"waits for the limit of {where}, {self.most:g} starts in {span(self.per)}{left}"
        taken = "1 step that executes" if self.most == 1 else f"{self.most:,g} steps that execute at once"
        by = f", the longest {'; '.join(map(str, self.holders))}" if self.holders else ""
        return f"waits for the limit of {where}, {taken}{by}"


class LanePaused(Kind, frozen=True):
    """Its lane is paused."""

    queue: str
    lane: str
    seconds: float
    """Since when."""

    def __str__(self) -> str:
        remedy = f"resume it with `baton resume {self.queue} --lane {self.lane}`"
        where = f"lane {self.lane!r} of queue {self.queue!r}"
        return f"is available, and {where} has been paused for {span(self.seconds)}: {remedy}"
