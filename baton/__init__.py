"""Durable workflows of plain Python functions on PostgreSQL.

Build a DAG of named jobs, insert it in one transaction, and let any number of worker processes run it:

    run = await Baton.new().add("a", fetch.new(url=url)).add("b", count.new(page=result_of("a"))).insert()
"""

from baton.context import Context, StepOutcome
from baton.core.limits import Limits
from baton.core.outcome import Cancel, RetryAfter, Skip, Snooze
from baton.core.providing import Provided, provided
from baton.core.references import each, result_of
from baton.core.retry import Exponential
from baton.database.reads import Queue
from baton.engine import Engine
from baton.errors import (
    ArgumentsDoNotFit,
    BatonError,
    DuplicateStep,
    DuplicateWorker,
    EngineClosed,
    InvalidAddress,
    InvalidName,
    InvalidOption,
    InvalidWorkflow,
    NoAddress,
    NoEngine,
    NoResult,
    NotJSON,
    NoTransaction,
    ResultNotJSON,
    RetryRefused,
    SchemaMismatch,
    SchemaMissing,
    SchemaOutdated,
    SchemaTooNew,
    StepCancelled,
    StepFailed,
    StepNotFound,
    StepSkipped,
    TransactionStillOpen,
    WorkflowExists,
    WorkflowNotFound,
    WrongEventLoop,
)
from baton.pool import WorkerPool
from baton.records import InsertedStep, Status, StepRecord
from baton.run import Run
from baton.runtime.health import Drained, Health
from baton.worker import Job, Worker, worker
from baton.workflow import Baton, insert_many

__all__ = [
    "ArgumentsDoNotFit",
    "Baton",
    "BatonError",
    "Cancel",
    "Context",
    "Drained",
    "DuplicateStep",
    "DuplicateWorker",
    "Engine",
    "EngineClosed",
    "Exponential",
    "Health",
    "InsertedStep",
    "InvalidAddress",
    "InvalidName",
    "InvalidOption",
    "InvalidWorkflow",
    "Job",
    "Limits",
    "NoAddress",
    "NoEngine",
    "NoResult",
    "NoTransaction",
    "NotJSON",
    "Provided",
    "Queue",
    "ResultNotJSON",
    "RetryAfter",
    "RetryRefused",
    "Run",
    "SchemaMismatch",
    "SchemaMissing",
    "SchemaOutdated",
    "SchemaTooNew",
    "Skip",
    "Snooze",
    "Status",
    "StepCancelled",
    "StepFailed",
    "StepNotFound",
    "StepOutcome",
    "StepRecord",
    "StepSkipped",
    "TransactionStillOpen",
    "Worker",
    "WorkerPool",
    "WorkflowExists",
    "WorkflowNotFound",
    "WrongEventLoop",
    "each",
    "insert_many",
    "provided",
    "result_of",
    "worker",
]
