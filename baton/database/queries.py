"""What people ask about a workflow: plain queries, no locks, no decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from baton.core.states import StepState, WorkflowState
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended, or is, for whoever wants its result."""

    id: int
    name: str
    state: StepState
    worker: str
    result: str | None
    """As JSON; None for none, and for a group with children."""
    reason: str | None
    grouping: str | None
    parent_id: int | None
    """The id of the group it is a child of."""
    children: int | None
    """How many children it has; None until it has any."""
    returns_id: int | None
    """The id of the child whose result is the group's."""
    is_last: bool
    """Nothing depends on it."""

    @property
    def local_name(self) -> str:
        """The name it has inside its group."""
        return self.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step as steps_view shows it; JSON still as text."""

    ended: Ended
    queue: str
    priority: int
    attempt: int
    max_attempts: int
    pending: int
    dependencies: Sequence[str]
    args: str
    errors: Sequence[str]
    pool: int | None
    scheduled_at: datetime | None
    attempted_at: datetime | None
    finished_at: datetime | None
    concurrency: int | None


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
    """How many steps of it these pools run at once, all together."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A workflow's state, and how many of its steps are in which state."""

    name: str | None
    state: WorkflowState
    inserted_at: datetime
    finished_at: datetime | None
    counts: Mapping[StepState, int]


ENDED = tuple(field.name for field in fields(Ended))


class Queries:
    """The queries, over whatever makes the calls."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        self._schema = quoted(schema)
        # By the primary key alone, as in steps_view: `offset 0` keeps the planner from reading the whole table.
        self._steps_of_w = f"""
            select s.*
              from {self._schema}.steps s
             where s.id >= {self._schema}.step_of(w.key, 0) and s.id < {self._schema}.step_of(w.key + 1, 0)
            offset 0"""
        # The engine's own steps are nobody's business but its own.
        self._is_users = "(v.role is null or v.role not in ('gate', 'end'))"
        self._ended = f"""
            v.id, v.name, v.state, v.worker, v.result::text, v.reason, v.grouping, v.children,
            {self._schema}.sibling_of(v.id, v.parent) as parent_id,
            {self._schema}.sibling_of(v.id, v.returns) as returns_id,
            coalesce(v.is_last, v.dependents = '{{}}') as is_last"""
        # By the lease as well: where every pool is gone, nobody is left to mark them dead.
        self._living_pools = f"""(
            select p.queues, p.limits, p.workers
              from {self._schema}.pools p
             where p.dead_at is null and p.expires_at > clock_timestamp())"""

    async def progress(self, workflow_id: str) -> Progress | None:
        """Return the state and the counts as of one moment, or None if there is no such workflow."""
        rows = await self._calls.fetch(
            f"""
            select w.key, coalesce(q.state, s.state) as state, count(*) as n,
                   w.name, w.state as workflow_state, w.inserted_at, w.finished_at
              from {self._schema}.workflows w
              join lateral ({self._steps_of_w}) s on true
              left join lateral (select q.state from {self._schema}.queue q where q.step_id = s.id offset 0) q on true
             where w.id = $1 and (s.role is null or s.role not in ('gate', 'end'))
             group by w.key, 2
            """,
            workflow_id,
        )
        if not rows:
            return None
        first = rows[0]
        return Progress(
            name=first["name"],
            state=first["workflow_state"],
            inserted_at=first["inserted_at"],
            finished_at=first["finished_at"],
            counts={row["state"]: row["n"] for row in rows},
        )

    async def unserved(self, workflow_id: str, limit: int = 100) -> Sequence[Unserved]:
        """Return steps whose queue is paused, or served by no living pool, or by none that knows their worker, or whose
        arguments did not fit the last pool that claimed them."""
        rows = await self._calls.fetch(
            f"""
            select s.name, s.queue, s.worker, case when s.outcome = 'misfit' then s.reason end as misfit,
                   exists (
                       select from {self._living_pools} p where s.queue = any(p.queues)
                   ) as is_served,
                   s.queue = any(z.queues) as is_paused
              from {self._schema}.workflows w
              join lateral ({self._steps_of_w}) s on true
              join lateral (
                       select e.state, e.is_join from {self._schema}.queue e where e.step_id = s.id offset 0
                   ) q on true
              cross join (select array(select u.queue from {self._schema}.pauses u) as queues) z
             where w.id = $1
               and q.state <> 'executing'
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
        """Return every queue there is anything to tell of, by name. Reads the whole table of entries."""
        rows = await self._calls.fetch(
            f"""
            with entries as (
                select q.queue,
                       count(*) filter (where q.state = 'available') as available,
                       count(*) filter (where q.state in ('scheduled', 'retryable')) as waiting,
                       count(*) filter (where q.state = 'executing') as executing
                  from {self._schema}.queue q
                 group by q.queue
            ), served as (
                select l.queue, count(*) as pools, sum(l.slots) as slots
                  from {self._living_pools} p
                 cross join unnest(p.queues, p.limits) as l(queue, slots)
                 group by l.queue
            )
            select coalesce(e.queue, s.queue, u.queue) as name, u.paused_at,
                   coalesce(e.available, 0) as available, coalesce(e.waiting, 0) as waiting,
                   coalesce(e.executing, 0) as executing, coalesce(s.pools, 0) as pools, coalesce(s.slots, 0) as slots
              from entries e
              full join served s on s.queue = e.queue
              full join {self._schema}.pauses u on u.queue = coalesce(e.queue, s.queue)
             order by 1
            """
        )
        return [Queue(**row) for row in rows]

    async def steps(self, workflow_id: str) -> Sequence[StepRow]:
        """Return all steps, in the order added; a group before what is below it. Empty if there is no such workflow."""
        rows = await self._calls.fetch(
            f"""
            select v.queue, v.priority, v.attempt, v.max_attempts, v.pending, v.dependencies, v.args::text,
                   coalesce(v.errors::text[], '{{}}') as errors, v.pool, v.scheduled_at, v.attempted_at, v.finished_at,
                   v.concurrency, {self._ended}
              from {self._schema}.steps_view v
             where v.workflow_id = $1 and {self._is_users}
             order by v.id
            """,
            workflow_id,
        )
        return [_step(row) for row in rows]

    async def ended(self, workflow_id: str, step: str | None) -> Sequence[Ended]:
        """Return how a step ended and what is below it; without a name, the step that the workflow returns, or its last
        ones, those nothing depends on. A group comes before what is below it."""
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
        return [Ended(**row) for row in rows]

    async def names(self, workflow_id: str) -> Sequence[str]:
        """Return the names of the steps in the order added."""
        rows = await self._calls.fetch(
            f"select name from {self._schema}.steps_view where workflow_id = $1 order by id", workflow_id
        )
        return [row["name"] for row in rows]


def _step(row: Record) -> StepRow:
    told = dict(row)
    ended = Ended(**{name: told.pop(name) for name in ENDED})
    return StepRow(ended, **told)


def _unserved(row: Record) -> Unserved:
    if row["is_paused"]:
        why = f"queue {row['queue']!r} is paused"
    elif row["misfit"] is not None:
        why = f"no worker pool that claimed it could run it: {row['misfit']}"
    elif row["is_served"]:
        why = f"no living worker pool that serves queue {row['queue']!r} knows worker {row['worker']!r}"
    else:
        why = f"no living worker pool serves queue {row['queue']!r}"
    return Unserved(row["name"], row["queue"], row["worker"], why)
