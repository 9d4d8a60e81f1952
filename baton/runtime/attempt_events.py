"""The events of an attempt, made from what the pool knows of it."""

from __future__ import annotations

from typing import Any

from baton.core.outcome import Outcome
from baton.events import AttemptEnded, AttemptStarted, StopCause
from baton.runtime.attempts import Attempt, Cause

_CAUSES: dict[Cause | None, StopCause | None] = {
    None: None,
    Cause.TIMEOUT: "timeout",
    Cause.SHUTDOWN: "shutdown",
    Cause.LEASE_LOST: "lease_lost",
    Cause.VOID: "void",
}
_WITHOUT_ERROR = ("completed", "expanded", "again")
"""Their detail is a result, a graph or arguments."""


def attempt_started(attempt: Attempt, pool: int) -> AttemptStarted:
    """Return that an attempt has its slot in this pool."""
    return AttemptStarted(**_facts(attempt, pool))


def attempt_ended(attempt: Attempt, pool: int, outcome: Outcome | None) -> AttemptEnded:
    """Return how an attempt ended; `outcome` is None if there is nothing to settle, as its claim is void."""
    ended = outcome or Outcome("lost")
    return AttemptEnded(
        **_facts(attempt, pool),
        kind="stopped" if outcome is None else ended.kind,
        error=None if ended.kind in _WITHOUT_ERROR else ended.detail,
        trace=ended.trace,
        delay=ended.delay,
        seconds=attempt.seconds,
        cause=_CAUSES[attempt.cause],
        is_last=attempt.number >= attempt.claimed.max_attempts,
        is_requested=ended.is_requested,
        exception=attempt.error,
    )


def _facts(attempt: Attempt, pool: int) -> dict[str, Any]:
    claimed = attempt.claimed
    return {
        "pool": pool,
        "step_id": claimed.step_id,
        "token": claimed.token,
        "workflow_id": claimed.workflow_id,
        "workflow_name": claimed.workflow_name,
        "step": claimed.step,
        "worker": claimed.worker,
        "queue": claimed.queue,
        "attempt": claimed.attempt,
        "max_attempts": claimed.max_attempts,
    }
