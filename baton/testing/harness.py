"""`Harness`: tests of workflows on a real PostgreSQL, in which nobody waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from baton.client.engine import Engine
from baton.core import registry
from baton.core.durations import Seconds, seconds
from baton.core.options import at_least_one
from baton.core.usage.prices import PriceSource
from baton.core.worker import AnyWorker
from baton.events import Observer
from baton.runtime.pool_settings import PoolSettings, pool_settings
from baton.runtime.resources import Provider
from baton.testing.crashes import Crashes
from baton.testing.drain import Drain, DrainOptions, DrainResult
from baton.testing.errors import HarnessClosed
from baton.testing.inserted_jobs import InsertedJob, inserted_jobs
from baton.testing.passed_schedules import PassedSchedules
from baton.testing.stepped_pool import SteppedPool
from baton.testing.stubs import registered, stubbed
from baton.testing.tables import EngineTables

MOST_TIMES = 1_000
PATIENCE_SECONDS = 30.0
LEASE = timedelta(days=365)
AT_ONCE = 100
"""Threads and connections for workers."""


class Harness:
    """Runs the steps of a test in this process, when the test asks for it: claimed, run and settled as by a pool.

        async with Engine(address) as engine, Harness(engine) as harness:
            run = await order.insert()
            await harness.drain(advance=timedelta(days=2))
            assert await run.wait(timeout=1) == "completed"

    Used with `async with`, in the event loop of its engine. The pytest plugin opens one for each test that asks for
    `engine`; its methods are fixtures there. Nothing runs between two drains, and no other pool should serve the schema
    meanwhile.

    On leaving, workers that were registered or stubbed meanwhile are as before, and a planned crash that never happened
    raises `NeverReached`, unless the test has failed already.

    Args:
        engine: an entered engine, on a database for tests.
        provide, executors, redact, observers, prices: as `WorkerPool` takes them.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        provide: Sequence[Provider] = (),
        executors: Mapping[str, Executor] | None = None,
        redact: Callable[[str], str] | None = None,
        observers: Sequence[Observer] = (),
        prices: PriceSource | None = None,
    ) -> None:
        self.engine = engine
        self._settings = _settings(provide, executors, redact, observers, prices)
        self._registry = ExitStack()
        self._crashes = Crashes()
        self._tables: EngineTables | None = None
        self._pool: SteppedPool | None = None
        self._passed: PassedSchedules | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._tables = await EngineTables.of(self.engine)
        self._registry.enter_context(registry.isolated())
        self._is_open = True
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._is_open = False
        self._registry.close()
        await self._leave_pool()
        if error is None:
            self._crashes.check_all_happened()

    async def _leave_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    async def empty(self, *, even_if_in_use: bool = True) -> None:
        """Delete every workflow and every pool of the schema.

        Raises: NotATestDatabase, unless `even_if_in_use`, if a pool of another process is alive in it.
        """
        tables = self._opened()
        await self._leave_pool()
        self._passed = None
        async with self.engine.connections.acquire() as connection:
            if not even_if_in_use:
                await tables.refuse_if_in_use(connection)
            await tables.empty(connection)

    async def drain(
        self,
        *,
        advance: Seconds = 0,
        queues: Sequence[str] | None = None,
        seed: int | None = None,
        concurrency: int = 1,
        patience: Seconds = PATIENCE_SECONDS,
        most: int = MOST_TIMES,
    ) -> DrainResult:
        """Run every step that is due, and what it releases, until nothing is due any more.

        Args:
            advance: how much time passes, in seconds or as a `timedelta`. Stored times are moved from one that is due
                to the next, so retries, snoozes, delays and timeouts come in their order, and nobody waits. The clocks
                of your own code and of the database go on as they are.
            queues: run the steps of these queues only.
            seed: run the steps that are available at the same time in an order drawn from this number: the same number
                gives the same order. Left out, the order is that in which one pool with one slot claims them.
            concurrency: how many attempts run at a time. A worker that waits for another run needs two.
            patience: how many seconds of real time may pass without the end of an attempt.
            most: how often one step may run.

        Raises:
            DrainNeverEnds: a step ran more than `most` times.
            StepHangs: see `patience`.
            CannotRun: a worker is not registered here, lacks what a pool provides, or is given what does not fit it.
            NotIdempotent: see `runs_twice`.
        """
        tables = self._opened()
        options = DrainOptions(
            advance=seconds("advance", advance),
            queues=queues,
            seed=seed,
            concurrency=at_least_one("concurrency", concurrency) or 1,
            patience=seconds("patience", patience),
            most=at_least_one("most", most) or MOST_TIMES,
        )
        if self._pool is None:
            pool = SteppedPool(self.engine, self._settings, self._crashes.is_lost)
            await pool.open()
            self._pool = pool
        return await Drain(self.engine, self._pool, tables, self._schedules(), self._crashes, options).run()

    def stub(self, worker: AnyWorker | str, function: Callable[..., Any]) -> None:
        """Let `function` run in place of a worker, in every process-local drain of this harness.

        It takes the worker's arguments by name, all or some of them, and may be async. What it returns is the result,
        or `Snooze`, `Cancel` and the like; what it raises fails the attempt. Options and backoff stay the worker's.

        Raises:
            WorkerNotRegistered: nobody registered a worker of this name.
            TypeError: it takes an argument that the worker is not given.
        """
        self._opened()
        registry.replace(stubbed(registered(worker), function))

    def crash_before(self, step: str, *, times: int = 1) -> None:
        """Let the process crash when this step is claimed, before its worker is called, the next `times` times.

        What the crash leaves is found by the next pool: the attempt is spent and rescued, and the step waits for its
        next attempt, for which `drain` needs `advance`.
        """
        self._opened()
        self._crashes.plan(step, "before", times)

    def crash_after(self, step: str, *, times: int = 1) -> None:
        """Let the process crash between the end of the worker of this step and the commit of its outcome.

        The transaction of a transactional worker is rolled back. Otherwise as `crash_before`.
        """
        self._opened()
        self._crashes.plan(step, "after", times)

    def runs_twice(self, step: str, *, same_result: bool = True) -> None:
        """Let the next attempt of this step be lost after its worker has run, and the step run again at once.

        Then the test looks whether the effect happened once. A step with one attempt only is discarded instead.

        Args:
            same_result: the drain raises `NotIdempotent` if the second attempt ends otherwise than the first.
        """
        self._opened()
        self._crashes.plan(step, "again", is_compared=same_result)

    async def inserted(self, worker: AnyWorker | str, **arguments: Any) -> Sequence[InsertedJob]:
        """Return the steps of this worker, in the order in which they were inserted, in any workflow and any state.

        Only those whose arguments are these, where any are given.

        Raises: WorkerNotRegistered.
        """
        self._opened()
        return await inserted_jobs(self.engine, registered(worker), arguments)

    def _schedules(self) -> PassedSchedules:
        if self._passed is None:
            self._passed = PassedSchedules(self.engine.store.calls, self.engine.schema)
        return self._passed

    def _opened(self) -> EngineTables:
        if not self._is_open or self._tables is None:
            raise HarnessClosed
        return self._tables


def _settings(
    provide: Sequence[Provider],
    executors: Mapping[str, Executor] | None,
    redact: Callable[[str], str] | None,
    observers: Sequence[Observer],
    prices: PriceSource | None,
) -> PoolSettings:
    return pool_settings(
        queues=None,
        name="baton.testing",
        lease=LEASE,
        poll=60,
        grace=0,
        keep=None,
        keep_usage=None,
        keep_debug=None,
        misfit=None,
        max_block=LEASE,
        redact=redact,
        errors_show_input=True,
        threads=AT_ONCE,
        processes=1,
        executors=executors,
        connections=AT_ONCE,
        provide=provide,
        observers=observers,
        prices=prices,
    )
