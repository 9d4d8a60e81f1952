"""Lists of workflows: the newest first, in pages, each page by the primary key.

There is no index on state or name: it would cost every workflow its cheap updates. A page is filled from windows of
consecutive workflows, each read by a short query: of all workflows, of those that had a key, or of those with a tag.
Steps are looked up only for the workflows on the page, and only the first thousand of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from baton.core.durations import seconds
from baton.core.keys import checked_tags
from baton.core.options import checked_option_name
from baton.core.states import WorkflowState
from baton.database.migrate import quoted
from baton.errors import InvalidOption

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record

WINDOW = 5_000
"""How many workflows one query looks at."""
WINDOW_WITH_STEPS = 500
"""The same where the steps of each are looked at."""
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
    key: str | None = None
    """The key it was inserted with."""
    tags: Mapping[str, str] = field(default_factory=dict)


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
    tags: Mapping[str, str] = field(default_factory=dict)
    """It has all of these."""
    key: str | None = None
    """It was inserted with this key, whether or not it still holds it."""
    worker: str | None = None
    """This worker runs one of its steps."""
    failed_step: str | None = None
    """The step of this name is discarded."""

    @property
    def looks_at_steps(self) -> bool:
        return self.worker is not None or self.failed_step is not None


@dataclass(frozen=True, slots=True)
class _Window:
    """What one query found."""

    runs: Sequence[tuple[int, RunSummary]]
    """By key, the newest first."""
    last_key: int | None
    """Of the oldest workflow it looked at; None if nothing is left to look at."""
    reaches_since: bool
    """Nothing further back is new enough."""


def run_filter(
    state: WorkflowState | None,
    name: str | None,
    since: datetime | timedelta | None,
    *,
    tag: Mapping[str, str] | None = None,
    key: str | None = None,
    worker: str | None = None,
    failed_step: str | None = None,
) -> RunFilter:
    """Return what is wanted. Raises `InvalidOption` and `InvalidName`."""
    if state is not None and state not in STATES:
        raise InvalidOption("state", state, f"a workflow is {', '.join(STATES[:-1])} or {STATES[-1]}")
    for option, text in (("name", name), ("key", key), ("worker", worker), ("failed_step", failed_step)):
        if text is not None:
            checked_option_name(option, text)
    if isinstance(since, datetime) and since.utcoffset() is None:
        raise InvalidOption("since", since, "the datetime is naive; give it a time zone, such as tzinfo=timezone.utc")
    if isinstance(since, timedelta):
        seconds("since", since)
    return RunFilter(state, name, since, checked_tags("tag", tag) or {}, key, worker, failed_step)


async def read_run_page(
    calls: Calls, schema: str, wanted: RunFilter, limit: int, after: int | None, *, windows: int | None = None
) -> RunPage:
    """Return up to `limit` workflows; fewer, with a place to go on from, where few match among 100,000.

    `windows` is how many queries are made at most, each of which looks at `WINDOW` workflows.

    Raises: InvalidOption if `limit` is not 1 to 1,000.
    """
    if type(limit) is not int or not 1 <= limit <= MOST_RUNS:
        raise InvalidOption("limit", limit, f"a page has 1 to {MOST_RUNS:,} workflows")
    found: list[tuple[int, RunSummary]] = []
    for _ in range(WINDOWS if windows is None else windows):
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
    # The first tag finds the workflows, the others are looked up for each.
    (name, value), *others = wanted.tags.items() or [(None, None)]
    rows = await calls.fetch(
        _query(schema, wanted),
        *(after, wanted.state, wanted.name),
        *(None if is_span else wanted.since, wanted.since if is_span else None),
        limit,
        *(wanted.key, wanted.worker, wanted.failed_step),
        *(name, value, [name for name, _ in others], [value for _, value in others]),
    )
    runs = [(row["key"], _summary(row)) for row in rows if row["key"] is not None]
    return _Window(runs, rows[0]["last_key"], rows[0]["reaches_since"])


def _summary(row: Record) -> RunSummary:
    fields = {field: row[field] for field in RunSummary.__dataclass_fields__ if field not in ("key", "tags")}
    tags = {} if row["tags"] is None else json.loads(row["tags"])
    return RunSummary(**fields, key=row["run_key"], tags=tags)


def _query(schema: str, wanted: RunFilter) -> str:
    window = WINDOW_WITH_STEPS if wanted.looks_at_steps else WINDOW
    parts = {"prefix": quoted(schema), "window": window, "steps": STEPS_LOOKED_UP, "columns": _COLUMNS}
    source = _TAGGED if wanted.tags else _KEYED if wanted.key is not None else _ALL
    steps = _STEPS.format(**parts) if wanted.looks_at_steps else "true"
    return _QUERY.format(source=source.format(**parts), with_steps=steps, **parts)


_COLUMNS = "w.key, w.id, w.name, w.state, w.inserted_at, w.finished_at, w.total, w.remaining, w.run_key, w.tags"
_ALL = """
    select {columns}
      from {prefix}.workflows w
     where w.key < coalesce($1::bigint, 9223372036854775807)
     order by w.key desc
     limit {window}
"""
_KEYED = """
    select {columns}
      from {prefix}.workflows w
     where w.run_key = $7
       and w.key < coalesce($1::bigint, 9223372036854775807)
     order by w.key desc
     limit {window}
"""
_TAGGED = """
    select {columns}
      from (
               select t.workflow
                 from {prefix}.run_tags t
                where t.name = $10 and t.value = $11
                  and t.workflow < coalesce($1::bigint, 9223372036854775807)
                order by t.workflow desc
                limit {window}
           ) as k
     cross join lateral (select r.* from {prefix}.workflows r where r.key = k.workflow offset 0) as w
"""
_STEPS = """exists (
           select
             from {prefix}.steps s
            where s.id >= {prefix}.step_of(l.key, 0) and s.id < {prefix}.step_of(l.key + 1, 0)
              and (g.worker is null or s.worker = g.worker)
              and (g.failed_step is null or s.name = g.failed_step and s.state = 'discarded')
       )"""
_QUERY = """
with looked_at as materialized (
    {source}
), given as materialized (
    select coalesce($4::timestamptz, clock_timestamp() - $5::interval) as since,
           $7::text as run_key, $8::text as worker, $9::text as failed_step
), matching as materialized (
    select l.*
      from looked_at l
     cross join given g
     where l.state = coalesce($2, l.state)
       and ($3::text is null or l.name = $3)
       and (g.since is null or l.inserted_at >= g.since)
       and (g.run_key is null or l.run_key = g.run_key)
       and ($10::text is null or l.tags ->> $10 = $11)
       and not exists (
               select
                 from unnest($12::text[], $13::text[]) as o(name, value)
                where l.tags ->> o.name is distinct from o.value
           )
       and {with_steps}
     order by l.key desc
     limit $6
)
select a.last_key, a.reaches_since, f.key, f.id, f.name, f.state, f.inserted_at, f.finished_at,
       f.run_key, f.tags::text as tags,
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
