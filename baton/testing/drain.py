"""One drain: it runs what is due, and lets time pass until the next step is due, until nothing is left to do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from time import monotonic

from baton.client.engine import Engine
from baton.database.messages import Claimed
from baton.database.migrate import quoted
from baton.events import AttemptEnded
from baton.runtime.attempts import Attempt, Cause
from baton.runtime.schedules import Schedules
from baton.tasks import Tasks
from baton.testing.crashes import Crashes
from baton.testing.errors import CannotRun, DrainNeverEnds, StepHangs
from baton.testing.passed_schedules import PassedSchedules
from baton.testing.stepped_pool import Ran, SteppedPool
from baton.testing.tables import EngineTables

AT_ONCE = 1000
LOOKED_AT = 1000
"""How many available steps a seed chooses from."""
LOOK_SECONDS = 0.01
"""How often to look for steps that a running attempt has inserted."""
STOP_SECONDS = 1.0
CANNOT_RUN = ("unknown_worker", "misfit")
"""Outcomes with which a step waits for another process. In a test there is none, so they are errors of the test."""
MOST_IN_ALL = 100
"""Steps of one drain in all, as a multiple of how often one step may run."""

# In the order in which a pool claims. A seed chooses among those that a pool with more slots would
# run side by side.
_AVAILABLE = """
select a.step_id, a.queue
  from (
      select q.step_id, q.queue, q.priority, q.position, min(q.priority) over (partition by q.queue) as best
        from {schema}.queue q
       where q.state = 'available'
         and not exists (select from {schema}.queue_settings p where p.queue = q.queue and p.paused_at is not null)
         and ($1::text[] is null or q.queue = any($1))
         and q.queue <> all($3::text[])
  ) as a
 where a.priority = a.best
 order by a.priority, a.position, a.step_id
 limit $2
"""
# A position orders the entries of a queue, and does nothing else.
_PUT_FIRST = """
update {schema}.queue q
   set position = (select min(o.position) from {schema}.queue o) - interval '1 second'
 where q.step_id = $1
"""
_MAKE_DUE = """
update {schema}.queue q
   set scheduled_at = clock_timestamp()
 where q.step_id = $1
   and q.state = 'retryable'
"""


@dataclass(frozen=True, slots=True)
class DrainOptions:
    """See `Harness.drain`."""

    advance: float
    """Seconds."""
    queues: Sequence[str] | None
    seed: int | None
    concurrency: int
    patience: float
    most: int


@dataclass(frozen=True, slots=True)
class DrainResult:
    """What a drain did."""

    attempts: Sequence[AttemptEnded]
    """Every attempt that ended, in the order of their ends; without joins of groups and expansions of maps."""

    @property
    def steps(self) -> Sequence[str]:
        """The names of the steps of these attempts; one that ran twice is there twice."""
        return [attempt.step for attempt in self.attempts]


class Drain:
    """One call of `Harness.drain`."""

    def __init__(
        self,
        engine: Engine,
        pool: SteppedPool,
        tables: EngineTables,
        schedules: PassedSchedules,
        crashes: Crashes,
        options: DrainOptions,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._tables = tables
        self._schedules = schedules
        self._firing = Schedules(schedules, pool.observers)
        self._crashes = crashes
        self._options = options
        self._seconds_left = options.advance
        self._random = None if options.seed is None else random.Random(options.seed)
        self._tasks = Tasks()
        self._running: dict[asyncio.Task[Ran | None], Attempt] = {}
        self._times: Counter[int] = Counter()
        self._times_in_all = 0
        self._progress_at = monotonic()
        """When an attempt began or ended last."""
        self._last: dict[int, str] = {}
        self._ended: list[AttemptEnded] = []
        schema = quoted(engine.schema)
        self._available = _AVAILABLE.format(schema=schema)
        self._put_first = _PUT_FIRST.format(schema=schema)
        self._make_due = _MAKE_DUE.format(schema=schema)

    async def run(self) -> DrainResult:
        try:
            await self._run_available()
            while await self._pass_time():
                await self._run_available()
        finally:
            await self._stop_attempts()
        return DrainResult(tuple(self._ended))

    async def _pass_time(self) -> bool:
        """Make available what is due, or let time pass until something is. Return whether there may be work."""
        if await self._do_upkeep():
            return True
        async with self._engine.connections.acquire() as connection:
            passed = await self._tables.pass_time(connection, self._seconds_left, self._schedules.passed)
        self._seconds_left -= passed.seconds
        self._schedules.passed += passed.seconds
        # Something may have become due between the two calls.
        return await self._do_upkeep() or passed.is_due

    async def _do_upkeep(self) -> bool:
        """Do what upkeep would do now. Return whether anything has changed."""
        store = self._engine.store
        due = await store.upkeep_due()
        done = 0
        if due.next_in == 0:
            done += (await store.stage(limit=AT_ONCE)).staged
        if due.ends_in == 0:
            done += (await store.end_overdue(limit=AT_ONCE)).ended
        if due.next_schedule is not None:
            done += await self._firing.fire_due()
        ended = await store.end_waits(limit=AT_ONCE)
        if ended.has_runs:
            await store.watch_runs(limit=AT_ONCE)
        return done + ended.ended > 0

    async def _run_available(self) -> None:
        while True:
            while len(self._running) < self._options.concurrency and (claimed := await self._claim()):
                self._start(claimed)
            if not self._running:
                return
            for task in await self._some_ended():
                attempt = self._running.pop(task, None)
                if attempt is not None:  # None: the process crashed meanwhile
                    await self._finish(attempt, await task)

    async def _some_ended(self) -> set[asyncio.Task[Ran | None]]:
        """Wait until an attempt has ended, or there may be another step to run beside those that run."""
        has_room = len(self._running) < self._options.concurrency
        timeout = LOOK_SECONDS if has_room else self._options.patience
        done, _ = await asyncio.wait(self._running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if done:
            self._progress_at = monotonic()
        elif monotonic() - self._progress_at >= self._options.patience:
            raise StepHangs([attempt.claimed.step for attempt in self._running.values()], self._options.patience)
        return done

    async def _next_available(self, full: Collection[str]) -> tuple[int, str] | None:
        """Return the id and the queue of the step that is to run next, in none of the full queues."""
        async with self._engine.connections.acquire() as connection:
            queues = self._options.queues and list(self._options.queues)
            rows = await connection.fetch(self._available, queues, LOOKED_AT if self._random else 1, list(full))
            if not rows:
                return None
            if self._random is None:
                return rows[0]["step_id"], rows[0]["queue"]
            chosen = self._random.choice(sorted((row["step_id"], row["queue"]) for row in rows))
            await connection.execute(self._put_first, chosen[0])
        return chosen

    async def _claim(self) -> Claimed | None:
        # Queues of which a limit keeps a claim from getting any step.
        full: set[str] = set()
        while (found := await self._next_available(full)) is not None:
            if (claimed := await self._pool.claim(found[1])) is not None:
                return claimed
            full.add(found[1])
        return None

    def _start(self, claimed: Claimed) -> None:
        self._check_it_ends(claimed)
        attempt = Attempt(claimed)
        attempt.task = self._tasks.start(self._run(attempt), name=f"baton step {claimed.workflow_id}/{claimed.step}")
        self._running[attempt.task] = attempt
        self._progress_at = monotonic()

    async def _run(self, attempt: Attempt) -> Ran | None:
        """Return how an attempt ended; None if the process crashes before it begins."""
        return None if self._crashes.before(attempt.claimed) else await self._pool.run(attempt)

    async def _finish(self, attempt: Attempt, ran: Ran | None) -> None:
        claimed = attempt.claimed
        if ran is None:
            await self._crash()
            return
        if ran.ended is not None:
            self._ended.append(ran.ended)
            self._last[claimed.step_id] = _in_words(ran.ended)
        place = self._crashes.after(claimed, ran.outcome)
        if place is not None:
            await self._crash()
            if place == "again":
                await self._make_due_now(claimed)
            return
        await self._pool.settle(ran)
        if ran.ended is not None and ran.ended.kind in CANNOT_RUN:
            raise CannotRun(claimed.step, ran.ended.error or ran.ended.kind)

    async def _crash(self) -> None:
        """Lose everything that runs, and let other pools find out."""
        await self._stop_attempts()
        await self._pool.die()

    async def _make_due_now(self, claimed: Claimed) -> None:
        async with self._engine.connections.acquire() as connection:
            await connection.execute(self._make_due, claimed.step_id)

    async def _stop_attempts(self) -> None:
        for attempt in self._running.values():
            attempt.cancel(Cause.SHUTDOWN)
        self._running.clear()
        await self._tasks.ended(STOP_SECONDS)
        await self._tasks.aclose(STOP_SECONDS)

    def _check_it_ends(self, claimed: Claimed) -> None:
        self._times[claimed.step_id] += 1
        self._times_in_all += 1
        times, most = self._times[claimed.step_id], self._options.most
        if times > most:
            last = self._last.get(claimed.step_id, "has not ended yet")
            remedy = "if that is meant, write drain(most=...)"
            raise DrainNeverEnds(claimed.step, claimed.workflow_id, times - 1, f"the last time it {last}", remedy)
        if self._times_in_all > most * MOST_IN_ALL:
            last = f"the drain has run {self._times_in_all - 1:,} steps in all"
            raise DrainNeverEnds(claimed.step, claimed.workflow_id, times, last, "does it insert itself again?")


def _in_words(ended: AttemptEnded) -> str:
    text = f"ended as {ended.kind}"
    if ended.error:
        text += f" ({ended.error.splitlines()[0]})"
    return text if ended.delay is None else f"{text} and comes back after {ended.delay:g} s"
