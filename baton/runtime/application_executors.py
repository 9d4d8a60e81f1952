"""Executors of the application's, by name: workers leave for wherever they lead, another process or a whole cluster."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from concurrent.futures import Executor, Future

from baton.core.names import checked_name
from baton.core.outcome import Outcome, lost, unable
from baton.core.registry import Registered
from baton.errors import InvalidName, InvalidOption
from baton.runtime import child_process
from baton.runtime.attempts import Attempt

log = logging.getLogger("baton.runtime.pool")

BUILT_IN = ("async", "thread", "process")


class ApplicationExecutors:
    """Runs attempts in these executors, to which only strings cross.

    They are the application's: it makes them and shuts them down. What limits the submitted work are the slots of the
    queues.
    """

    def __init__(self, executors: Mapping[str, Executor]) -> None:
        self._executors = dict(executors)

    async def run(self, attempt: Attempt, worker: Registered) -> Outcome:
        """Call the worker in the executor it names. The attempt's time begins when it is submitted.

        One that is cancelled is cancelled in the executor as well, if it has not begun there; if it has, it keeps its
        slot until it returns. An executor that is not there, or takes nothing, costs no attempt: others may run it.
        """
        if (why := self.missing(worker)) is not None:
            return unable(why)
        executor = self._executors[worker.executor]
        attempt.begin()
        try:
            future = executor.submit(
                child_process.run_elsewhere,
                child_process.importable(worker.module),
                child_process.to_text(attempt.claimed),
            )
        except Exception as error:  # noqa: BLE001 - another's code: shut down, broken, or whatever it may be
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
        except Exception as error:  # noqa: BLE001 - what the worker raises comes back as an outcome; this is the executor's
            return lost(f"executor {worker.executor!r} lost the attempt: {_described(error)}")
        return Outcome(*json.loads(answer))

    def missing(self, worker: Registered) -> str | None:
        """Return why the worker cannot run here, if the executor that it names is not there."""
        if worker.executor in self._executors:
            return None
        here = ", ".join(repr(name) for name in (*BUILT_IN, *self._executors))
        return (
            f"worker {worker.name!r} runs in executor {worker.executor!r}, which is not there; there are {here}: write "
            f"WorkerPool(executors={{{worker.executor!r}: ...}})"
        )


def checked_executors(executors: Mapping[str, Executor] | None) -> dict[str, Executor]:
    """Return executors by name. Raises `InvalidOption` for what is none, and for a name that cannot be one."""
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
