"""The engine's functions as Python methods of the same names. All decisions are made in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from baton.core.debug_mode import stored_debug
from baton.core.expansion import Expansion
from baton.core.spec import WorkflowSpec
from baton.database import settling as statements
from baton.database.columns import (
    COLUMNS,
    call,
    columns,
    job_columns,
    scope_json,
    texts,
    without_places,
    workflow_columns,
)
from baton.database.messages import (
    Advanced,
    Cancelled,
    Claim,
    Claimed,
    ClaimRequest,
    Expanded,
    HeartbeatReply,
    Inserted,
    MarkedDead,
    NoRoom,
    NotInserted,
    Overdue,
    Part,
    PassedOver,
    Pruned,
    Rescued,
    Retried,
    SeparateClaim,
    Settled,
    Settlement,
    Staged,
    UpkeepDue,
    WaitsEnded,
    Watched,
    read_failures,
)
from baton.database.migrate import quoted
from baton.database.sending_store import SendingStore
from baton.database.settling import outcome_parameters, records_with, trace_parameter

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record

STEPS_PER_CALL = 20_000
"""How many steps go into one call: a workflow of a million is sent in parts, in bounded memory."""


def _with_lock_timeout(insertion: str) -> str:
    """Return the statement of an insertion, with a limit on how long it waits for an id that others are inserting.

    The limit holds for this statement, without a round trip of its own. The first argument is made from what sets it,
    so that it is set before the function begins.
    """
    call_after_setting = insertion.replace("$1::text", "substr(s.seconds, 3) || $1::text", 1)
    setting = "select set_config('lock_timeout', '1s', true) as seconds"
    return f"select i.* from ({setting}) as s, lateral ({call_after_setting}) as i"


class Store(SendingStore):
    """The engine in one schema. Each method is one round trip, and a transaction unless the caller has one."""

    def __init__(self, calls: Calls, schema: str, *, checks_inserts: bool = False) -> None:
        super().__init__(calls, schema)
        self.checks_inserts = checks_inserts
        """Workflows are inserted through the entrance for clients, which checks them and takes each as a whole."""
        prefix = quoted(schema)
        self._insert_workflow = call(f"{prefix}.insert_workflow", 11 + COLUMNS, texts=(12, 13))
        self._insert_job = call(f"{prefix}.insert_job", 10)
        self._insert_workflows = call(f"{prefix}.insert_workflows", 10 + COLUMNS, texts=(1, 3, 11, 12))
        self._insert_checked = call(f"{prefix}.insert_checked", 8 + COLUMNS, texts=(1, 3, 9, 10))
        self._insert_together = _with_lock_timeout(self._insert_checked if checks_inserts else self._insert_workflows)
        self._expand = call(f"{prefix}.expand", 10 + COLUMNS, texts=(11, 12))
        self._expand_map = call(f"{prefix}.expand_map", 8, texts=(8,))
        self._advance = statements.ADVANCE.format(prefix)
        self._settle = statements.SETTLE.format(prefix)
        self._settle_one = statements.SETTLE_ONE.format(prefix)
        self._advance_with_records = statements.ADVANCE_WITH_RECORDS.format(prefix)
        self._settle_with_records = statements.SETTLE_WITH_RECORDS.format(prefix)
        self._keep = call(f"{prefix}.keep", 3)
        self._reserve_budgets = call(f"{prefix}.reserve_budgets", 3)
        self._round_worker = f"select {prefix}.round_worker($1::text::bigint) as worker"
        self._item_graph = f"select {prefix}.item_graph($1::text::bigint) as graph"
        self._claim = call(f"{prefix}.claim", 5)
        self._claim_separately = call(f"{prefix}.claim_separately", 5)
        self._heartbeat = call(f"{prefix}.heartbeat", 6)
        self._upkeep_due = call(f"{prefix}.upkeep_due", 0)
        self._mark_dead = call(f"{prefix}.mark_dead", 0)
        self._rescue = call(f"{prefix}.rescue", 1)
        self._prune = call(f"{prefix}.prune", 3)
        self._stage = call(f"{prefix}.stage", 1)
        self._end_overdue = call(f"{prefix}.end_overdue", 1)
        self._end_waits = call(f"{prefix}.end_waits", 1)
        self._watch_runs = call(f"{prefix}.watch_runs", 1)
        self._register = call(f"{prefix}.register", 7)
        self._leave = call(f"{prefix}.deregister", 1)
        self._cancel = call(f"{prefix}.cancel", 7)
        self._retry = call(f"{prefix}.retry", 7)
        self._follow = call(f"{prefix}.follow", 2)
        self._follow_stream = call(f"{prefix}.follow_stream", 3)
        self._watch = call(f"{prefix}.watch", 2)
        self._pause = call(f"{prefix}.pause", 3)
        self._resume = call(f"{prefix}.resume", 3)

    async def insert_workflow(self, spec: WorkflowSpec) -> Inserted:
        """Insert a workflow. One of more than `STEPS_PER_CALL` steps needs a transaction of the caller's.

        A workflow with this id that exists is left as it is, and its fingerprint is returned.
        """
        if self.checks_inserts:
            missing = await self.insert_workflows(workflow_columns([spec]))
            existing, holder = missing.existing, missing.held.get(spec.id)
            is_new = holder is None and spec.id not in existing
            return Inserted(None, is_new, existing.get(spec.id, spec.fingerprint), holder)
        if (job := job_columns(spec)) is not None:
            (row,) = await self.calls.fetch(self._insert_job, *job)
            return Inserted(row["key"], row["is_inserted"], row["fingerprint"])
        key: int | None = None
        for first in range(0, len(spec.steps), STEPS_PER_CALL):
            part = spec.steps[first : first + STEPS_PER_CALL]
            is_last = first + len(part) == len(spec.steps)
            whole = (spec.id, spec.name, spec.fingerprint, stored_debug(spec.debug), spec.meta, scope_json(spec.scope))
            size = (len(spec.steps), spec.returns)
            (row,) = await self.calls.fetch(self._insert_workflow, key, *whole, *size, first, is_last, *columns(part))
            inserted = Inserted(row["key"], row["is_inserted"], row["fingerprint"], row["holder"])
            if not inserted.is_new:
                break
            key = inserted.key
        return inserted

    async def insert_workflows(self, columns: tuple[Any, ...]) -> NotInserted:
        """Insert what `workflow_columns` returned, and return which were not inserted."""
        if self.checks_inserts:
            (row,) = await self.calls.fetch(self._insert_checked, *without_places(columns))
        else:
            (row,) = await self.calls.fetch(self._insert_workflows, *columns)
        existing = dict(zip(row["taken"] or (), row["fingerprints"] or (), strict=True))
        return NotInserted(existing, dict(zip(row["held"] or (), row["holders"] or (), strict=True)))

    async def insert_together(self, specs: Sequence[WorkflowSpec]) -> dict[str, str]:
        """Insert small workflows with distinct ids in one transaction, as `insert_workflows`.

        Raises: LockNotAvailableError if one of the ids is being inserted in a transaction that stays open for a second.
        """
        given = workflow_columns(specs)
        (row,) = await self.calls.fetch(
            self._insert_together, *(without_places(given) if self.checks_inserts else given)
        )
        return dict(zip(row["taken"] or (), row["fingerprints"] or (), strict=True))

    async def expand(self, claim: Claim, graph: Expansion, part: Part, most: int) -> Expanded:
        """Write a part of the graph that takes the place of a step. The last part settles the step's attempt.

        The caller opens a transaction for several parts, and rolls it back unless each is accepted. `most` is how many
        steps the workflow may have then. Replayable from the first part on.
        """
        steps = graph.steps[part.first : part.end]
        (row,) = await self.calls.fetch(
            self._expand,
            *(claim.step_id, claim.token),
            *(len(graph.steps), graph.children, graph.returns, scope_json(graph.scope), most),
            *(part.base, part.first, part.end == len(graph.steps)),
            *columns(steps),
        )
        return Expanded(bool(row["accepted"]), row["base"], row["too_many"], row["unknown"] or ())

    async def expand_map(self, claim: Claim, size: int, args: Sequence[str], part: Part, most: int) -> Expanded:
        """Write a part of the children of a map with these arguments. It has `size` children. Otherwise as `expand`."""
        (row,) = await self.calls.fetch(
            self._expand_map,
            *(claim.step_id, claim.token, size, most, part.base, part.first, part.end == size, texts(args)),
        )
        return Expanded(bool(row["accepted"]), row["base"], row["too_many"])

    async def advance(self, pool: int, settling: Sequence[Settlement], claiming: ClaimRequest) -> Advanced:
        """Settle outcomes, then claim, in one transaction. Replayable with the same outcomes and the same claim."""
        queues, limits = claiming.columns()
        claim = (queues, limits, claiming.token, claiming.input_bytes)
        records = records_with(settling)
        statement = self._advance_with_records if records else self._advance
        rows = await self.calls.fetch(statement, pool, *claim, *outcome_parameters(settling), claiming.memory, *records)
        last = rows.pop()
        failures = read_failures(last["failures"])
        return Advanced(last["accepted"], [Claimed(claiming.token, *row[3:]) for row in rows], failures, last["memory"])

    async def settle(self, settling: Sequence[Settlement]) -> Settled:
        """Write outcomes with all their consequences. Replayable."""
        records = records_with(settling)
        statement = self._settle_with_records if records else self._settle
        (row,) = await self.calls.fetch(statement, *outcome_parameters(settling), *records)
        return Settled(row["accepted"], read_failures(row["failures"]))

    async def settle_one(self, settling: Settlement) -> bool:
        """Settle one outcome on the connection of a transactional worker, which may have codecs of its own."""
        outcome = settling.outcome
        delay = None if outcome.delay is None else repr(outcome.delay)
        (row,) = await self.calls.fetch(
            self._settle_one,
            *(str(settling.step_id), str(settling.token), outcome.kind, outcome.detail),
            *(trace_parameter(outcome), delay),
        )
        return bool(row["accepted"])

    async def keep(self, claim: Claim, value: str) -> bool:
        """Keep a value, as JSON, for the next attempts. Return False if the claim is void. Replayable."""
        (row,) = await self.calls.fetch(self._keep, claim.step_id, claim.token, value)
        return bool(row["keep"])

    async def reserve_budgets(self, claim: Claim, budgets: str) -> NoRoom | None:
        """Reserve what an attempt is expected to use of these budgets, as JSON. None if all is reserved. Replayable."""
        (row,) = await self.calls.fetch(self._reserve_budgets, claim.step_id, claim.token, budgets)
        return None if row["why"] is None else NoRoom(row["why"], row["is_final"], row["seconds"])

    async def round_worker(self, claim: Claim) -> str | None:
        """Return the worker whose arguments another round replaces if this step asks for one; None if it is gone."""
        (row,) = await self.calls.fetch(self._round_worker, str(claim.step_id))
        worker: str | None = row["worker"]
        return worker

    async def item_graph(self, claim: Claim) -> str | None:
        """Return the graph that a child of a map of a workflow expands into, as JSON; None for any other step."""
        (row,) = await self.calls.fetch(self._item_graph, str(claim.step_id))
        graph: str | None = row["graph"]
        return graph

    async def claim(self, pool: int, claiming: ClaimRequest) -> Sequence[Claimed]:
        """Claim as many steps of each queue as requested. Replayable: a token returns what it claimed before."""
        queues, limits = claiming.columns()
        rows = await self.calls.fetch(self._claim, pool, queues, limits, claiming.token, claiming.input_bytes)
        return [Claimed(claiming.token, *row) for row in rows]

    async def claim_separately(self, pool: int, claiming: ClaimRequest) -> SeparateClaim:
        """Claim as `claim` does, but pass over the steps that make it fail. Replayable."""
        queues, limits = claiming.columns()
        rows = await self.calls.fetch(
            self._claim_separately, pool, queues, limits, claiming.token, claiming.input_bytes
        )
        return SeparateClaim(
            [Claimed(claiming.token, *row[:-2]) for row in rows if row["passed_over"] is None],
            [PassedOver(row["passed_over"], row["error"]) for row in rows if row["passed_over"] is not None],
        )

    async def register(
        self, *, name: str, host: str, pid: int, limits: dict[str, int], workers: Sequence[str], lease_seconds: float
    ) -> int:
        """Register a worker pool and return its id. A replay may leave a second one behind, whose lease runs out."""
        queues = list(limits)
        (row,) = await self.calls.fetch(
            self._register, name, host, pid, queues, [limits[queue] for queue in queues], list(workers), lease_seconds
        )
        pool: int = row["register"]
        return pool

    async def deregister(self, pool: int) -> None:
        """End a pool's lease at once."""
        await self.calls.fetch(self._leave, pool)

    async def heartbeat(
        self,
        pool: int,
        number: int,
        tokens: Sequence[UUID],
        workers: Sequence[str],
        lease_seconds: float,
        failures: Sequence[str] = (),
    ) -> HeartbeatReply:
        """Renew a pool's lease, and note the tokens it holds or has in flight, and what fails in it.

        Each heartbeat has a higher number.
        """
        (row,) = await self.calls.fetch(
            self._heartbeat, pool, number, list(tokens), list(workers), list(failures), lease_seconds
        )
        held = frozenset(zip(row["step_ids"], row["tokens"], strict=True))
        return HeartbeatReply(row["is_alive"], held, row["serving"])

    async def upkeep_due(self) -> UpkeepDue:
        """Return what upkeep has to do. Changes nothing."""
        (row,) = await self.calls.fetch(self._upkeep_due)
        return UpkeepDue(**row)

    async def mark_dead(self) -> MarkedDead:
        """Mark the pools whose lease ran out. Replayable."""
        (row,) = await self.calls.fetch(self._mark_dead)
        return MarkedDead(row["died"], _passed_over(row))

    async def rescue(self, *, limit: int) -> Rescued:
        """Give the steps of dead pools to others. Replayable."""
        (row,) = await self.calls.fetch(self._rescue, limit)
        return Rescued(row["lost"], row["given_back"], row["is_more"], _passed_over(row))

    async def prune(self, keep: timedelta, *, limit: int, keep_usage: timedelta | None = None) -> Pruned:
        """Delete workflows that finished longer ago than `keep`. Replayable.

        What calls of language models used goes with them, or is kept as long as `keep_usage` says.
        """
        usage = None if keep_usage is None else keep_usage.total_seconds()
        (row,) = await self.calls.fetch(self._prune, keep.total_seconds(), limit, usage)
        return Pruned(row["pruned"], row["is_more"], _passed_over(row))

    async def stage(self, *, limit: int) -> Staged:
        """Make available what is due. Replayable."""
        (row,) = await self.calls.fetch(self._stage, limit)
        return Staged(row["staged"], row["next_in"], _passed_over(row))

    async def end_overdue(self, *, limit: int) -> Overdue:
        """End what has passed its deadline. Replayable."""
        (row,) = await self.calls.fetch(self._end_overdue, limit)
        return Overdue(row["ended"], row["next_in"], _passed_over(row))

    async def end_waits(self, *, limit: int) -> WaitsEnded:
        """End the steps for which what they wait for has come, or whose time is up. Replayable."""
        (row,) = await self.calls.fetch(self._end_waits, limit)
        return WaitsEnded(row["ended"], row["next_in"], row["has_runs"], _passed_over(row))

    async def watch_runs(self, *, limit: int) -> int:
        """Ask workflows for which steps wait to announce their end; return how many there are. Replayable."""
        (row,) = await self.calls.fetch(self._watch_runs, limit)
        watched: int = row["watch_runs"]
        return watched

    async def cancel(
        self,
        workflow_id: str,
        steps: Sequence[str] | None,
        reason: str | None,
        *,
        force: bool = False,
        as_skipped: bool = False,
        actor: str | None = None,
    ) -> Cancelled:
        """Cancel a workflow, or some of its steps. Replayable: it returns the same and cancels nothing more."""
        (row,) = await self.calls.fetch(
            self._cancel, workflow_id, _listed(steps), reason, uuid4(), force, as_skipped, actor
        )
        return Cancelled(row["cancelled"], row["unknown"] or ())

    async def retry(
        self,
        workflow_id: str,
        steps: Sequence[str] | None,
        *,
        forward: bool = False,
        downstream: bool = False,
        actor: str | None = None,
        reason: str | None = None,
    ) -> Retried:
        """Open failed steps again, or the named ones. Replayable: it returns the same and opens nothing more."""
        (row,) = await self.calls.fetch(
            self._retry, workflow_id, _listed(steps), uuid4(), forward, downstream, actor, reason
        )
        return Retried(row["opened"], row["unknown"] or (), row["refused"] or (), row["run_key"], row["key_holder"])

    async def watch(self, workflow_id: str, step: str | None) -> Watched:
        """Ask that the end of a workflow or step be announced, and return the state at that moment."""
        (row,) = await self.calls.fetch(self._watch, workflow_id, step)
        return Watched(row["key"], row["step_id"], row["state"])

    async def follow(self, workflow_id: str, seconds: float) -> None:
        """Ask that the ends of a workflow's steps, and its own, be announced for some seconds. Replayable."""
        await self.calls.fetch(self._follow, workflow_id, seconds)

    async def follow_stream(self, workflow_id: str, stream: str, seconds: float) -> None:
        """Ask that what is published to a stream, and the workflow's end, be announced for some seconds. Replayable."""
        await self.calls.fetch(self._follow_stream, workflow_id, stream, seconds)

    async def pause(self, queue: str, lane: str | None = None, actor: str | None = None) -> bool:
        """Pause a queue or a lane: no claim takes an entry of it. Return True if it was not paused; a replay False."""
        (row,) = await self.calls.fetch(self._pause, queue, actor, lane)
        return bool(row["paused"])

    async def resume(self, queue: str, lane: str | None = None, actor: str | None = None) -> bool:
        """Resume a queue or a lane and wake its pools. Return True if it was paused; a replay returns False."""
        (row,) = await self.calls.fetch(self._resume, queue, actor, lane)
        return bool(row["resumed"])


def _passed_over(row: Record) -> Sequence[PassedOver]:
    rows, errors = row["passed_over"] or (), row["errors"] or ()
    return [PassedOver(*one) for one in zip(rows, errors, strict=True)]


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
