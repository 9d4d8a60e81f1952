"""A run as its outline: the steps outside groups, those of the groups that are open, and the others as counts.

Nothing is read of the steps in closed groups but how many are in which state, so the outline of a hundred thousand
steps in a few groups is as small as that of a few steps. Arguments and results are not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from baton.core.states import StepState, WorkflowState
from baton.database.migrate import quoted
from baton.database.step_records import EdgeKind, StepRole

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A workflow at a glance."""

    key: int
    id: str
    name: str | None
    state: WorkflowState
    total: int
    """How many steps it has, those that the engine added included."""
    inserted_at: datetime
    finished_at: datetime | None
    meta: str | None
    """As JSON; None for none."""
    ending: str | None
    """Why it is being ended, while its closing steps and undos still run; None if it is not."""
    is_ending: bool
    now: datetime
    """The time by the database's clock."""


class GroupFacts(msgspec.Struct, frozen=True):
    """A step that stands for others, and how many steps below it are in which state, groups not counted."""

    ordinal: int
    parent: int | None
    name: str
    grouping: str
    children: int
    """How many it has itself, not counting theirs."""
    state: StepState
    counts: Mapping[StepState, int]


class OutlinedStep(msgspec.Struct, frozen=True):
    """A step of an outline; the fields are as in `StepRecord`."""

    ordinal: int
    name: str
    parent: int | None
    state: StepState
    worker: str
    queue: str
    attempt: int
    max_attempts: int
    reason: str | None
    error: str | None
    """The error of the last failed attempt."""
    grouping: str | None
    children: int | None
    role: StepRole | None
    awaits: str | None
    dependencies: Sequence[str]
    edges: Sequence[EdgeKind]
    scheduled_at: datetime | None
    attempted_at: datetime | None
    finished_at: datetime | None
    failed_at: Sequence[str]
    """When its attempts failed, the last fifty."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a run, and the counts of its steps."""

    by_ordinal: Mapping[int, GroupFacts]
    counts: Mapping[StepState, int]
    """Of all steps of the run, groups not counted."""


async def read_run_facts(calls: Calls, schema: str, workflow_id: str) -> RunFacts | None:
    """Return a workflow, or None if there is none of this id."""
    rows = await calls.fetch(
        f"""
        select w.key, w.id, w.name, w.state, w.total, w.inserted_at, w.finished_at, w.meta::text as meta,
               w.ending ->> 'reason' as ending, w.ending is not null as is_ending, clock_timestamp() as now
          from {quoted(schema)}.workflows w
         where w.id = $1
        """,
        workflow_id,
    )
    return RunFacts(**rows[0]) if rows else None


async def read_groups(calls: Calls, schema: str, key: int) -> Groups:
    """Return the groups of the workflow with this key, with counts. Reads its steps by the primary key, no others."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select s.parent, s.grouping, s.state, s.children, s.ordinal, s.name, count(*) as n
          from (
                   select r.parent,
                          case when r.first_child is not null then r.grouping end as grouping,
                          coalesce(q.state, r.state) as state,
                          case when r.first_child is not null then r.children end as children,
                          -- Groups are kept apart, all else is counted.
                          case when r.first_child is not null then (r.id & 4194303)::integer end as ordinal,
                          case when r.first_child is not null then r.name end as name
                     from (
                              select t.id, t.parent, t.grouping, t.state, t.children, t.first_child, t.name
                                from {prefix}.steps t
                               where t.id >= {prefix}.step_of($1, 0) and t.id < {prefix}.step_of($1 + 1, 0)
                                 -- The engine's own steps are not shown.
                                 and (t.role is null or t.role not in ('gate', 'end'))
                              offset 0
                          ) r
                     left join lateral (
                              select e.state
                                from {prefix}.queue e
                               where r.state = 'queued' and e.step_id = r.id
                              offset 0
                          ) q on true
              ) s
         group by 1, 2, 3, 4, 5, 6
        """,
        key,
    )
    below: dict[int | None, Counter[StepState]] = {}
    parents: dict[int, int | None] = {row["ordinal"]: row["parent"] for row in rows if row["ordinal"] is not None}
    for row in rows:
        if row["ordinal"] is None:
            _count(row, below, parents)
    groups = {
        row["ordinal"]: GroupFacts(
            row["ordinal"],
            row["parent"],
            row["name"],
            row["grouping"],
            row["children"],
            row["state"],
            below.get(row["ordinal"], {}),
        )
        for row in rows
        if row["ordinal"] is not None
    }
    return Groups(dict(sorted(groups.items())), below.get(None, {}))


def _count(row: Record, below: dict[int | None, Counter[StepState]], parents: Mapping[int, int | None]) -> None:
    """Count steps in each group around them, and in the run."""
    group: int | None = row["parent"]
    while group is not None:
        below.setdefault(group, Counter())[row["state"]] += row["n"]
        group = parents.get(group)
    below.setdefault(None, Counter())[row["state"]] += row["n"]


async def read_outline(
    calls: Calls, schema: str, key: int, opened: Collection[int], limit: int
) -> Sequence[OutlinedStep]:
    """Return the steps outside groups and in the groups with these ordinals, in the order added, at most `limit`."""
    where = "(s.parent is null or s.parent = any($3))"
    return await _read_steps(calls, schema, where, key, limit, list(opened))


async def read_neighbours(calls: Calls, schema: str, key: int, step: str, hops: int, limit: int) -> Sequence[int]:
    """Return the ids of a step and of those around it, the nearest first, at most `limit`; none without such a step.

    Around it are those that it waits for and that wait for it, by at most this many `hops`.
    """
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        with recursive around(id, hops) as (
            select s.id, 0
              from {prefix}.steps s
             where s.id >= {prefix}.step_of($1, 0) and s.id < {prefix}.step_of($1 + 1, 0) and s.name = $2
             union
            select {prefix}.sibling_of(a.id, n.ordinal), a.hops + 1
              from around a
              join lateral (
                       select s.dependencies, s.dependents from {prefix}.steps s where s.id = a.id offset 0
                   ) s on true
             cross join lateral (
                      select o.ordinal from unnest(s.dependencies) as o(ordinal)
                       union all
                      select o.ordinal from unnest(s.dependents) as o(ordinal)
                       limit $4
                  ) n
             where a.hops < $3
        )
        select a.id, min(a.hops) as hops
          from around a
         group by a.id
         order by 2, 1
         limit $4
        """,
        key,
        step,
        hops,
        limit,
    )
    return [row["id"] for row in rows]


async def read_outlined(calls: Calls, schema: str, key: int, steps: Sequence[int]) -> Sequence[OutlinedStep]:
    """Return the steps with these ids, in the order added."""
    return await _read_steps(calls, schema, "s.id = any($3)", key, len(steps), list(steps))


async def read_step_page(
    calls: Calls,
    schema: str,
    key: int,
    states: Collection[StepState] | None,
    group: str | None,
    after: int | None,
    limit: int,
) -> Sequence[OutlinedStep]:
    """Return steps in the order added, those behind the ordinal `after`, at most `limit`.

    With `states`, those in one of these that stand for no others; with `group`, the children of this group.
    """
    prefix = quoted(schema)
    where = f"""
        ($3::integer is null or s.id > {prefix}.step_of($1, $3))
        and ($4::text is null or s.parent = (
                select (g.id & 4194303)::integer
                  from {prefix}.steps g
                 where g.id >= {prefix}.step_of($1, 0) and g.id < {prefix}.step_of($1 + 1, 0) and g.name = $4
            ))
        and case
                when $5::text[] is null then true
                when s.first_child is not null then false
                when s.state <> 'queued' then s.state = any($5)
                else exists (select from {prefix}.queue e where e.step_id = s.id and e.state = any($5))
            end"""
    return await _read_steps(calls, schema, where, key, limit, after, group, None if states is None else list(states))


async def _read_steps(calls: Calls, schema: str, where: str, *given: object) -> Sequence[OutlinedStep]:
    """Return steps of the workflow with the key $1, at most $2."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select (s.id & 4194303)::integer as ordinal, s.name, s.parent,
               coalesce(q.state, s.state) as state, s.worker, s.queue,
               coalesce(q.attempt, s.attempt) as attempt, s.max_attempts, s.reason,
               s.errors[cardinality(s.errors)] ->> 'error' as error,
               s.grouping, s.children, s.role, s.awaits ->> 'type' as awaits,
               d.names as dependencies, d.edges,
               case when isfinite(coalesce(q.scheduled_at, s.scheduled_at))
                    then coalesce(q.scheduled_at, s.scheduled_at) end as scheduled_at,
               coalesce(q.attempted_at, s.attempted_at) as attempted_at, s.finished_at,
               array(select f.one ->> 'at' from unnest(s.errors) as f(one)) as failed_at
          from (
                   select s.*
                     from {prefix}.steps s
                    where s.id >= {prefix}.step_of($1, 0) and s.id < {prefix}.step_of($1 + 1, 0)
                      and (s.role is null or s.role not in ('gate', 'end'))
                      and {where}
                    order by s.id
                    limit $2
               ) s
          left join lateral (
                   select e.state, e.attempt, e.scheduled_at, e.attempted_at
                     from {prefix}.queue e
                    where e.step_id = s.id
                   offset 0
               ) q on true
         cross join lateral (
                   select coalesce(array_agg(t.name order by o.n), '{{}}') as names,
                          coalesce(array_agg(
                              case
                                  when b.bits & 8 <> 0 then 'observed'
                                  when b.bits <> 0 then 'optional'
                                  else 'required'
                              end order by o.n
                          ), '{{}}') as edges
                     from unnest(s.dependencies) with ordinality as o(ordinal, n)
                     join lateral (
                              select x.name from {prefix}.steps x where x.id = {prefix}.sibling_of(s.id, o.ordinal)
                              offset 0
                          ) t on true
                    cross join lateral (
                              select coalesce(
                                         s.edges[o.n],
                                         s.ignore_cancelled::integer + s.ignore_discarded::integer
                                         + s.ignore_skipped::integer
                                     )
                          ) as b(bits)
               ) d
         order by s.id
        """,
        *given,
    )
    return [OutlinedStep(**row) for row in rows]
