"""Why a workflow or a step is not final yet: what each of its steps waits for, and what no pool serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.core.states import StepState
from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record

NAMED = 3
"""How many steps are explained one by one, and how many dependencies are named."""


@dataclass(frozen=True, slots=True)
class UnfinishedStep:
    """A step that is not final, and why."""

    step: str
    state: StepState
    why: str
    full_queue: str | None = None
    """The queue in which it waits for a slot, because the pools that serve it have none left."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Why a workflow, or a step of it, is not final."""

    steps: Sequence[UnfinishedStep]
    """The first ones: of a workflow those that could go on, of a step itself and what it waits for."""
    others: int
    """How many more steps of the workflow are not final; 0 where only a step is explained."""

    def __str__(self) -> str:
        steps = "; ".join(f"step {one.step!r} {one.why}" for one in self.steps)
        return f"{steps}; {self.others} more steps are not final" if self.others else steps


class Explanations:
    """The query behind `Unfinished`. It takes milliseconds, however large the workflow is."""

    def __init__(self, calls: Calls, schema: str) -> None:
        self._calls = calls
        self._schema = quoted(schema)

    async def unfinished(self, workflow_id: str, step: str | None = None) -> Unfinished | None:
        """Return why a workflow, or this step of it, is not final; None if there is nothing to explain."""
        chosen = self._entries if step is None else self._step_and_dependencies
        rows = await self._calls.fetch(
            f"""
            with w as (
                select w.key, w.remaining from {self._schema}.workflows w where w.id = $1 and w.state = 'executing'
            ), chosen(id, rank) as ({chosen})
            select {self._facts}
              from w
             cross join chosen c
              join lateral (select s.* from {self._schema}.steps s where s.id = c.id offset 0) s on true
              left join lateral (select e.* from {self._schema}.queue e where e.step_id = s.id offset 0) q on true
              left join {self._schema}.pools p on p.id = q.pool
             where s.finished_at is null
             order by c.rank, c.id
             limit {NAMED}
            """,
            *(workflow_id,) if step is None else (workflow_id, step),
        )
        if not rows:
            return None
        others = rows[0]["remaining"] - len(rows) if step is None else 0
        return Unfinished([_explained(row) for row in rows], others)

    @property
    def _entries(self) -> str:
        # `offset 0`: by the primary key, however large the planner estimates the range.
        return f"""
            select e.step_id, case e.state when 'executing' then 1 when 'available' then 2 else 3 end
              from w
              join lateral (
                       select q.step_id, q.state
                         from {self._schema}.queue q
                        where q.step_id >= {self._schema}.step_of(w.key, 0)
                          and q.step_id < {self._schema}.step_of(w.key + 1, 0)
                       offset 0
                   ) e on true
             order by 2, 1
             limit {NAMED}"""

    @property
    def _step_and_dependencies(self) -> str:
        return f"""
            select x.id, x.rank
              from w
              join lateral (
                       select s.id, s.dependencies
                         from {self._schema}.steps s
                        where s.id >= {self._schema}.step_of(w.key, 0)
                          and s.id < {self._schema}.step_of(w.key + 1, 0)
                          and s.name = $2
                       offset 0
                   ) t on true
             cross join lateral (
                       select t.id, 1
                        union all
                       select {self._schema}.sibling_of(t.id, o.ordinal), 2 from unnest(t.dependencies) as o(ordinal)
                   ) x(id, rank)"""

    @property
    def _facts(self) -> str:
        living = f"select from {self._schema}.pools l where l.dead_at is null and l.expires_at > clock_timestamp()"
        return f"""
            w.remaining, s.name, s.worker, s.queue, s.max_attempts, s.pending, s.reason, s.refusals, s.children,
            coalesce(q.state, s.state) as state, coalesce(q.attempt, s.attempt) as attempt,
            extract(epoch from clock_timestamp() - q.attempted_at)::double precision as seconds,
            extract(epoch from q.scheduled_at - clock_timestamp())::double precision as due_in,
            extract(epoch from q.ends_at - clock_timestamp())::double precision as ends_in,
            s.awaits ->> 'type' as awaits, s.awaits ->> 'default' is not null as has_default,
            s.awaits ->> 'id' as run_id,
            s.errors[cardinality(s.errors)] ->> 'error' as error,
            case when s.outcome = 'misfit' then s.reason end as misfit,
            p.name as pool,
            p.id is null or p.dead_at is not null or p.expires_at < clock_timestamp() as is_gone,
            exists (
                select from {self._schema}.queue_settings u where u.queue = s.queue and u.paused_at is not null
            ) as is_paused,
            exists ({living} and s.queue = any(l.queues)) as is_served,
            exists ({living} and s.queue = any(l.queues) and (q.is_join or s.worker = any(l.workers))) as is_known,
            (
                select sum(o.slots)
                  from {self._schema}.pools l
                 cross join unnest(l.queues, l.limits) as o(queue, slots)
                 where l.dead_at is null and l.expires_at > clock_timestamp() and o.queue = s.queue
            ) as slots,
            (select count(*) from {self._schema}.queue e where e.state = 'executing' and e.queue = s.queue) as taken,
            array(
                select d.name
                  from unnest(s.dependencies) with ordinality as o(ordinal, n)
                  join {self._schema}.steps d on d.id = {self._schema}.sibling_of(s.id, o.ordinal)
                 where d.finished_at is null
                 order by o.n
            ) as waits_for"""


def why_unserved(row: Record) -> str | None:
    """Return why no pool can run a step, or None if one can; see `Explanations` for the columns."""
    if row["is_paused"]:
        return f"queue {row['queue']!r} is paused"
    if row["misfit"] is not None:
        return f"no worker pool that claimed it could run it: {row['misfit']}"
    if not row["is_served"]:
        return f"no living worker pool serves queue {row['queue']!r}"
    if not row["is_known"]:
        tried = f"; the last one that tried says: {row['reason']}" if row["refusals"] and row["reason"] else ""
        return f"no living worker pool that serves queue {row['queue']!r} can run worker {row['worker']!r}{tried}"
    return None


def _explained(row: Record) -> UnfinishedStep:
    name, state = row["name"], row["state"]
    match state:
        case "executing":
            return UnfinishedStep(name, state, _why_executing(row))
        case "suspended":
            return UnfinishedStep(name, state, _why_suspended(row))
        case "waiting":
            return UnfinishedStep(name, state, _why_waiting(row))
        case _:
            return _waiting(row)


def _waiting(row: Record) -> UnfinishedStep:
    """Explain a step that has an entry in its queue and does not execute."""
    name, state = row["name"], row["state"]
    if (unserved := why_unserved(row)) is not None:
        return UnfinishedStep(name, state, f"is {state}, and {unserved}")
    if state != "available":
        return UnfinishedStep(name, state, _why_delayed(row))
    if row["taken"] < row["slots"]:
        return UnfinishedStep(name, state, f"is available in queue {row['queue']!r}, and is about to start")
    why = f"waits for a slot in queue {row['queue']!r}, whose {row['slots']} are all taken"
    return UnfinishedStep(name, state, why, row["queue"])


def _why_executing(row: Record) -> str:
    runs = f"has been executing for {row['seconds']:.0f} s (attempt {row['attempt']} of {row['max_attempts']})"
    if row["is_gone"]:
        return f"{runs} in a worker pool that is gone, and will be started again by another one"
    return f"{runs} in worker pool {row['pool']!r}"


def _why_delayed(row: Record) -> str:
    due = f"starts in {max(0.0, row['due_in']):.0f} s"
    if row["state"] == "retryable":
        return f"failed in attempt {row['attempt']} of {row['max_attempts']} ({row['error']}), and {due}"
    if row["refusals"] and row["reason"]:
        return f"was put back ({row['reason']}), and {due}"
    return f"is scheduled, and {due}"


def _why_waiting(row: Record) -> str:
    if row["awaits"] == "timer":
        return f"waits for its time, which comes in {max(0.0, row['ends_in']):.0f} s"
    if row["awaits"] == "run":
        return f"waits for workflow {row['run_id']!r} to end"
    if row["ends_in"] is None:
        return f"waits for a {row['awaits']}, without a limit"
    then = "it takes its default" if row["has_default"] else "it is discarded"
    return f"waits for a {row['awaits']}; without one {then} in {max(0.0, row['ends_in']):.0f} s"


def _why_suspended(row: Record) -> str:
    if row["waits_for"]:
        names = [repr(name) for name in row["waits_for"][:NAMED]]
        more = len(row["waits_for"]) - len(names)
        return f"waits for {', '.join(names)}{f' and {more} other steps' if more else ''}"
    if row["children"] is not None:
        return f"waits for {row['pending']} of its {row['children']} children"
    return "waits for a free slot of its map"
