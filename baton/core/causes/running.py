"""What a step does that executes."""

from __future__ import annotations

from shlex import quote

from baton.core.causes.kind import Kind, span


class Executing(Kind, frozen=True):
    """An attempt runs."""

    pool: str
    host: str
    pid: int
    seconds: float
    """Since it was claimed."""
    attempt: int
    max_attempts: int

    def __str__(self) -> str:
        return f"{_executes(self.seconds, self.attempt, self.max_attempts)} in worker pool {self.pool!r}"


class PoolSilent(Kind, frozen=True):
    """An attempt runs, or did, in a worker pool that has not been heard of for more than half its lease."""

    pool: str
    host: str
    pid: int
    seconds: float
    attempt: int
    max_attempts: int
    silent_seconds: float
    seconds_left: float
    """Until its lease ends."""

    def __str__(self) -> str:
        return (
            f"{_executes(self.seconds, self.attempt, self.max_attempts)} in worker pool {self.pool!r}, which was last "
            f"heard of {span(self.silent_seconds)} ago (process {self.pid} on {self.host}); unless it comes back, "
            f"other pools take the step over in {span(self.seconds_left)}"
        )


class PoolGone(Kind, frozen=True):
    """The worker pool that ran its attempt is dead."""

    pool: str | None
    seconds: float
    attempt: int
    max_attempts: int
    is_served: bool
    """Whether another living pool serves its queue, and can run it."""
    queue: str

    def __str__(self) -> str:
        pool = f"worker pool {self.pool!r}, which" if self.pool else "a worker pool that"
        then = (
            "another one takes it over"
            if self.is_served
            else f"no other one can run it: start one with `baton worker MODULE --queues {quote(self.queue)}=N`"
        )
        return f"{_executes(self.seconds, self.attempt, self.max_attempts)} in {pool} is gone, and {then}"


def _executes(seconds: float, attempt: int, max_attempts: int) -> str:
    return f"has been executing for {span(seconds)} (attempt {attempt} of {max_attempts})"
