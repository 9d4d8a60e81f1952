"""`Run`: the caller's handle on an inserted workflow."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast, overload

from baton.client.caller_transactions import CallerTransaction
from baton.client.end_waiter import EndWaiter
from baton.client.engine import Engine
from baton.client.engine_in_use import default_engine
from baton.client.explaining import ExplainsSteps
from baton.client.follows import FollowsRuns
from baton.client.held_slot import HeldSlot
from baton.client.intervening import Intervening
from baton.client.pausing import Pausing
from baton.client.progress import follow
from baton.client.sending import SendsToSteps
from baton.client.used import UsesModels
from baton.core.drawable import SVG, Direction
from baton.core.durations import Seconds, seconds
from baton.core.names import UNSTORABLE, normalised
from baton.core.spec import StepSpec, WorkflowSpec
from baton.core.states import FINAL_STEP_STATES, FINAL_WORKFLOW_STATES, FinalWorkflowState
from baton.core.waits import AnotherRun
from baton.core.worker import AnyWorker, Worker
from baton.database.connections import RetryingCalls
from baton.database.messages import Watched
from baton.database.queries import Status
from baton.database.step_records import Results, StepEnd, StepRecord
from baton.database.store import Store
from baton.errors import (
    InvalidName,
    StepCancelled,
    StepFailed,
    StepNotFound,
    StepSkipped,
    TransactionStillOpen,
    WorkflowNotFound,
)
from baton.tasks import wait_for_event

if TYPE_CHECKING:
    from baton.client.drawn_run import DrawnRun

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class InsertedStep:
    """A step as it was inserted."""

    name: str
    worker: str
    queue: str


class Run(Pausing, Intervening, SendsToSteps, FollowsRuns, ExplainsSteps, UsesModels, AnotherRun):
    """A workflow that was inserted: wait for it, read it, cancel it, retry it.

    `Run("some id")` is a handle on any workflow, inserted by any process. Nothing is asked of the database before a
    method is called; every method raises `WorkflowNotFound` if there is no such workflow (never committed, or pruned).
    Without `using`, it uses what `insert` would use in the place where a method is called.

    `Baton.add` takes one: that step waits for the end of this workflow. If it does not exist when the step begins to
    wait, the step is discarded, or waits for it as long as `may_come_within` says, in seconds or as a `timedelta`.
    """

    def __init__(
        self, workflow_id: str, using: Engine | None = None, *, may_come_within: Seconds | None = None
    ) -> None:
        if not isinstance(workflow_id, str):
            raise InvalidName("workflow", workflow_id, "it must be a string")
        if not isinstance(using, Engine | None):
            raise TypeError(f"using= takes an Engine, not {type(using).__name__}")
        self.id = workflow_id
        self.may_come_within = None if may_come_within is None else seconds("may_come_within", may_come_within)
        self.is_new: bool | None = None
        """Whether the insert made the workflow; False if it was there before, with the same graph, or if this run holds
        the key of the one that was to be inserted. None on a handle that did not insert. After a lost connection it may
        be False although this insert made it."""
        self._engine = using
        self._steps: Sequence[StepSpec] = ()
        self._caller: CallerTransaction | None = None

    @classmethod
    def of_insert(
        cls,
        spec: WorkflowSpec,
        engine: Engine | None,
        caller: CallerTransaction | None,
        *,
        is_new: bool,
        holder: str | None = None,
    ) -> Run:
        """Return the handle that an insert gives, in the caller's transaction if there is one.

        `holder` is the run that holds the key, which stands in the place of this workflow.
        """
        run = cls(spec.id if holder is None else holder, engine)
        run.is_new, run._caller = is_new, caller
        run._steps = spec.steps if holder is None else ()
        return run

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    @property
    def engine(self) -> Engine:
        """The engine that it uses. Raises `NoEngine` if it was given none and none is entered."""
        return self._engine or default_engine()

    @property
    def jobs(self) -> Sequence[InsertedStep]:
        """The inserted steps in the order added; empty on a handle that did not insert."""
        return [InsertedStep(step.name, step.terms.worker, step.terms.queue) for step in self._steps]

    async def wait(self, timeout: float | None = None) -> FinalWorkflowState:
        """Wait until the workflow is final and return its state: completed, failed or cancelled.

        Costs the database nothing while nothing happens: the end is announced.

        Raises:
            TimeoutError: it is not final after this many seconds. The message says why: what its steps wait for, and
                what no worker pool serves.
            TransactionStillOpen: it was inserted in a transaction of the caller that is still open.
        """
        watched = await self._end(None, timeout)
        return cast("FinalWorkflowState", watched.state)

    @overload
    async def result(self, step: Worker[..., ..., Coroutine[Any, Any, R]], timeout: float | None = None) -> R: ...
    @overload
    async def result(self, step: Worker[..., ..., R], timeout: float | None = None) -> R: ...
    @overload
    async def result(
        self, step: str, timeout: float | None = None, *, worker: Worker[..., ..., Coroutine[Any, Any, R]]
    ) -> R: ...
    @overload
    async def result(self, step: str, timeout: float | None = None, *, worker: Worker[..., ..., R]) -> R: ...
    @overload
    async def result(self, step: str | None = None, timeout: float | None = None) -> Any: ...
    async def result(
        self, step: str | AnyWorker | None = None, timeout: float | None = None, *, worker: AnyWorker | None = None
    ) -> Any:
        """Wait until a step is final and return its result, typed by its worker's annotation if it is registered here.

        `worker` is the worker of that step, so that type checkers know what is returned; a worker in place of the name
        is the step that is named as it, as that of a job that was inserted by itself.

        Without a name: wait for the whole workflow, and return the result of the step it returns (`Baton.returns`);
        else that of its last step (nothing depends on it), or, if there are several, a mapping of their results by
        name, without those that were skipped. Of a group likewise; of a map, the list of its children's results.

        Raises:
            StepFailed, StepCancelled, StepSkipped: it ended without a result; the message has the reason.
            StepNotFound: there is no such step.
            TypeError: another worker runs the step, or the step is a group.
            TimeoutError, TransactionStillOpen: as `wait`.
        """
        if isinstance(step, Worker):
            worker, step = step, step.name
        name = None if step is None else (await self.names_stored([step]))[0]
        ends: Sequence[StepEnd] = ()
        while not ends or any(one.state not in FINAL_STEP_STATES for one in ends):
            # Repeated only if a retry comes between the end and this reading.
            await self._end(name, timeout)
            ends = await self.engine.reads.ended(self.id, name)
        results = Results(ends)
        roots = results.roots()
        if len(roots) == 1:
            if worker is not None:
                _require_worker(roots[0], worker)
            return self._value(results, roots[0])
        return {root.local_name: self._value(results, root) for root in roots if root.state != "skipped"}

    async def status(self) -> Status:
        """Return the workflow's state, its steps counted by state, and what nobody can run."""
        status = await self.engine_to_ask().reads.status(self.id)
        if status is None:
            raise WorkflowNotFound(self.id)
        return status

    async def progress(
        self, timeout: float | None = None, *, stream: TextIO | None = None, every: Seconds | None = None
    ) -> FinalWorkflowState:
        """Draw how far the workflow is until it is final, and return its state, as `wait` does.

        In a terminal a bar, twice a second, if rich is installed; elsewhere a line at most every five seconds, when
        something has changed. `stream` is where to, left out stderr; `every` is how often, in seconds.

        Raises: as `wait`.
        """
        pause = None if every is None else seconds("every", every)
        return await follow(self.id, self.status, lambda: self.wait(timeout), stream, pause)

    async def steps(self) -> Sequence[StepRecord]:
        """Return the steps as they are now, in the order added; those below a group are its `children`."""
        steps = await self.engine_to_ask().reads.steps(self.id)
        if not steps:
            raise WorkflowNotFound(self.id)
        return steps

    async def to_svg(self, *, direction: Direction | None = None) -> SVG:
        """Return a picture of the run as it is now, as SVG: states by shape and colour, a large map as one box.

        A notebook shows it. See `Baton.to_svg`. Raises `WorkflowNotFound`.
        """
        return (await self._drawn()).to_svg(direction=direction)

    async def to_mermaid(self, *, direction: Direction | None = None) -> str:
        """Return a picture of the run as it is now, as a Mermaid flowchart. Raises `WorkflowNotFound`."""
        return (await self._drawn()).to_mermaid(direction=direction)

    async def to_dot(self, *, direction: Direction | None = None) -> str:
        """Return a picture of the run as it is now, in the language of Graphviz. Raises `WorkflowNotFound`."""
        return (await self._drawn()).to_dot(direction=direction)

    async def _drawn(self) -> DrawnRun:
        from baton.client.drawn_run import DrawnRun  # with all that draws, by the first picture

        status, steps = await self.status(), await self.steps()
        return DrawnRun(steps, status.name or self.id)

    @property
    def is_in_open_transaction(self) -> bool:
        """Whether the caller's transaction that inserted it is still open."""
        return self._caller is not None and self._caller.is_open()

    def engine_to_ask(self) -> Engine:
        """Return the engine to ask. Raises `WorkflowNotFound` for an id that no workflow can have."""
        engine = self.engine
        if UNSTORABLE.search(self.id):
            raise WorkflowNotFound(self.id)
        return engine

    async def names_stored(self, steps: Sequence[str]) -> Sequence[str]:
        """Return names in the form in which they are stored. Raises `StepNotFound` for one that no step can have."""
        await self._require_known([step for step in steps if UNSTORABLE.search(step)])
        return [normalised(step) for step in steps]

    async def _require_known(self, unknown: Sequence[str]) -> None:
        if unknown:
            raise StepNotFound(self.id, unknown[0], await self.engine.reads.names(self.id))

    def _value(self, results: Results, root: StepEnd) -> Any:
        end = results.decisive(root)
        match end.state:
            case "completed":
                return results.value(root)
            case "discarded":
                raise StepFailed(end.name, end.reason, self.id)
            case "cancelled":
                raise StepCancelled(end.name, end.reason, self.id)
            case _:
                raise StepSkipped(end.name, end.reason, self.id)

    async def _end(self, step: str | None, timeout: float | None) -> Watched:
        """Return the workflow's, or the step's, final state once it has one."""
        engine = self.engine_to_ask()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await self._announced_end(engine, step)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeoutError(await self.why_unfinished(step, timeout)) from error

    async def _announced_end(self, engine: Engine, step: str | None) -> Watched:
        waiter = EndWaiter(step)
        if engine.listener is None:
            return await self._watched_end(engine, step, waiter)
        with engine.listener.subscribed(waiter.on_notification):
            # LISTEN first, then the flag and the state: an end between the two would be missed the
            # other way round.
            await engine.listener.listening()
            return await self._watched_end(engine, step, waiter)

    async def _watched_end(self, engine: Engine, step: str | None, waiter: EndWaiter) -> Watched:
        # The wait goes on while the database is away; the timeout is the caller's to set.
        patient = Store(RetryingCalls(engine.connections, seconds=math.inf), engine.schema)
        slot = HeldSlot()
        while True:
            waiter.announced.clear()
            watched = await patient.watch(self.id, step)
            await self._require_found(step, watched)
            if watched.state in (FINAL_WORKFLOW_STATES if step is None else FINAL_STEP_STATES):
                return watched
            waiter.subject = watched.key if step is None else watched.step_id
            if not await wait_for_event(
                waiter.announced, min(engine.seconds_between_reads, slot.seconds_to_next_check)
            ):
                await slot.check(engine, self.id, step)

    async def _require_found(self, step: str | None, watched: Watched) -> None:
        if watched.key is None:
            if self.is_in_open_transaction:
                raise TransactionStillOpen(self.id)
            raise WorkflowNotFound(self.id)
        if step is not None and watched.step_id is None:
            await self._require_known([step])


def _require_worker(step: StepEnd, worker: AnyWorker) -> None:
    if step.grouping is not None:
        raise TypeError(f"step {step.name!r} is a {step.grouping}, whose result is put together; leave out the worker")
    if step.worker != worker.name:
        raise TypeError(f"step {step.name!r} is run by worker {step.worker!r}, not by {worker.name!r}")
