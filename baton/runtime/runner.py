"""One attempt: decode, fill in results, call, classify. Returns a frozen outcome, and never sees a connection."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from baton.core import registry
from baton.core.error_texts import input_is_shown
from baton.core.limits import Limits
from baton.core.outcome import MAX_TRACE, Outcome, failed, given_back, misfit, storable, unknown_worker
from baton.core.worker import AnyWorker
from baton.errors import ArgumentsDoNotFit
from baton.runtime import failpoints
from baton.runtime.attempts import Attempt, Cause
from baton.runtime.executors import Executors
from baton.runtime.invocation import backoff_of
from baton.runtime.rounds import Rounds

Redact = Callable[[str], str]


class Runner:
    """Runs attempts by these executors, within these limits; error texts and reasons pass through `redact`.

    Args:
        misfit_seconds: how long a step is put back because its arguments do not fit, before it is discarded.
        errors_show_input: see `baton.core.error_texts`.
    """

    def __init__(
        self,
        executors: Executors,
        rounds: Rounds,
        limits: Limits,
        redact: Redact | None,
        misfit_seconds: float | None,
        *,
        errors_show_input: bool,
    ) -> None:
        self._executors = executors
        self._rounds = rounds
        self._limits = limits
        self._redact = redact
        self._misfit_seconds = misfit_seconds
        self._errors_show_input = errors_show_input

    async def run(self, attempt: Attempt) -> Outcome | None:
        """Run one attempt to its end, and return how it ended; None if it was stopped and its outcome does not count.

        Raises nothing, whatever the worker does. What a worker returned before it could be cancelled still counts, but
        not after its timeout.
        """
        worker = registry.get(attempt.claimed.worker)
        if worker is None:
            return unknown_worker(attempt.claimed.worker)
        if self._errors_show_input:
            # For this attempt, which is a task of its own.
            input_is_shown.set(True)
        try:
            if failpoints.reached is not None:
                await failpoints.reached("before the worker")
            outcome: Outcome | None = await self._executors.run(attempt, worker)
        except ArgumentsDoNotFit as error:
            outcome = misfit(error)
        except BaseException as error:  # noqa: BLE001 - a worker's sys.exit() or KeyboardInterrupt is its own failure
            outcome = self._raised(error, attempt, worker)
        finally:
            attempt.end()
        if attempt.cause is Cause.TIMEOUT:
            outcome = _timed_out(attempt)
        if outcome is not None:
            if outcome.kind == "misfit":
                # Another process may have a version of the worker that they fit; after this time it
                # is discarded.
                outcome = replace(outcome, delay=self._misfit_seconds)
            if outcome.kind == "again":
                outcome = await self._rounds.checked(attempt.claimed, worker, outcome)
            outcome = self.finished(outcome, attempt, worker)
        return outcome if failpoints.replaced is None else failpoints.replaced(attempt, outcome)

    def failed(self, error: BaseException, attempt: Attempt, worker: AnyWorker) -> Outcome:
        """Return the outcome, as it is settled, of an attempt that ended with this error."""
        if self._redact is None:
            attempt.error = error
        return self.finished(failed(error), attempt, worker)

    def finished(self, outcome: Outcome, attempt: Attempt, worker: AnyWorker) -> Outcome:
        """Return an outcome as it is settled: within the limits, with its delay, and redacted."""
        outcome = self._limits.applied(outcome)
        if outcome.kind == "failed" and outcome.delay is None:
            delay = backoff_of(worker, attempt.claimed).delay(attempt.number)
            outcome = replace(outcome, delay=delay)
        return self.redacted(outcome)

    def _raised(self, error: BaseException, attempt: Attempt, worker: AnyWorker) -> Outcome | None:
        if attempt.cause is not None:
            # Whatever it raises, it does so because it was cancelled.
            return stopped(attempt)
        # The pool notes a cause before it cancels, so a CancelledError without one comes from the
        # worker: it cancelled something it awaited, or its own task. That is a failure like any
        # other.
        if self._redact is None:
            attempt.error = error
        return failed(error, worker.fatal)

    def redacted(self, outcome: Outcome) -> Outcome:
        """Return an outcome with its texts redacted."""
        # A graph stays as it is: with other texts its arguments would be others, and a long text
        # would be cut.
        if self._redact is None or outcome.kind in ("completed", "expanded", "again"):
            return outcome
        detail = outcome.detail and _redacted(self._redact, outcome.detail)
        return replace(outcome, detail=detail, trace=outcome.trace and _redacted(self._redact, outcome.trace))


def _redacted(redact: Redact, text: str) -> str:
    try:
        return storable(redact(text), MAX_TRACE)
    except Exception:  # noqa: BLE001 - the user's code; its failure must not let the text through
        return "(left out: the redaction of this text failed)"


def stopped(attempt: Attempt) -> Outcome | None:
    """Return the outcome of an attempt that was cancelled; None if it would not count."""
    match attempt.cause:
        # The outcome of a void claim is refused. It still reports that the attempt has ended, for
        # closing steps and undos.
        case Cause.SHUTDOWN | Cause.VOID:
            return given_back(attempt.cause.value)
        case Cause.TIMEOUT | Cause.LEASE_LOST | None:
            return None


def _timed_out(attempt: Attempt) -> Outcome:
    error = TimeoutError(f"the attempt took longer than its timeout of {attempt.claimed.timeout:g} s")
    runs_on = attempt.thread_ended is not None and not attempt.thread_ended.is_set()
    return replace(failed(error), still_runs=True) if runs_on else failed(error)
