"""Marks by which a reader sees that something has changed, for many workflows in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls

ENTRIES = 1_000
"""Of a workflow, as many entries are looked at: which of a hundred thousand run changes all the time."""
WORKFLOWS = 100


async def read_marks(calls: Calls, schema: str, keys: Sequence[int]) -> Mapping[int | Literal["all"], str]:
    """Return a text for each of these workflows, and one for all that lists show; each is another after a change.

    A workflow that is not there is left out.
    """
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        -- Each end of a step updates the workflow's row; a start changes only its entry.
        select k.key, concat_ws('-', w.xmin, q.mark) as mark
          from unnest($1::bigint[]) as k(key)
          join lateral (select f.xmin from {prefix}.workflows f where f.key = k.key offset 0) w on true
         cross join lateral (
                  select sum(hashtext(concat_ws(' ', e.step_id, e.state, e.attempt, e.pool))::bigint) as mark
                    from (
                             select e.step_id, e.state, e.attempt, e.pool
                               from {prefix}.queue e
                              where e.step_id >= {prefix}.step_of(k.key, 0)
                                and e.step_id < {prefix}.step_of(k.key + 1, 0)
                              order by e.step_id
                              limit {ENTRIES}
                         ) e
              ) q
         union all
        select null,
               concat_ws(
                   '-',
                   (
                       select sum(hashtext(concat_ws(' ', r.key, r.xmin))::bigint)
                         from (
                                  select w.key, w.xmin from {prefix}.workflows w order by w.key desc limit {WORKFLOWS}
                              ) r
                   ),
                   (
                       select sum(hashtext(concat_ws(' ', u.queue, u.xmin))::bigint)
                         from {prefix}.queue_settings u
                   ),
                   (select count(*) || ' ' || count(p.dead_at) || ' ' || coalesce(max(p.id), 0) from {prefix}.pools p),
                   (
                       select sum(hashtext(concat_ws(' ', s.name, s.xmin))::bigint)
                         from {prefix}.schedules s
                   )
               )
        """,
        list(keys),
    )
    return {"all" if row["key"] is None else row["key"]: row["mark"].replace(" ", "_") for row in rows}
