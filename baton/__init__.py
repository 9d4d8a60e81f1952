"""Durable workflows of plain Python functions on PostgreSQL.

Build a DAG of named jobs, insert it in one transaction, and let any number of worker processes run it:

    run = await Baton.new().add("a", fetch.new(url=url)).add("b", count.new(page=result_of("a"))).insert()
"""

from baton.client.engine import Engine
from baton.client.insert import insert_many
from baton.client.run import InsertedStep, Run
from baton.core.conditions import Condition, failed, state_of, succeeded
from baton.core.context import Context, StepOutcome
from baton.core.job import Job
from baton.core.limits import Limits
from baton.core.outcome import Cancel, RetryAfter, Skip, Snooze
from baton.core.provided import Provided, provided
from baton.core.references import each, result_of
from baton.core.retry import Exponential
from baton.core.worker import Worker, worker
from baton.core.workflow import Baton
from baton.database.queries import Queue, Status
from baton.database.step_records import StepRecord
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
    PoolNotRunning,
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
from baton.runtime.health import Drained, Health
from baton.runtime.pool import WorkerPool

__all__ = [
    "ArgumentsDoNotFit",
    "Baton",
    "BatonError",
    "Cancel",
    "Condition",
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
    "PoolNotRunning",
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
    "failed",
    "insert_many",
    "provided",
    "result_of",
    "state_of",
    "succeeded",
    "worker",
]
