"""What was published to a stream of a run, read from a number on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baton.core.states import WorkflowState
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls

MOST_CHUNKS = 200
"""Of one reading."""


@dataclass(frozen=True, slots=True)
class StreamItem:
    """Something that a worker published by `ctx.publish`."""

    number: int
    """From 1 on in each stream of a run, and rising; `run.follow(stream, after=number)` goes on behind it."""
    value: Any
    """As a plain JSON value."""
    step: str
    attempt: int
    round: int
    """Which round of the step published it; 1 unless it has said `Again`."""
    begins_anew: bool
    """It is the first of an attempt that follows one which failed or was lost: what this step published before in this
    round holds no longer, and is gone."""


@dataclass(frozen=True, slots=True)
class StreamReading:
    """A stream as of one moment."""

    key: int
    state: WorkflowState
    """Of the run."""
    items: Sequence[StreamItem]
    is_more: bool
    """There are more items than were read."""


async def read_stream(calls: Calls, schema: str, workflow_id: str, stream: str, after: int) -> StreamReading | None:
    """Return what follows the item of this number, or the begin of it; None if there is no such workflow."""
    rows = await calls.fetch(_QUERY.replace("baton.", f"{quoted(schema)}."), workflow_id, stream, after, MOST_CHUNKS)
    if not rows:
        return None
    chunks = [row for row in rows if row["number"] is not None]
    items = [
        StreamItem(number, value, row["step"], row["attempt"], row["round"], row["is_anew"] and number == row["number"])
        for row in chunks
        for number, value in enumerate(json.loads(row["items"]), row["number"])
        if number > after
    ]
    return StreamReading(rows[0]["key"], rows[0]["state"], items, len(chunks) == MOST_CHUNKS)


# A chunk has the number of its first item, so the one before may hold items that are asked for.
_QUERY = """
select w.key, w.state, c.number, c.attempt, c.round, c.is_anew, c.items::text as items,
       (select s.name from baton.steps s where s.id = c.step_id) as step
  from baton.workflows w
  left join lateral (
           select k.number, k.attempt, k.round, k.is_anew, k.items, k.step_id
             from baton.stream_chunks k
            where k.workflow = w.key
              and k.stream = $2
              and k.number >= coalesce(
                      (
                          select max(p.number)
                            from baton.stream_chunks p
                           where p.workflow = w.key and p.stream = $2 and p.number <= $3::bigint + 1
                      ),
                      0
                  )
            order by k.number
            limit $4
       ) as c on true
 where w.id = $1
 order by c.number
"""
