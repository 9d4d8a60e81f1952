"""The queries about workflows and queues: plain reads, no locks, no decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from baton.core.states import StepState, WorkflowState
from baton.database.migrate import quoted
from baton.database.step_records import StepEnd, StepProgress, StepRecord, step_end, step_tree

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record


@dataclass(frozen=True, slots=True)
class Unserved:
    """A step that may run, but that no living pool can run."""

    step: str
    queue: str
    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue that has entries, is paused, or is served by a living pool, as of one moment."""

    name: str
    paused_at: datetime | None
    """When it was paused; None unless it is."""
    available: int
    """Entries that may be claimed, or could be if it were not paused."""
    waiting: int
    """Entries that wait for a time: scheduled and retryable."""
    executing: int
    pools: int
    """Living pools that serve it."""
    slots: int
    """How many steps of it all these pools together run at once."""
    running: int | None = None
    """How many of its steps may execute at once, over all pools; None for no limit."""
    is_limited: bool = False
    """It has limits; see `Engine.limits`."""


@dataclass(frozen=True, slots=True)
class Status:
    """A workflow at a glance, as of one moment."""

    name: str | None
    """The workflow's name, if it was given one."""
    state: WorkflowState
    inserted_at: datetime
    finished_at: datetime | None
    """When the state became final; None while it is executing."""
    counts: Mapping[StepState, int]
    """How many steps are in which state; states with none are left out."""
    unserved: Sequence[Unserved] = ()
    """Steps that could run but that no living worker pool can run, and why; at most 100."""
    progress: Mapping[str, StepProgress] = field(default_factory=dict)
    """How far attempts are whose workers say so by `ctx.progress`, by step name; at most 100."""
    meta: Any = None
    """What the application attached with `Baton.new(meta=...)`, as a JSON value."""
    key: str | None = None
    """The key it was inserted with; see `Baton.new`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Which language model each step asks: model maps by the name of the group they hold for. That of the workflow has
    an empty name, the one given with the insert is named `/`, and goes before all others."""


class Queries:
    """The queries, made by any `Calls`."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        self._schema = quoted(schema)
        # By the primary key alone, as in steps_view: `offset 0` keeps the planner from reading the
        # whole table.
        self._steps_of_w = f"""
            select s.*
              from {self._schema}.steps s
             where s.id >= {self._schema}.step_of(w.key, 0) and s.id < {self._schema}.step_of(w.key + 1, 0)
            offset 0"""
        self._progress_of_w = f"""(
            select json_agg(json_build_array(s.name, p.fraction, p.message) order by p.step_id)
              from (
                  select p.step_id, p.token, p.fraction, p.message
                    from {self._schema}.progress p
                   where p.step_id >= {self._schema}.step_of(w.key, 0)
                     and p.step_id < {self._schema}.step_of(w.key + 1, 0)
                   limit 100
              ) as p
              join {self._schema}.queue q on q.step_id = p.step_id and q.token = p.token
              join {self._schema}.steps s on s.id = p.step_id)"""
        # Gates and ends are the engine's own steps: nobody added them, and they have no worker.
        self._of_user = "(s.role is null or s.role not in ('gate', 'end'))"
        self._ended = f"""
            v.id, v.name, v.state, v.worker, v.result::text, v.reason, v.grouping, v.children,
            {self._schema}.sibling_of(v.id, v.parent) as parent_id,
            {self._schema}.sibling_of(v.id, v.returns) as returns_id,
            coalesce(v.is_last, v.dependents = '{{}}') as is_last, v.awaits ->> 'kind' as awaited_kind"""
        # By the lease as well: if every pool is gone, none is left to mark them dead.
        self._living_pools = f"""(
            select p.queues, p.limits, p.workers
              from {self._schema}.pools p
             where p.dead_at is null and p.expires_at > clock_timestamp())"""

    async def status(self, workflow_id: str) -> Status | None:
        """Return the state and the counts as of one moment, or None if there is no such workflow."""
        rows = await self._calls.fetch(
            f"""
            select w.key, coalesce(q.state, s.state) as state, count(*) as n,
                   w.name, w.state as workflow_state, w.inserted_at, w.finished_at, w.meta::text as meta,
                   w.run_key, w.tags::text as tags,
                   {self._progress_of_w}::text as progress,
                   w.models::text as models
              from {self._schema}.workflows w
              join lateral ({self._steps_of_w}) s on true
              left join lateral (select q.state from {self._schema}.queue q where q.step_id = s.id offset 0) q on true
             where w.id = $1 and {self._of_user}
             group by w.key, 2
            """,
            workflow_id,
        )
        if not rows:
            return None
        first = rows[0]
        return Status(
            name=first["name"],
            state=first["workflow_state"],
            inserted_at=first["inserted_at"],
            finished_at=first["finished_at"],
            counts={row["state"]: row["n"] for row in rows},
            unserved=await self.unserved(workflow_id) if first["workflow_state"] == "executing" else (),
            progress={step: StepProgress(*says) for step, *says in json.loads(first["progress"] or "[]")},
            meta=None if first["meta"] is None else json.loads(first["meta"]),
            key=first["run_key"],
            tags={} if first["tags"] is None else json.loads(first["tags"]),
            models={} if first["models"] is None else json.loads(first["models"]),
        )

    async def unserved(self, workflow_id: str, limit: int = 100) -> Sequence[Unserved]:
        """Return steps that could run but that no living pool can run.

        Their queue is paused, or served by no living pool, or by none that can run their worker; or their arguments
        did not fit in the last pool that claimed them.
        """
        rows = await self._calls.fetch(
            f"""
            select s.name, s.queue, s.worker, s.refusals, s.reason,
                   case when s.outcome = 'misfit' then s.reason end as misfit,
                   exists (
                       select from {self._living_pools} p where s.queue = any(p.queues)
                   ) as is_served,
                   (
                       select extract(epoch from clock_timestamp() - u.paused_at)::double precision
                         from {self._schema}.queue_settings u
                        where u.queue = s.queue
                   ) as paused_seconds,
                   q.state,
                   coalesce(extract(epoch from q.scheduled_at - clock_timestamp())::double precision, 0) as seconds_left
              from {self._schema}.workflows w
              join lateral ({self._steps_of_w}) s on true
              join lateral (
                       select e.state, e.is_join, e.scheduled_at
                         from {self._schema}.queue e
                        where e.step_id = s.id
                       offset 0
                   ) q on true
              cross join (
                  select array(
                             select u.queue from {self._schema}.queue_settings u where u.paused_at is not null
                         ) as queues
              ) z
             where w.id = $1
               and q.state not in ('executing', 'waiting')
               and (s.queue = any(z.queues) or s.outcome = 'misfit' or not exists (
                       select
                         from {self._living_pools} p
                        where s.queue = any(p.queues) and (q.is_join or s.worker = any(p.workers))
                   ))
             order by s.id
             limit $2
            """,
            workflow_id,
            limit,
        )
        return [_unserved(row) for row in rows]

    async def queues(self) -> Sequence[Queue]:
        """Return every queue that has entries, is paused, served or limited, by name. Reads every entry there is."""
        rows = await self._calls.fetch(
            f"""
            with entries as (
                select q.queue,
                       count(*) filter (where q.state = 'available') as available,
                       count(*) filter (where q.state in ('scheduled', 'retryable')) as waiting,
                       count(*) filter (where q.state = 'executing') as executing
                  from {self._schema}.queue q
                 where q.state <> 'waiting'
                 group by q.queue
            ), served as (
                select l.queue, count(*) as pools, sum(l.slots) as slots
                  from {self._living_pools} p
                 cross join unnest(p.queues, p.limits) as l(queue, slots)
                 group by l.queue
            )
            select coalesce(e.queue, s.queue, u.queue) as name, u.paused_at,
                   coalesce(e.available, 0) as available, coalesce(e.waiting, 0) as waiting,
                   coalesce(e.executing, 0) as executing, coalesce(s.pools, 0) as pools, coalesce(s.slots, 0) as slots,
                   u.running, coalesce(u.is_limited, false) as is_limited
              from entries e
              full join served s on s.queue = e.queue
              full join (
                       select l.queue, l.paused_at, l.running,
                              coalesce(l.running, l.starts, l.lane_running, l.lane_starts) is not null as is_limited
                         from {self._schema}.queue_settings l
                        where coalesce(l.running, l.starts, l.lane_running, l.lane_starts) is not null
                           or l.paused_at is not null
                   ) u on u.queue = coalesce(e.queue, s.queue)
             order by 1
            """
        )
        return [Queue(**row) for row in rows]

    async def steps(self, workflow_id: str) -> Sequence[StepRecord]:
        """Return all steps as a tree, in the order added. Empty if there is no such workflow."""
        rows = await self._calls.fetch(
            f"""
            select v.queue, v.priority, v.attempt, v.max_attempts, v.pending, v.dependencies, v.args::text,
                   coalesce(v.errors::text[], '{{}}') as errors, v.pool,
                   -- of infinity asyncpg makes a datetime without a time zone
                   case when isfinite(v.scheduled_at) then v.scheduled_at end as scheduled_at,
                   v.attempted_at, v.finished_at, v.ends_at, v.concurrency, v.role, v.edges,
                   v.progress, v.progress_message, {self._ended}
              from {self._schema}.steps_view v
             where v.workflow_id = $1 and (v.role is null or v.role not in ('gate', 'end'))
             order by v.id
            """,
            workflow_id,
        )
        return step_tree(rows)

    async def ended(self, workflow_id: str, step: str | None) -> Sequence[StepEnd]:
        """Return how a step ended, and the steps below it. A group comes before what is below it.

        Without a name, of the step that the workflow returns, or of its last steps, on which no other step depends.
        """
        rows = await self._calls.fetch(
            f"""
            with recursive chosen(id, first_child, children) as (
                select s.id, s.first_child, s.children
                  from {self._schema}.workflows w
                  join lateral ({self._steps_of_w}) s on true
                 where w.id = $1
                   and case
                           when $2::text is not null then s.name = $2
                           when w.returns is not null then s.id = {self._schema}.step_of(w.key, w.returns)
                           else s.parent is null and coalesce(s.is_last, s.dependents = '{{}}')
                       end
                 union all
                select c.id, c.first_child, c.children
                  from chosen g
                  join lateral (
                           select s.id, s.first_child, s.children
                             from {self._schema}.steps s
                            where s.id >= {self._schema}.sibling_of(g.id, g.first_child)
                              and s.id < {self._schema}.sibling_of(g.id, g.first_child + g.children)
                           offset 0
                       ) c on true
            )
            select {self._ended}
              from chosen k
              join lateral (select s.* from {self._schema}.steps s where s.id = k.id offset 0) v on true
             order by v.id
            """,
            workflow_id,
            step,
        )
        return [step_end(row) for row in rows]

    async def names(self, workflow_id: str) -> Sequence[str]:
        """Return the names of the steps in the order added."""
        rows = await self._calls.fetch(
            f"""
            select s.name
              from {self._schema}.workflows w
              join lateral ({self._steps_of_w}) s on {self._of_user}
             where w.id = $1
             order by s.id
            """,
            workflow_id,
        )
        return [row["name"] for row in rows]

    async def states(self, workflow_id: str, names: Sequence[str]) -> Mapping[str, StepState]:
        """Return the states of the steps with these names, by name, in the order added."""
        rows = await self._calls.fetch(
            f"""
            select s.name, coalesce(q.state, s.state) as state
              from {self._schema}.workflows w
              join lateral ({self._steps_of_w}) s on s.name = any($2)
              left join lateral (select e.state from {self._schema}.queue e where e.step_id = s.id offset 0) q on true
             where w.id = $1
             order by s.id
            """,
            workflow_id,
            list(names),
        )
        return {row["name"]: row["state"] for row in rows}


def _unserved(row: Record) -> Unserved:
    from baton.core.explaining.unfinished import why_unserved  # few programs need it

    cause = why_unserved(
        state=row["state"],
        queue=row["queue"],
        worker=row["worker"],
        paused_seconds=row["paused_seconds"],
        is_served=row["is_served"],
        is_known=False,
        misfit=row["misfit"],
        refusal=row["reason"] if row["refusals"] else None,
        seconds_left=row["seconds_left"],
    )
    return Unserved(row["name"], row["queue"], row["worker"], cause.fact if cause else "")
