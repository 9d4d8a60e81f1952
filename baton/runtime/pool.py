"""`WorkerPool`: the machinery of one process that claims, runs and settles steps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import timedelta
from signal import Signals
from types import TracebackType
from typing import Self

from baton.client.engine import Engine
from baton.client.engine_in_use import default_engine
from baton.core.durations import Seconds, seconds
from baton.core.keywords import suggests_keywords
from baton.core.usage.prices import PriceSource
from baton.errors import BatonError, PoolNotRunning
from baton.events import Observer
from baton.runtime.health import Drained, Health
from baton.runtime.pool_settings import pool_settings
from baton.runtime.resources import Provider
from baton.runtime.running_pool import RunningPool
from baton.runtime.signals import shutdown_signals
from baton.tasks import Tasks

log = logging.getLogger("baton.pool")


class WorkerPool:
    """Runs steps in this process: claims them from its queues, calls their workers, settles their outcomes.

    Used with `async with`, in a process of its own (`baton worker`, or `await pool.serve()`), or in an application's
    lifespan. Leaving it drains: nothing new is started, what runs may end within `grace`, and the rest is given back
    without spending an attempt. Any number of pools may serve the same queues.

    Args:
        engine: where; left out, the engine entered last.
        queues: how many steps of each queue run here at once. Left out, `{"default": 20}`.
        name: what the pool is called in the table `pools`; left out, host and process id.
        lease: seconds after which other pools take over the steps of this one, if it has died. A thread of its own
            renews the lease three times in that time, so that a step may take as long as it needs.
        poll: seconds after which the queues are asked for work although no notification has arrived.
        grace: seconds that running attempts have to end when the pool is left.
        keep: how long finished workflows are kept; None keeps them.
        keep_usage: how long what calls of language models used is kept, if that is longer than their workflow. Left
            out, it is deleted with the workflow.
        keep_debug: how long what attempts with debug left is kept; None keeps it as long as its workflow.
        misfit: how long a step whose arguments do not fit its worker is put back, at no cost, for a process that has
            another version of the worker. After that it is discarded; None never discards it.
        max_block: seconds that a step may block the event loop before the process ends itself, and others take over.
        redact: is given every error text, traceback and reason before it is stored or logged, and returns what is.
        errors_show_input: the errors of Pydantic are stored with the values that they refused. Left out, these are left
            out of stored errors, as they may be secrets.
        threads: how many attempts of plain functions run in threads at once; left out, as many as there are slots.
        processes: how many processes run workers with `executor="process"`; left out, one per processor. Attempts wait
            for one as claimed steps: give their queue more slots than there are processes, to keep these busy.
        executors: where workers run that name one of them, as in `@worker(executor="cluster")`. They belong to the
            application, which shuts them down after the pool.
        connections: how many attempts of transactional workers run at once, each on a connection that is opened when
            it is needed; left out, as many as there are slots, and a thousand at most.
        provide: classes, or functions without arguments, that make asynchronous context managers. They are entered with
            the pool, left when it has drained, and handed to the workers that annotate `Provided[...]` of their type.
        observers: functions that are called with each event of `baton.events`, in the pool's event loop.
        prices: what calls of language models cost: a function that takes a `Usage` and returns dollars, a `Price`, or
            None where it does not know; or a `PriceTable`. What it does not know, the public prices say, if
            genai-prices is installed.

    Raises on entry: NoEngine, EngineClosed, WrongEventLoop.
    """

    @suggests_keywords
    def __init__(
        self,
        engine: Engine | None = None,
        *,
        queues: Mapping[str, int] | None = None,
        name: str | None = None,
        lease: Seconds = 30,
        poll: Seconds = 5,
        grace: Seconds = 30,
        keep: Seconds | None = timedelta(days=7),
        keep_usage: Seconds | None = None,
        keep_debug: Seconds | None = timedelta(days=3),
        misfit: Seconds | None = timedelta(days=1),
        max_block: Seconds = 600,
        redact: Callable[[str], str] | None = None,
        errors_show_input: bool = False,
        threads: int | None = None,
        processes: int | None = None,
        executors: Mapping[str, Executor] | None = None,
        connections: int | None = None,
        provide: Sequence[Provider] = (),
        observers: Sequence[Observer] = (),
        prices: PriceSource | None = None,
    ) -> None:
        if engine is not None and not isinstance(engine, Engine):
            raise TypeError(f"a WorkerPool takes an Engine, not {type(engine).__name__}: write WorkerPool(Engine(...))")
        self._given_engine = engine
        self._settings = pool_settings(
            queues=queues,
            name=name,
            lease=lease,
            poll=poll,
            grace=grace,
            keep=keep,
            keep_usage=keep_usage,
            keep_debug=keep_debug,
            misfit=misfit,
            max_block=max_block,
            redact=redact,
            errors_show_input=errors_show_input,
            threads=threads,
            processes=processes,
            executors=executors,
            connections=connections,
            provide=provide,
            observers=observers,
            prices=prices,
        )
        self._running: RunningPool | None = None

    @property
    def name(self) -> str:
        """What the pool is called in the table `pools`."""
        return self._settings.name

    @property
    def queues(self) -> Mapping[str, int]:
        """How many steps of each queue run here at once."""
        return self._settings.queues

    @property
    def given_engine(self) -> Engine | None:
        """The engine it was given; None if it takes the one that is entered last."""
        return self._given_engine

    @property
    def grace_seconds(self) -> float:
        """How long running attempts have to end when the pool is left."""
        return self._settings.grace

    @property
    def id(self) -> int:
        """The number the pool is registered under; another one after a lost lease, and -1 while it has none.

        Raises: PoolNotRunning before it is entered, and after it is left.
        """
        return self._entered().pool_id

    def observe(self, observer: Observer) -> None:
        """Let an observer be called with each event as well, as if `observers` had named it.

        Raises: BatonError if the pool is entered already, InvalidOption for what cannot observe.
        """
        if self._running is not None:
            raise BatonError("the worker pool is entered already: add an observer before that")
        self._settings = self._settings.with_observer(observer)

    def health(self) -> Health:
        """Return how the pool is at this moment, for an endpoint of your own. Costs nothing, at any time."""
        if self._running is not None:
            return self._running.health()
        return Health(
            name=self.name,
            pool=None,
            queues=self.queues,
            running=0,
            lease_seconds=0.0,
            is_database_answering=False,
            is_draining=False,
        )

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise BatonError("the worker pool is entered already; use it as it is, or make another one")
        running = RunningPool(self._given_engine or default_engine(), self._settings)
        await running.start()
        self._running = running
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        running = self._entered()
        try:
            # A cancelled block does not wait for what runs in the pool.
            is_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
            await running.drain(0 if is_cancelled else self._settings.grace)
        finally:
            self._running = None
            await running.aclose()

    async def drain(self, grace: Seconds | None = None) -> Drained:
        """Start nothing new, let what runs end within `grace` seconds, then cancel it and give it back.

        No attempt is spent by what is given back. Called again, `grace=0` cuts the first call's grace short.

        Raises: PoolNotRunning before the pool is entered, and after it is left.
        """
        return await self._entered().drain(self._settings.grace if grace is None else seconds("grace", grace))

    async def serve(self) -> Drained:
        """Run until SIGTERM, SIGINT or SIGHUP: the first drains, the second cuts the grace short. Return when drained.

        A SIGHUP that the process ignores, as under `nohup`, stays ignored.

        Raises:
            PoolNotRunning: before the pool is entered, and after it is left.
            BatonError: in another thread than the main one, which alone may handle signals.
        """
        running = self._entered()
        asked, obeying = asyncio.Event(), Tasks()
        with shutdown_signals() as signals:
            obeying.start(_obey(signals, asked, running), name="baton signals")
            try:
                await asked.wait()
                return await running.drain(self._settings.grace)
            finally:
                await obeying.aclose()

    def _entered(self) -> RunningPool:
        if self._running is None:
            raise PoolNotRunning
        return self._running


async def _obey(signals: AsyncIterator[Signals], asked: asyncio.Event, running: RunningPool) -> None:
    async for received in signals:
        if asked.is_set():
            log.warning("%s again: what runs is given back now", received.name)
            running.hurry()
        else:
            log.info("%s: draining", received.name)
            asked.set()
