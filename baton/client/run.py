"""`Run`: the caller's handle on an inserted workflow."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, cast

from baton.client.caller_transactions import CallerTransaction
from baton.client.engine import Engine
from baton.client.engine_in_use import default_engine
from baton.client.run_state import InsertedStep, Results, Status, StepRecord, records
from baton.core.spec import StepSpec
from baton.core.states import FINAL_STEP_STATES, FINAL_WORKFLOW_STATES, FinalWorkflowState
from baton.database.connections import Replayed
from baton.database.messages import Watched
from baton.database.notifications import Notice, Reconnected, StepEnded, WorkflowFinished
from baton.database.queries import Ended
from baton.database.store import Store
from baton.errors import (
    RetryRefused,
    StepCancelled,
    StepFailed,
    StepNotFound,
    StepSkipped,
    TransactionStillOpen,
    WorkflowNotFound,
)
from baton.tasks import wait_for_event


class Run:
    """A workflow that was inserted: wait for it, read it, cancel it, retry it.

    `Run("some id")` is a handle on any workflow, whoever inserted it. Nothing is asked of the database before a method
    is called; every method raises `WorkflowNotFound` if there is no such workflow (never committed, or pruned).
    """

    def __init__(self, workflow_id: str, using: Engine | None = None) -> None:
        self.id = workflow_id
        self._engine = using
        self._steps: Sequence[StepSpec] = ()
        self._caller: CallerTransaction | None = None

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    @property
    def jobs(self) -> Sequence[InsertedStep]:
        """The inserted steps in the order added; empty on a handle that did not insert."""
        return [InsertedStep(step.name, step.terms.worker, step.terms.queue) for step in self._steps]

    async def wait(self, timeout: float | None = None) -> FinalWorkflowState:
        """Wait until the workflow is final and return its state: completed, failed or cancelled.

        Costs the database nothing while nothing happens: the end is announced.

        Raises:
            TimeoutError: it is not final after so many seconds.
            TransactionStillOpen: it was inserted in a transaction of the caller's that is open still.
        """
        watched = await self._end(None, timeout)
        return cast("FinalWorkflowState", watched.state)

    async def result(self, step: str | None = None, timeout: float | None = None) -> Any:
        """Wait until a step is final and return its result, typed by its worker's annotation if it is registered here.

        Without a name: wait for the whole workflow, and return the result of the step it returns (`Baton.returns`);
        else that of its last step (nothing depends on it), or, if there are several, a mapping of their results by
        name, without those that were skipped. Of a group likewise; of a map, the list of its children's results.

        Raises:
            StepFailed, StepCancelled, StepSkipped: it ended without a result; the message has the reason.
            StepNotFound: there is no such step.
            TimeoutError, TransactionStillOpen: as `wait`.
        """
        ended: Sequence[Ended] = ()
        while not ended or any(one.state not in FINAL_STEP_STATES for one in ended):
            # Once, but for a retry by hand that comes between the end and this reading.
            await self._end(step, timeout)
            ended = await self._used_engine().reads.ended(self.id, step)
        results = Results(ended)
        roots = results.roots()
        if len(roots) == 1:
            return self._value(results, roots[0])
        return {root.local_name: self._value(results, root) for root in roots if root.state != "skipped"}

    async def status(self) -> Status:
        """Return the workflow's state, its steps counted by state, and what nobody can run."""
        reads = self._used_engine().reads
        progress = await reads.progress(self.id)
        if progress is None:
            raise WorkflowNotFound(self.id)
        unserved = await reads.unserved(self.id) if progress.state == "executing" else ()
        return Status(
            name=progress.name,
            state=progress.state,
            inserted_at=progress.inserted_at,
            finished_at=progress.finished_at,
            counts=progress.counts,
            unserved=unserved,
        )

    async def steps(self) -> Sequence[StepRecord]:
        """Return the steps as they are now, in the order added; those below a group are its `children`."""
        rows = await self._used_engine().reads.steps(self.id)
        if not rows:
            raise WorkflowNotFound(self.id)
        return records(rows)

    async def cancel(self, *steps: str, reason: str | None = None, force: bool = False) -> int:
        """Cancel the workflow, or only the named steps. Returns how many steps this call cancelled.

        Of the whole workflow, every ordinary step that is not final is cancelled, whatever its flags. The workflow is
        final when this returns, unless it has closing steps or undos: these still run, but for `force`, which cancels
        them as well. Of single steps, their dependents go on as the rules say. What still runs for a cancelled
        step is cancelled within about a second, and nothing it returns is accepted.

        Raises:
            StepNotFound: a name is no step of the workflow; nothing was cancelled.
        """
        cancelled = await self._used_engine().store.cancel(self.id, steps or None, reason, force=force)
        if cancelled.count is None:
            raise WorkflowNotFound(self.id)
        await self._require_known(cancelled.unknown)
        return cancelled.count

    async def retry(self, *steps: str, forward: bool = False) -> int:
        """Open again every discarded and cancelled step. Returns how many steps this call opened.

        With names: those steps, however they ended, and what was cancelled or skipped downstream of them. Attempts
        begin again at 0, the history of errors is kept. A dependent that began by ignoring the failure keeps its run.
        Closing steps over what is opened are opened as well. What was undone is opened with all that is downstream of
        it; with `forward` it stays undone, and only what failed is opened.

        Raises:
            StepNotFound: a name is no step of the workflow; nothing was changed.
            RetryRefused: a named step is not final; nothing was changed.
        """
        retried = await self._used_engine().store.retry(self.id, steps or None, forward=forward)
        if retried.count is None:
            raise WorkflowNotFound(self.id)
        await self._require_known(retried.unknown)
        if retried.refused:
            raise RetryRefused(retried.refused)
        return retried.count

    def _used_engine(self) -> Engine:
        return self._engine or default_engine()

    async def _require_known(self, unknown: Sequence[str]) -> None:
        if unknown:
            raise StepNotFound(self.id, unknown[0], await self._used_engine().reads.names(self.id))

    def _value(self, results: Results, root: Ended) -> Any:
        ended = results.decisive(root)
        match ended.state:
            case "completed":
                return results.value(root)
            case "discarded":
                raise StepFailed(ended.name, ended.reason, self.id)
            case "cancelled":
                raise StepCancelled(ended.name, ended.reason, self.id)
            case _:
                raise StepSkipped(ended.name, ended.reason, self.id)

    async def _end(self, step: str | None, timeout: float | None) -> Watched:
        """Return the workflow's, or the step's, final state once it has one."""
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await self._announced_end(step)
        except TimeoutError as error:
            if not limit.expired():
                raise
            what = f"workflow {self.id!r}" if step is None else f"step {step!r} of workflow {self.id!r}"
            raise TimeoutError(f"{what} is not final after {timeout} s") from error

    async def _announced_end(self, step: str | None) -> Watched:
        engine = self._used_engine()
        ear = _EndListener(step)
        if engine.listener is None:
            return await self._watched_end(engine, step, ear)
        with engine.listener.heard_by(ear.hear):
            # LISTEN first, then the flag and the state: an end between the two would be missed the other way round.
            await engine.listener.listening()
            return await self._watched_end(engine, step, ear)

    async def _watched_end(self, engine: Engine, step: str | None, ear: _EndListener) -> Watched:
        # Whoever waits goes on waiting while the database is away; the timeout is theirs to set.
        patient = Store(Replayed(engine.connections, seconds=math.inf), engine.schema)
        while True:
            ear.heard.clear()
            watched = await patient.watch(self.id, step)
            await self._require_found(step, watched)
            if watched.state in (FINAL_WORKFLOW_STATES if step is None else FINAL_STEP_STATES):
                return watched
            ear.subject = watched.key if step is None else watched.step_id
            await wait_for_event(ear.heard, engine.seconds_between_reads)

    async def _require_found(self, step: str | None, watched: Watched) -> None:
        if watched.key is None:
            if self._caller is not None and self._caller.is_open():
                raise TransactionStillOpen(self.id)
            raise WorkflowNotFound(self.id)
        if step is not None and watched.step_id is None:
            await self._require_known([step])


class _EndListener:
    """Hears the end of one workflow or step; of any, while it does not know its number."""

    def __init__(self, step: str | None) -> None:
        self.heard = asyncio.Event()
        self.subject: int | None = None
        self._is_step = step is not None

    def hear(self, notice: Notice) -> None:
        match notice:
            case Reconnected():
                self.heard.set()
            case WorkflowFinished(key) if not self._is_step and self.subject in (None, key):
                self.heard.set()
            case StepEnded(step_id) if self._is_step and self.subject in (None, step_id):
                self.heard.set()
            case _:
                pass
