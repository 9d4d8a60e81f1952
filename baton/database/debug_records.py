"""What attempts with debug have left, read by people who may."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls


@dataclass(frozen=True, slots=True)
class DebugRecord:
    """One record of an attempt."""

    attempt: int
    """Which attempt left it; 1 again after a snooze, a kept value or the begin of another round."""
    at: datetime
    kind: str
    """arguments, results, log, dropped (what came later was too much), or what `ctx.record` was given."""
    value: Any
    """As plain JSON values. `{"cut": ..., "characters": n}` is the begin of a larger one, as text."""


async def read_debug_records(calls: Calls, schema: str, workflow_id: str, step: str) -> Sequence[DebugRecord]:
    """Return the records of a step, in the order in which they were left.

    Raises: PermissionError if the database role has not been granted them.
    """
    prefix = quoted(schema)
    try:
        rows = await calls.fetch(
            f"""
            select r.attempt, r.recorded_at, r.kind, r.value::text as value
              from {prefix}.workflows w
              join lateral (
                       select t.id
                         from {prefix}.steps t
                        where t.id >= {prefix}.step_of(w.key, 0)
                          and t.id < {prefix}.step_of(w.key + 1, 0)
                          and t.name = $2
                       offset 0
                   ) s on true
              join {prefix}.debug_records r on r.step_id = s.id
             where w.id = $1
             order by r.recorded_at, r.number
            """,
            workflow_id,
            step,
        )
    except asyncpg.InsufficientPrivilegeError as error:
        raise PermissionError(
            "the database role of this engine may not read debug records, which may hold personal data: "
            "baton migrate --grant debug=ROLE lets it"
        ) from error
    return [DebugRecord(row["attempt"], row["recorded_at"], row["kind"], json.loads(row["value"])) for row in rows]
