"""What a worker process of the campaign does besides its work: it logs each attempt with its token, and misbehaves.

It observes the events of its pool, and misbehaves at two failpoints; the package itself is not changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from baton.core.outcome import Outcome
from baton.database.connections import describe
from baton.database.messages import Claimed
from baton.events import (
    AttemptEnded,
    AttemptStarted,
    CallFailed,
    Event,
    Observer,
    OutcomesAnswered,
    StepsClaimed,
    UpkeepDone,
)
from baton.runtime import failpoints
from baton.runtime.attempts import Attempt, current
from tests.effects import Effects

MARK_BITS = 32
IGNORES_CANCELLATION = 0.3
"""The share of attempts that ignore a cancellation while they are delayed, as a worker may."""


def mark(token: UUID) -> str:
    """Return blanks that identify a token: a result that ends with them means the same."""
    return "".join(" \t"[token.int >> bit & 1] for bit in range(MARK_BITS))


def misbehave() -> None:
    """Set the failpoints of this process: attempts are delayed, kill the process, or return what cannot be stored."""
    failpoints.reached = _reached
    failpoints.replaced = _replaced


async def _reached(point: str) -> None:
    attempt = current.get()
    if point != "before the worker" or attempt is None:
        return
    if _special_act(attempt.claimed) == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    await _delay(attempt.claimed)


def _replaced(attempt: Attempt, outcome: Outcome | None) -> Outcome | None:
    claimed = attempt.claimed
    if outcome is None or outcome.kind not in ("completed", "failed"):
        return outcome
    if _special_act(claimed) == "unstorable":
        # No worker can return this: what a worker returns is encoded before it gets here.
        outcome = Outcome("completed", '{"never": ')
    if outcome.kind == "completed" and outcome.detail is not None:
        outcome = replace(outcome, detail=outcome.detail + mark(claimed.token))
    return outcome


def _special_act(claimed: Claimed) -> str | None:
    if '"poison"' not in claimed.args and '"unstorable"' not in claimed.args:
        return None
    acts: Sequence[str] = json.loads(claimed.args)["plan"]["acts"]
    return acts[min(claimed.attempt, len(acts)) - 1]


async def _delay(claimed: Claimed) -> None:
    """Take some time before the attempt's own time begins, now and then more than a lease."""
    chance = random.Random(f"{claimed.workflow_id}/{claimed.step}/{claimed.attempt}")
    seconds = chance.choices((0.0, chance.uniform(0.01, 0.3), chance.uniform(0.3, 1.0), 2.6), (70, 20, 9, 1))[0]
    if seconds == 0:
        return
    ignores_cancellation = chance.random() < IGNORES_CANCELLATION
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            if not ignores_cancellation:
                raise


def logged_to(log: Effects) -> Observer:
    """Return an observer that writes what `campaign.ledger` reads."""

    def observe(event: Event) -> None:
        match event:
            case AttemptEnded():  # before AttemptStarted, which it extends
                log.write(event="ran", id=event.step_id, token=event.token.hex, kind=event.kind)
            case AttemptStarted():
                _log_start(log, event)
            case StepsClaimed(token=token, step_ids=ids, asked=limit):
                log.write(event="claimed", token=token.hex, ids=ids, limit=limit)
            case OutcomesAnswered():
                rows = [[one.step_id, one.token.hex, one.kind, one.is_accepted] for one in event.outcomes]
                log.write(event="answered", outcomes=rows)
            case CallFailed(call="advance" | "settle", is_transient=True):
                _log_unknown(log, event)
            case UpkeepDone() if event.died or event.lost or event.given_back:
                log.write(event="upkeep", died=event.died, lost=event.lost, given_back=event.given_back)
            case _:
                pass

    return observe


def _log_start(log: Effects, event: AttemptStarted) -> None:
    log.write(
        event="run",
        id=event.step_id,
        workflow=event.workflow_id,
        step=event.step,
        attempt=event.attempt,
        token=event.token.hex,
        at=time.time(),
    )


def _log_unknown(log: Effects, event: CallFailed) -> None:
    rows = [[one.step_id, one.token.hex, one.kind] for one in event.outcomes]
    log.write(event="unknown", call=event.call, outcomes=rows, error=describe(event.error), at=time.time())
