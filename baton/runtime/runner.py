"""One attempt: decode, fill in results, call, classify. Returns a frozen outcome, and never sees a connection."""

from __future__ import annotations

import asyncio

from baton.core import registry
from baton.core.outcome import Outcome, discarded, failed, given_back, unknown_worker
from baton.core.registry import Registered
from baton.errors import ArgumentsDoNotFit
from baton.runtime.attempts import Attempt, Cause
from baton.runtime.executors import Executors


class Runner:
    def __init__(self, executors: Executors) -> None:
        self._executors = executors

    async def run(self, attempt: Attempt) -> Outcome | None:
        """Run one attempt to its end, and say how it ended; None if it was stopped and nobody wants to know.

        Raises nothing, whatever the worker does. What a worker returned before it could be cancelled still counts, but
        not after its timeout.
        """
        worker = registry.get(attempt.claimed.worker)
        if worker is None:
            return unknown_worker(attempt.claimed.worker)
        try:
            outcome = await self._run(attempt, worker)
        finally:
            attempt.end()
        return _timed_out(attempt, worker) if attempt.cause is Cause.TIMEOUT else outcome

    async def _run(self, attempt: Attempt, worker: Registered) -> Outcome | None:
        if attempt.cause is not None:
            return _stopped(attempt)
        try:
            return await self._executors.run(attempt, worker)
        except ArgumentsDoNotFit as error:
            return discarded(error)
        except asyncio.CancelledError as error:
            cause: Cause | None = attempt.cause
            if cause is not None:
                return _stopped(attempt)
            if _is_cancelled_from_outside():
                raise
            # The worker cancelled something it awaited, itself perhaps; that is a failure like any other.
            return failed(error, attempt.claimed.attempt, worker.backoff)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a worker's sys.exit() must not end the pool
            return failed(error, attempt.claimed.attempt, worker.backoff)


def _is_cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _stopped(attempt: Attempt) -> Outcome | None:
    match attempt.cause:
        case Cause.SHUTDOWN:
            return given_back(Cause.SHUTDOWN.value)
        case Cause.TIMEOUT | Cause.LEASE_LOST | Cause.VOID | None:
            return None


def _timed_out(attempt: Attempt, worker: Registered) -> Outcome:
    error = TimeoutError(f"the attempt took longer than its timeout of {attempt.claimed.timeout:g} s")
    return failed(error, attempt.claimed.attempt, worker.backoff)
