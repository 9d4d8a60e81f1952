"""What the database says of workflows that have ended."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from campaign.server import Admin

_QUERY = """
    select v.workflow_id, v.id, v.name, v.state, v.queue, v.attempt, v.max_attempts, v.pending, v.dependencies,
           v.result::text as result_text, v.reason, v.errors, v.pool, v.attempted_at, v.finished_at,
           s.token, s.outcome, v.grouping
      from baton.steps_view v
      join baton.steps s on s.id = v.id
     where v.workflow_id = any($1)
     order by v.id
"""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step as steps_view shows it, with the token and kind of its last accepted outcome."""

    id: int
    name: str
    state: str
    queue: str
    attempt: int
    max_attempts: int
    pending: int
    dependencies: Sequence[str]
    result_text: str | None
    """The JSON as stored, blanks included."""
    reason: str | None
    errors: Sequence[Mapping[str, Any]]
    pool: int | None
    attempted_at: datetime | None
    finished_at: datetime | None
    token: str | None
    """Hexadecimal digits."""
    outcome: str | None
    grouping: str | None = None
    """What makes it a group; None for a step that runs."""

    @property
    def result(self) -> Any:
        return None if self.result_text is None else json.loads(self.result_text)

    @classmethod
    def of(cls, row: asyncpg.Record) -> StepRecord:
        facts = dict(row)
        del facts["workflow_id"]
        facts["errors"] = [json.loads(error) for error in facts["errors"] or ()]
        facts["token"] = facts["token"].hex if facts["token"] is not None else None
        return cls(**facts)


async def read_records(admin: Admin, workflows: Sequence[str]) -> dict[str, dict[str, StepRecord]]:
    """Return the steps by name of these workflows by id."""
    found: dict[str, dict[str, StepRecord]] = defaultdict(dict)
    for row in await admin.fetch(_QUERY, list(workflows)):
        record = StepRecord.of(row)
        found[row["workflow_id"]][record.name] = record
    return found
