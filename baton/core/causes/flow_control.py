"""What keeps a step from starting that somebody set: pauses of runs, workers and lanes, limits and rates of queues."""

from __future__ import annotations

from shlex import quote

from baton.core.causes.kind import Kind, limit, span
from baton.core.causes.waiting import EntryState, Holder


class RunPaused(Kind, frozen=True):
    """Its workflow is paused."""

    state: EntryState
    workflow: str
    seconds: float
    """For how long."""

    def __str__(self) -> str:
        return (
            f"is {self.state}, and its workflow has been paused for {span(self.seconds)}: resume it with "
            f"`baton resume --run {quote(self.workflow)}`"
        )


class WorkerPaused(Kind, frozen=True):
    """Its worker is paused, in every queue."""

    state: EntryState
    worker: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"is {self.state}, and worker {self.worker!r} has been paused for {span(self.seconds)}: resume it with "
            f"`baton resume --worker {quote(self.worker)}`"
        )


class LanePaused(Kind, frozen=True):
    """Its lane of its queue is paused."""

    state: EntryState
    queue: str
    lane: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"is {self.state}, and lane {self.lane!r} of queue {self.queue!r} has been paused for "
            f"{span(self.seconds)}: resume it with engine.resume({self.queue!r}, lane={self.lane!r})"
        )


class LimitReached(Kind, frozen=True):
    """As many steps of its queue, or of its lane, execute as may (`engine.limit`)."""

    queue: str
    lane: str | None
    """None: the limit is that of the whole queue."""
    limit: int
    executing: int
    holders: tuple[Holder, ...]
    """Those that have run the longest."""

    def __str__(self) -> str:
        where = f"queue {self.queue!r}" if self.lane is None else f"lane {self.lane!r} of queue {self.queue!r}"
        held = f", the longest {'; '.join(map(str, self.holders))}" if self.holders else ""
        return f"waits for the limit of {where}: {self.executing:,} of {self.limit:,} execute{held}"


class RateReached(Kind, frozen=True):
    """As many steps of its queue, or of its lane, have started in a time as may (`engine.limit`)."""

    queue: str
    lane: str | None
    starts: float
    per: float
    """Seconds."""
    units: int
    """How much its own start counts."""
    seconds_left: float
    """Until there is room, if nothing else starts."""

    def __str__(self) -> str:
        where = f"queue {self.queue!r}" if self.lane is None else f"lane {self.lane!r} of queue {self.queue!r}"
        noun = "start" if self.starts == 1 else "starts"
        own = "" if self.units == 1 else f" (this one counts {self.units:,})"
        return (
            f"waits for the rate of {where}, {self.starts:g} {noun} in {limit(self.per)}{own}; there is room in "
            f"{span(self.seconds_left)}, unless others start before"
        )
