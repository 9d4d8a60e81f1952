"""The calls that settle: their statements, and their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from baton.core.outcome import Outcome
from baton.database.columns import literal, sparse
from baton.database.messages import AttemptRecord, Settlement

# Arrays of numbers and plain words are sent as text (see `literal`), those that are all null as
# empty ones.
ADVANCE = "select * from {}.advance($1, $2, $3, $4, $5, $6::text::bigint[], $7, $8::text::text[], $9, $10, $11, $12)"
SETTLE = "select * from {}.settle($1::text::bigint[], $2, $3::text::text[], $4, $5, $6)"

ADVANCE_WITH_RECORDS = (
    ADVANCE.replace("advance(", "advance_with_records(")[:-1] + ", $13, $14, $15, $16, $17, $18, $19, $20)"
)
SETTLE_WITH_RECORDS = SETTLE.replace("settle(", "settle_with_records(")[:-1] + ", $7, $8, $9, $10, $11, $12, $13, $14)"

SETTLE_ONE = """
select s.accepted[1] as accepted
  from {}.settle(
           array[$1::text::bigint], array[$2::text::uuid], array[$3::text], array[$4::text], array[$5::text],
           array[$6::text::double precision]
       ) as s
"""


def trace_parameter(outcome: Outcome) -> str | None:
    """The parameter `p_traces` of sql/functions/apply_outcomes.sql."""
    return outcome.trace if outcome.keep is None else outcome.keep


def outcome_parameters(settling: Sequence[Settlement]) -> tuple[Any, ...]:
    """The parameters of sql/functions/apply_outcomes.sql."""
    outcomes = [settled.outcome for settled in settling]
    return (
        literal([str(settled.step_id) for settled in settling]),
        [settled.token for settled in settling],
        literal(["overrun" if outcome.still_runs else outcome.kind for outcome in outcomes]),
        [outcome.detail for outcome in outcomes],
        sparse([trace_parameter(outcome) for outcome in outcomes]),
        sparse([outcome.delay for outcome in outcomes]),
    )


def records_with(settling: Sequence[Settlement]) -> tuple[Any, ...]:
    """Return what the attempts leave that are settled, as parameters; nothing if they leave nothing."""
    records = [record for settled in settling if settled.records for record in settled.records]
    return record_parameters(records) if records else ()


def record_parameters(records: Sequence[AttemptRecord]) -> tuple[Any, ...]:
    """The parameters of sql/functions/write_records.sql."""
    now = monotonic()
    return (
        [record.step_id for record in records],
        [record.token for record in records],
        [record.attempt for record in records],
        [record.kind for record in records],
        [record.key for record in records],
        [record.number for record in records],
        [max(0.0, now - record.left_at) for record in records],
        [record.value for record in records],
    )
