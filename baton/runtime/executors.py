"""How a worker's function is called: as a coroutine, in a thread, or in another process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from baton.core import registry
from baton.core.context import Context
from baton.core.item_graphs import ITEM_WORKER
from baton.core.outcome import Outcome, classify, unable
from baton.core.worker import AnyWorker
from baton.runtime.application_executors import BUILT_IN, ApplicationExecutors
from baton.runtime.attempts import Attempt
from baton.runtime.budgets import Reserve, refusal
from baton.runtime.invocation import prepared
from baton.runtime.keeping import Keeping
from baton.runtime.plain_calls import call_plain
from baton.runtime.resources import Resources
from baton.runtime.usage_records import PricedRecords
from baton.runtime.worker_processes import WorkerProcesses


class Executors:
    """Calls workers, and limits how many threads and processes do so at once.

    Args:
        threads: how many attempts may run in threads; further attempts wait for one of them.
        processes: how many processes run workers with `executor="process"`; further attempts wait for one of them.
        application: runs the workers that name an executor of the application.
        resources: what workers in this process are provided with.
        keeping: keeps values for them.
        records: takes what attempts leave besides their outcomes.
        reserve: reserves budgets; see `refusal`.
    """

    def __init__(
        self,
        threads: int,
        processes: int,
        application: ApplicationExecutors,
        resources: Resources,
        keeping: Keeping,
        records: PricedRecords,
        reserve: Reserve,
    ) -> None:
        self._resources = resources
        self._keeping = keeping
        self._records = records
        self._reserve = reserve
        self._application = application
        self._threads = anyio.CapacityLimiter(threads)
        self._processes = WorkerProcesses(processes)

    def runnable(self) -> Sequence[str]:
        """Return the names of the workers that can run here: nothing that they ask for is missing."""
        own = [name for name in registry.names() if (known := registry.get(name)) and self.missing(known) is None]
        return [*own, ITEM_WORKER]

    def missing(self, worker: AnyWorker) -> str | None:
        """Return why the worker cannot run here, if a type or an executor that it asks for is not there."""
        if worker.executor not in BUILT_IN:
            return self._application.missing(worker)
        try:
            return self._resources.missing(worker)
        except Exception:  # noqa: BLE001 - its annotations cannot be read: an attempt fails, and says why
            return None

    async def run(self, attempt: Attempt, worker: AnyWorker) -> Outcome:
        """Call the worker for an attempt and classify what it returns. What it raises is raised.

        The attempt's time begins when it does: waiting for a thread or process is not part of it.

        Raises: ArgumentsDoNotFit, before the worker is called.
        """
        if (refused := await refusal(self._reserve, attempt.claimed)) is not None:
            return refused
        leave = partial(self._records.leave, attempt)
        match worker.executor:
            case "async" | "thread":
                pass
            case "process":
                return await self._processes.run(attempt, worker, leave)
            case _:
                return await self._application.run(attempt, worker, leave)
        paced = partial(self._records.paced, attempt) if worker.executor == "async" else None
        arguments, context = prepared(worker, attempt.claimed, self._keeping.of(attempt, worker), leave, paced)
        if worker.provided:
            if (why := self._resources.missing(worker)) is not None:
                return unable(why)
            arguments |= self._resources.of(worker)
        if worker.executor == "thread":
            value = await self._in_thread(attempt, worker, arguments, context)
        else:
            if context is not None and attempt.connection is not None:
                context = context.with_connection(attempt.connection)
            attempt.begin()
            value = await worker.call(arguments, context)
        return classify(worker, value)

    async def aclose(self) -> None:
        """End the processes that the pool started."""
        await self._processes.aclose()

    async def _in_thread(
        self, attempt: Attempt, worker: AnyWorker, arguments: dict[str, Any], context: Context | None
    ) -> object:
        await self._threads.acquire_on_behalf_of(attempt)
        attempt.begin()
        loop = asyncio.get_running_loop()
        ended = attempt.thread_ended = asyncio.Event()

        def returned() -> None:
            ended.set()
            self._threads.release_on_behalf_of(attempt)

        # Taken once: by the thread that makes the call, or by us if we are cancelled before, and
        # then nobody makes it.
        turn = threading.Lock()

        def call() -> object:
            if not turn.acquire(blocking=False):
                return None
            try:
                return call_plain(worker, arguments, context)
            except BaseException as error:  # noqa: BLE001 - a future can hold no StopIteration and no GeneratorExit
                return _Raised(error)
            finally:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(returned)

        try:
            # Waiting for a thread that hangs would hold up the timeout, the drain and the lost
            # lease. The limit is ours to keep: an abandoned thread counts until it returns.
            value = await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
        finally:
            if turn.acquire(blocking=False):
                returned()
        if isinstance(value, _Raised):
            raise value.error
        return value


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a worker raised in its thread."""

    error: BaseException
