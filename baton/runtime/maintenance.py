"""Upkeep that every pool does, in small batches and without a leader.

Its parts are calls and transactions of their own, each with its own schedule: a part that fails does not keep the
others from being done.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from baton.database.connections import Connector, ReconnectingConnection, pause_before
from baton.database.messages import UpkeepResult
from baton.database.record_store import RecordStore
from baton.database.schedules import ScheduleStore
from baton.database.store import Store
from baton.events import Observers, UpkeepDone, UpkeepFailed
from baton.runtime.ongoing_failures import OngoingFailures
from baton.runtime.schedules import Schedules
from baton.tasks import wait_for_event

LIMIT = 1000
"""How many entries or steps one call touches."""
SHORTEST_PAUSE = 0.005
PAUSE_WHILE_HELD = 0.05
LONGEST_PAUSE = 2.0
SWEEPS_PER_PRUNE = 6
"""How many sweeps pass before the next look for old workflows, when the last one found none."""
NOTHING = UpkeepResult()


@dataclass(slots=True)
class Part:
    """One part of upkeep, with the time of its next call."""

    name: str
    call: Callable[[], Awaitable[UpkeepResult]]
    due: float = math.inf
    """In the event loop's time; never, until another part finds work for it."""
    failures: int = 0
    """In a row."""


class Maintenance:
    """Does each part of upkeep when it is due.

    look        finds out which of the next four have something to do, so that an idle pool makes one call
    mark dead   pools whose lease ran out
    rescue      the steps of dead pools
    end         what has passed its deadline
    stage       entries whose time has come
    schedules   slots whose time has come
    end waits   steps for which what they wait for has come, or whose time is up
    prune       old workflows
    prune debug old debug records

    Args:
        sweep_seconds: how often to look for dead pools.
        stage_seconds: how often to look for entries whose time has come.
        keep: how long finished workflows are kept; None keeps them.
        keep_debug: how long debug records are kept; None keeps them as long as their workflows.
        keep_usage: how long what calls of language models used is kept; None deletes it with the workflow.
        failures: is kept informed of what fails.
        on_staged: called when something became available.
    """

    def __init__(
        self,
        connector: Connector,
        schema: str,
        *,
        sweep_seconds: float,
        stage_seconds: float,
        keep: timedelta | None,
        keep_debug: timedelta | None,
        keep_usage: timedelta | None,
        failures: OngoingFailures,
        on_staged: Callable[[], None],
        observers: Observers,
    ) -> None:
        self._connection = ReconnectingConnection(connector, "maintenance")
        self._store = Store(self._connection, schema)
        self._records = RecordStore(self._connection, schema)
        self._scheduled = Schedules(ScheduleStore(self._connection, schema), observers)
        self._sweep_seconds = sweep_seconds
        self._stage_seconds = stage_seconds
        self._keep = keep
        self._keep_debug = keep_debug
        self._keep_usage = keep_usage
        self._failures = failures
        self._on_staged = on_staged
        self._observers = observers
        self._clock = asyncio.get_running_loop().time
        now = self._clock()
        self._look = Part("look", self._do_look, now)
        self._mark_dead = Part("mark dead", self._do_mark_dead)
        self._rescue = Part("rescue", self._do_rescue)
        self._end = Part("end overdue", self._do_end, now)
        self._stage = Part("stage", self._do_stage, now)
        self._schedules = Part("schedules", self._do_schedules)
        self._end_waits = Part("end waits", self._do_end_waits)
        self._pause_of_waits = SHORTEST_PAUSE
        self._prune = Part("prune", self._do_prune, math.inf if keep is None else now)
        self._prune_debug = Part("prune debug", self._do_prune_debug)
        self._parts = (
            self._look,
            self._mark_dead,
            self._rescue,
            self._end,
            self._stage,
            self._schedules,
            self._end_waits,
            self._prune,
            self._prune_debug,
        )
        self._times_held = 0
        self._sooner = asyncio.Event()

    def due_in(self, seconds: float) -> None:
        """Note that an entry is due after this many seconds."""
        self._bring_forward(self._stage, seconds)
        self._sooner.set()

    def schedule_due_in(self, seconds: float) -> None:
        """Note that a schedule is due after this many seconds."""
        self._bring_forward(self._schedules, seconds)
        self._sooner.set()

    def ends_in(self, seconds: float) -> None:
        """Note that a deadline is due after this many seconds."""
        self._bring_forward(self._end, seconds)
        self._sooner.set()

    def wait_over_in(self, seconds: float) -> None:
        """Note that what a step waits for comes after this many seconds, or has come."""
        self._bring_forward(self._end_waits, seconds)
        self._sooner.set()

    async def run(self) -> None:
        """Do the upkeep until cancelled."""
        try:
            while True:
                await self.run_once()
                await self._wait()
        finally:
            await self._connection.aclose()

    async def run_once(self) -> UpkeepResult:
        """Do the parts that are due, and plan when each is due next. Raises nothing that a part raises."""
        done = NOTHING
        for part in self._parts:
            if part.due <= self._clock():
                did = await self._do(part)
                done = UpkeepResult(
                    died=done.died + did.died,
                    lost=done.lost + did.lost,
                    given_back=done.given_back + did.given_back,
                    pruned=done.pruned + did.pruned,
                    staged=done.staged + did.staged,
                    waits_ended=done.waits_ended + did.waits_ended,
                    ended=done.ended + did.ended,
                )
        return done

    async def _do(self, part: Part) -> UpkeepResult:
        # What is noticed during the call may be missing in its answer, and brings the part forward
        # again.
        part.due = math.inf
        try:
            did = await part.call()
        except Exception as error:  # noqa: BLE001 - a loop; the next round tries again
            self._failures.failed(part.name, error)
            self._bring_forward(part, pause_before(part.failures))
            part.failures += 1
            self._observers.emit(UpkeepFailed(part.name, part.failures, error))
            return NOTHING
        part.failures = 0
        if self._observers.are_given or did.died or did.lost or did.given_back:
            facts = (did.died, did.lost, did.given_back, did.pruned, did.staged, did.waits_ended, did.ended)
            self._observers.emit(UpkeepDone(part.name, *facts))
        return did

    async def _do_look(self) -> UpkeepResult:
        planned, self._stage.due = self._stage.due, math.inf
        to_end, self._end.due = self._end.due, math.inf
        try:
            found = await self._store.upkeep_due()
        except BaseException:
            # Looking only saves calls: without it the parts find out for themselves.
            self._stage.due = min(self._stage.due, planned)
            self._bring_forward(self._stage, self._stage_seconds)
            self._end.due = min(self._end.due, to_end)
            self._bring_forward(self._end, self._stage_seconds)
            self._bring_forward(self._mark_dead)
            self._bring_forward(self._rescue)
            self._bring_forward(self._end_waits)
            raise
        self._failures.succeeded(self._look.name)
        # It says when the next entry is due, so an idle pool need not stage to find out.
        between_looks = min(self._sweep_seconds, self._stage_seconds)
        self._bring_forward(self._look, between_looks * random.uniform(0.8, 1.0))
        for is_needed, part in ((found.deaths, self._mark_dead), (found.orphans, self._rescue)):
            if is_needed:
                self._bring_forward(part)
            else:
                self._failures.succeeded(part.name)
        self._plan_stage(found.next_in, 0.0)
        if found.next_schedule is None:
            self._failures.succeeded(self._schedules.name)
        else:
            self._bring_forward(self._schedules, found.next_schedule)
        if found.ends_in is not None:
            self._bring_forward(self._end, found.ends_in)
        if found.waits_in is not None:
            self._bring_forward(self._end_waits, found.waits_in)
        if found.debug_age is not None and self._keep_debug is not None:
            self._bring_forward(self._prune_debug, max(0.0, self._keep_debug.total_seconds() - found.debug_age))
        return NOTHING

    async def _do_mark_dead(self) -> UpkeepResult:
        marked = await self._store.mark_dead()
        self._failures.succeeded(self._mark_dead.name, marked.passed_over)
        if marked.died:
            self._bring_forward(self._rescue)
        return UpkeepResult(died=marked.died)

    async def _do_rescue(self) -> UpkeepResult:
        rescued = await self._store.rescue(limit=LIMIT)
        self._failures.succeeded(self._rescue.name, rescued.passed_over, is_complete=not rescued.is_more)
        if rescued.is_more:
            self._bring_forward(self._rescue, SHORTEST_PAUSE)
        return UpkeepResult(lost=rescued.lost, given_back=rescued.given_back)

    async def _do_end(self) -> UpkeepResult:
        overdue = await self._store.end_overdue(limit=LIMIT)
        self._failures.succeeded(self._end.name, overdue.passed_over, is_complete=overdue.next_in != 0)
        # Due and not ended: somebody else holds the workflow, for as long as their transaction
        # takes.
        is_held = overdue.next_in == 0 and not overdue.ended
        self._times_held = self._times_held + 1 if is_held else 0
        shortest = min(LONGEST_PAUSE, PAUSE_WHILE_HELD * 2**self._times_held) if is_held else SHORTEST_PAUSE
        if overdue.next_in is not None:
            self._bring_forward(self._end, max(shortest, overdue.next_in))
        return UpkeepResult(ended=overdue.ended)

    async def _do_stage(self) -> UpkeepResult:
        staged = await self._store.stage(limit=LIMIT)
        self._failures.succeeded(self._stage.name, staged.passed_over, is_complete=staged.next_in != 0)
        # Due and not staged: another transaction holds the entry, and asking again at once would
        # not help.
        self._plan_stage(staged.next_in, SHORTEST_PAUSE if staged.staged else PAUSE_WHILE_HELD)
        if staged.staged:
            self._on_staged()
        return UpkeepResult(staged=staged.staged)

    async def _do_schedules(self) -> UpkeepResult:
        may_be_more = await self._scheduled.fire_due()
        self._failures.succeeded(self._schedules.name)
        # What is due next, the next look says.
        self._bring_forward(self._schedules if may_be_more else self._look, SHORTEST_PAUSE)
        return NOTHING

    async def _do_end_waits(self) -> UpkeepResult:
        ended = await self._store.end_waits(limit=LIMIT)
        if ended.has_runs:
            # In a transaction of its own: no two workflows of which one may wait for the other are
            # locked at once.
            await self._store.watch_runs(limit=LIMIT)
        self._failures.succeeded(self._end_waits.name, ended.passed_over, is_complete=ended.next_in != 0)
        # A wait that is over and did not end is held by another transaction, which may stay open.
        if ended.ended or ended.next_in != 0:
            self._pause_of_waits = SHORTEST_PAUSE
        else:
            self._pause_of_waits = min(2 * self._pause_of_waits, self._stage_seconds)
        if ended.next_in is not None:
            self._bring_forward(self._end_waits, max(self._pause_of_waits, ended.next_in))
        if ended.ended:
            self._on_staged()
        return UpkeepResult(waits_ended=ended.ended)

    async def _do_prune(self) -> UpkeepResult:
        assert self._keep is not None
        began = self._clock()
        pruned = await self._store.prune(self._keep, limit=LIMIT, keep_usage=self._keep_usage)
        # A workflow that was passed over is met again only when pruning has come round.
        self._failures.succeeded(self._prune.name, pruned.passed_over, is_complete=False)
        if pruned.workflows or pruned.is_more:
            # A pause as long as the call: pruning takes half of a connection's time at most, on any
            # server.
            self._bring_forward(self._prune, max(SHORTEST_PAUSE, self._clock() - began))
        else:
            longest = max(self._sweep_seconds, min(SWEEPS_PER_PRUNE * self._sweep_seconds, self._keep.total_seconds()))
            self._bring_forward(self._prune, longest * random.uniform(0.8, 1.0))
        return UpkeepResult(pruned=pruned.workflows)

    async def _do_prune_debug(self) -> UpkeepResult:
        assert self._keep_debug is not None
        if await self._records.prune_debug(self._keep_debug, limit=LIMIT) == LIMIT:
            self._bring_forward(self._prune_debug, SHORTEST_PAUSE)
        self._failures.succeeded(self._prune_debug.name)
        return NOTHING

    def _plan_stage(self, next_in: float | None, shortest: float) -> None:
        if next_in is not None:
            self._bring_forward(self._stage, max(shortest, next_in))

    def _bring_forward(self, part: Part, seconds: float = 0.0) -> None:
        part.due = min(part.due, self._clock() + seconds)

    async def _wait(self) -> None:
        while (seconds := min(part.due for part in self._parts) - self._clock()) > 0:
            await wait_for_event(self._sooner, seconds)
            self._sooner.clear()
