"""The events of calls to the engine, made from what was sent and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from baton.database.failures import Failure
from baton.database.messages import Settlement
from baton.events import AnsweredOutcome, CallFailed, OutcomeReplaced, OutcomesAnswered, SentOutcome


def outcomes_answered(settling: Sequence[Settlement], accepted: Sequence[bool]) -> OutcomesAnswered:
    return OutcomesAnswered(
        [
            AnsweredOutcome(one.step_id, one.token, one.outcome.kind, is_accepted)
            for one, is_accepted in zip(settling, accepted, strict=True)
        ]
    )


def outcome_replaced(settling: Settlement) -> OutcomeReplaced:
    outcome = settling.outcome
    return OutcomeReplaced(settling.step_id, settling.token, outcome.kind, outcome.detail or "")


def call_failed(
    call: Literal["advance", "settle", "expand"], settling: Sequence[Settlement], error: Exception, failure: Failure
) -> CallFailed:
    outcomes = [SentOutcome(one.step_id, one.token, one.outcome.kind) for one in settling]
    return CallFailed(call, outcomes, error, failure is Failure.PASSING)
