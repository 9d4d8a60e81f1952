"""Lists of workflows: the newest first, in pages, each page by the primary key.

There is no index on state or name: it would cost every workflow its cheap updates. A page is filled from windows of
consecutive workflows, each read by a short query. Steps are looked up only for the workflows on the page, and only the
first thousand of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from baton.core.durations import seconds
from baton.core.options import checked_option_name
from baton.core.states import WorkflowState
from baton.database.migrate import quoted
from baton.errors import InvalidOption

if TYPE_CHECKING:
    from baton.database.connections import Calls

WINDOW = 5_000
"""How many workflows one query looks at."""
WINDOWS = 20
"""How many queries are made for one page, at most."""
STEPS_LOOKED_UP = 1_000
MOST_RUNS = 1_000
STATES: tuple[WorkflowState, ...] = ("executing", "completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A workflow in a list."""

    id: str
    name: str | None
    state: WorkflowState
    inserted_at: datetime
    finished_at: datetime | None
    """When the state became final; None while it is executing."""
    steps: int
    """How many steps it has. Beyond a thousand, gates and ends that the engine added are counted as well."""
    unfinished: int
    """How many of them are not final."""
    discarded: int
    """How many of its first thousand steps were discarded, without groups. If it is completed, they were ignored."""
    failed_step: str | None
    """The first of those."""
    reason: str | None
    """Why it was discarded."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """A page of a list of workflows, the newest first."""

    runs: Sequence[RunSummary]
    after: int | None
    """Where the next page begins, for `Engine.runs(after=...)`; None if this is the last one."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which workflows are listed: all that match each value that is not None."""

    state: WorkflowState | None
    name: str | None
    since: datetime | timedelta | None
    """Inserted at this time or later; a span of time counts back from now, by the database's clock."""


@dataclass(frozen=True, slots=True)
class _Window:
    """What one query found."""

    runs: Sequence[tuple[int, RunSummary]]
    """By key, the newest first."""
    last_key: int | None
    """Of the oldest workflow it looked at; None if nothing is left to look at."""
    reaches_since: bool
    """Nothing further back is new enough."""


def run_filter(state: WorkflowState | None, name: str | None, since: datetime | timedelta | None) -> RunFilter:
    """Return what is wanted. Raises `InvalidOption`."""
    if state is not None and state not in STATES:
        raise InvalidOption("state", state, f"a workflow is {', '.join(STATES[:-1])} or {STATES[-1]}")
    if name is not None:
        checked_option_name("name", name)
    if isinstance(since, datetime) and since.utcoffset() is None:
        raise InvalidOption("since", since, "the datetime is naive; give it a time zone, such as tzinfo=timezone.utc")
    if isinstance(since, timedelta):
        seconds("since", since)
    return RunFilter(state, name, since)


async def read_run_page(
    calls: Calls, schema: str, wanted: RunFilter, limit: int, after: int | None, *, windows: int = WINDOWS
) -> RunPage:
    """Return up to `limit` workflows; fewer, with a place to go on from, where few match among 100,000.

    `windows` is how many queries are made at most, each of which looks at `WINDOW` workflows.

    Raises: InvalidOption if `limit` is not 1 to 1,000.
    """
    if type(limit) is not int or not 1 <= limit <= MOST_RUNS:
        raise InvalidOption("limit", limit, f"a page has 1 to {MOST_RUNS:,} workflows")
    found: list[tuple[int, RunSummary]] = []
    for _ in range(windows):
        # One more than is wanted says whether there is a next page.
        window = await _read_window(calls, schema, wanted, limit + 1 - len(found), after)
        found += window.runs
        if len(found) > limit:
            return RunPage([run for _, run in found[:limit]], found[limit - 1][0])
        if window.last_key is None or window.reaches_since:
            return RunPage([run for _, run in found], None)
        after = window.last_key
    return RunPage([run for _, run in found], after)


async def _read_window(calls: Calls, schema: str, wanted: RunFilter, limit: int, after: int | None) -> _Window:
    is_span = isinstance(wanted.since, timedelta)
    rows = await calls.fetch(
        _QUERY.format(prefix=quoted(schema), window=WINDOW, steps=STEPS_LOOKED_UP),
        *(after, wanted.state, wanted.name),
        *(None if is_span else wanted.since, wanted.since if is_span else None),
        limit,
    )
    runs = [
        (row["key"], RunSummary(**{field: row[field] for field in RunSummary.__dataclass_fields__}))
        for row in rows
        if row["key"] is not None
    ]
    return _Window(runs, rows[0]["last_key"], rows[0]["reaches_since"])


_QUERY = """
with looked_at as materialized (
    select w.key, w.id, w.name, w.state, w.inserted_at, w.finished_at, w.total, w.remaining
      from {prefix}.workflows w
     where w.key < coalesce($1::bigint, 9223372036854775807)
     order by w.key desc
     limit {window}
), given as materialized (
    select coalesce($4::timestamptz, clock_timestamp() - $5::interval) as since
), matching as materialized (
    select l.*
      from looked_at l
     cross join given g
     where l.state = coalesce($2, l.state)
       and ($3::text is null or l.name = $3)
       and (g.since is null or l.inserted_at >= g.since)
     order by l.key desc
     limit $6
)
select a.last_key, a.reaches_since, f.key, f.id, f.name, f.state, f.inserted_at, f.finished_at,
       f.total - t.own as steps, f.remaining - t.own_unfinished as unfinished,
       t.discarded, t.failed_step, t.reason
  from (
           select case when count(*) = {window} then min(l.key) end as last_key,
                  -- Keys ascend with time, but for workflows that were inserted at the same moment.
                  coalesce(min(l.inserted_at) < max(g.since) - interval '1 hour', false) as reaches_since
             from looked_at l
            cross join given g
       ) a
  left join matching f on true
  left join lateral (
           -- The engine's own steps do not count.
           select count(*) filter (where s.role in ('gate', 'end'))::integer as own,
                  count(*) filter (where s.role in ('gate', 'end') and s.finished_at is null)::integer
                      as own_unfinished,
                  count(*) filter (where s.is_failed)::integer as discarded,
                  (array_agg(s.name order by s.id) filter (where s.is_failed))[1] as failed_step,
                  (array_agg(s.reason order by s.id) filter (where s.is_failed))[1] as reason
             from (
                      select r.id, r.name, r.reason, r.role, r.finished_at,
                             r.state = 'discarded' and r.first_child is null as is_failed
                        from {prefix}.steps r
                       where r.id >= {prefix}.step_of(f.key, 0) and r.id < {prefix}.step_of(f.key + 1, 0)
                       order by r.id
                       limit {steps}
                  ) s
       ) t on f.key is not null
 order by f.key desc
"""
