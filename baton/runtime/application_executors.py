"""Executors that belong to the application, by name: through them workers run in other processes, or on a cluster."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial

from baton.core.context import Leave
from baton.core.names import checked_name
from baton.core.outcome import Outcome, from_text, lost, to_text, unable
from baton.core.worker import AnyWorker
from baton.errors import InvalidName, InvalidOption
from baton.runtime.attempts import Attempt
from baton.runtime.invocation import claim_from_text, claim_to_text, import_failed, module_of, run_imported

log = logging.getLogger("baton.pool")

BUILT_IN = ("async", "thread", "process")


class ApplicationExecutors:
    """Runs attempts in these executors, to which only strings cross.

    The application makes them and shuts them down. Only the slots of the queues limit how much work is submitted.
    """

    def __init__(self, executors: Mapping[str, Executor]) -> None:
        self._executors = dict(executors)

    async def run(self, attempt: Attempt, worker: AnyWorker, leave: Leave) -> Outcome:
        """Call the worker in the executor it names. The attempt's time begins when it is submitted.

        An attempt that is cancelled is cancelled in the executor as well, if it has not begun there; if it has, it
        keeps its slot until it returns. What it leaves comes with its outcome. An executor that is missing, or takes no
        work, costs no attempt: another pool may have it.
        """
        if (why := self.missing(worker)) is not None:
            return unable(why)
        executor = self._executors[worker.executor]
        attempt.begin()
        try:
            run: Callable[..., str] = run_elsewhere
            if isinstance(executor, ThreadPoolExecutor):
                # A thread of this process knows which attempt it runs; to other places only strings
                # can cross.
                run = partial(copy_context().run, run)
            future = executor.submit(run, module_of(worker), claim_to_text(attempt.claimed))
        except Exception as error:  # noqa: BLE001 - another library's code: shut down, broken, or anything else
            log.warning("executor %r takes no work: %s: %s", worker.executor, type(error).__name__, error)
            return unable(
                f"executor {worker.executor!r} takes no work any more ({_described(error)}); a new worker pool with a "
                f"new executor does"
            )
        _keep_slot_until_done(attempt, future)
        try:
            answer = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if attempt.cause is not None or not future.cancelled():
                raise
            return lost(f"executor {worker.executor!r} cancelled the attempt: it was shut down, or lost it")
        except Exception as error:  # noqa: BLE001 - the executor's: what the worker raises comes back as an outcome
            return lost(f"executor {worker.executor!r} lost the attempt: {_described(error)}")
        outcome, left = json.loads(answer)
        for record in left:
            leave(*record)
        return from_text(outcome)

    def missing(self, worker: AnyWorker) -> str | None:
        """Return why the worker cannot run here, if the executor that it names is not there."""
        if worker.executor in self._executors:
            return None
        here = ", ".join(repr(name) for name in (*BUILT_IN, *self._executors))
        return (
            f"worker {worker.name!r} runs in executor {worker.executor!r}, which is not there; there are {here}: write "
            f"WorkerPool(executors={{{worker.executor!r}: ...}})"
        )


def checked_executors(executors: Mapping[str, Executor] | None) -> dict[str, Executor]:
    """Return executors by name. Raises `InvalidOption` for what is not an executor, or not a name."""
    if not isinstance(executors, Mapping | None):
        raise InvalidOption("executors", executors, "it gives each executor a name, as in {'reports': executor}")
    for name, executor in (executors or {}).items():
        try:
            checked_name("executor", name)
        except InvalidName as error:
            raise InvalidOption("executors", name, error.why) from None
        if name in BUILT_IN:
            raise InvalidOption("executors", name, "that name is taken by one of the pool's own; choose another")
        if not isinstance(executor, Executor):
            raise InvalidOption(
                "executors", executor, f"{name!r} must be a concurrent.futures.Executor, not {type(executor).__name__}"
            )
    return dict(executors or {})


def run_elsewhere(module: str, claimed: str) -> str:
    """Run one attempt in a thread or process of an executor, and return its outcome and what it leaves, as JSON.

    Raises nothing that the worker, or importing its module, raises: such an error might not travel back.
    """
    left: list[tuple[str, str, str]] = []
    try:
        with _ignoring_interrupts():
            importlib.import_module(module)
            outcome = run_imported(claim_from_text(claimed), module, lambda *record: left.append(record))
    except BaseException as error:  # noqa: BLE001 - importing runs the code of the application
        remedy = "install it there, with all it imports"
        outcome = import_failed(module, "where the executor runs", error, remedy)
    return json.dumps([to_text(outcome), left], ensure_ascii=True)


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """In a process of a pool of processes, ignore the terminal's Ctrl-C: the worker pool decides what becomes of it."""
    if multiprocessing.parent_process() is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _keep_slot_until_done(attempt: Attempt, future: Future[str]) -> None:
    loop = asyncio.get_running_loop()
    ended = attempt.thread_ended = asyncio.Event()

    def done(_future: Future[str]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(done)


def _described(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
