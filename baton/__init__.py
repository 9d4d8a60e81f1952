"""Durable workflows of plain Python functions on PostgreSQL.

Build a DAG of named jobs, insert it in one transaction, and let any number of worker processes run it:

    run = await Baton.new().add("a", fetch.new(url=url)).add("b", count.new(page=result_of("a"))).insert()

The faults of a graph are in `baton.errors.faults`, and what observers of a pool are given in `baton.events`.
"""

import typing

# Each name is imported when it is asked for: a program imports what it uses.
if typing.TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.client.following import RunEvents
    from baton.client.insert import insert_many
    from baton.client.many_runs import ManyChanged
    from baton.client.run import InsertedStep, Run
    from baton.client.run_events import EventsReset, RunEvent, RunFinished, RunLevel, StepFinished
    from baton.client.schedules import Schedule
    from baton.client.stream_following import RunStream
    from baton.core.conditions import Condition, failed, state_of, succeeded
    from baton.core.context import Context, StepLog, StepOutcome
    from baton.core.drawable import SVG
    from baton.core.explaining.explanation import ExplainedStep, Explanation
    from baton.core.holes import param
    from baton.core.job import Job
    from baton.core.limits import Limits
    from baton.core.options import JobOptions, Options
    from baton.core.provided import Provided, provided
    from baton.core.queue_limits import QueueLimits, Rate
    from baton.core.references import each, result_of
    from baton.core.retry import Backoff, Exponential
    from baton.core.returned import Again, Cancel, Fail, RetryAfter, Skip, Snooze
    from baton.core.states import FinalStepState, FinalWorkflowState, StepState, WorkflowState
    from baton.core.waits import Receive, Signal, Timer
    from baton.core.worker import Worker, worker
    from baton.core.workflow import Baton
    from baton.database.debug_records import DebugRecord
    from baton.database.interventions import Changes, Intervention, StepChange
    from baton.database.model_calls import BudgetState, EngineUsage, RunUsage, UsageBy, UsageTotals
    from baton.database.queries import Queue, Status, Unserved
    from baton.database.queue_limits import LimitedQueue
    from baton.database.run_list import RunPage, RunSummary
    from baton.database.run_readings import ActiveStep
    from baton.database.schedules import ScheduleRecord
    from baton.database.start_pauses import StartPause
    from baton.database.step_records import StepProgress, StepRecord
    from baton.database.stream_readings import StreamItem
    from baton.errors import (
        ArgumentsDoNotFit,
        BatonError,
        DuplicateStep,
        DuplicateWorker,
        EngineClosed,
        InterventionRefused,
        InvalidAddress,
        InvalidName,
        InvalidOption,
        InvalidTemplate,
        InvalidWorkflow,
        KeptNotJSON,
        KeyTaken,
        NoAddress,
        NoEngine,
        NoResult,
        NotJSON,
        NotKept,
        NoTransaction,
        PoolNotRunning,
        ResultNotJSON,
        RetryRefused,
        ScheduleNotFound,
        SchemaMismatch,
        SchemaMissing,
        SchemaOutdated,
        SchemaRenamed,
        SchemaTooNew,
        SignalRefused,
        StepCancelled,
        StepFailed,
        StepNotFound,
        StepSkipped,
        TransactionStillOpen,
        UnsafeSchema,
        WorkflowExists,
        WorkflowNotFound,
        WrongEventLoop,
    )
    from baton.runtime.health import Drained, Health
    from baton.runtime.pool import WorkerPool

__all__ = [
    "SVG",
    "ActiveStep",
    "Again",
    "ArgumentsDoNotFit",
    "Backoff",
    "Baton",
    "BatonError",
    "BudgetState",
    "Cancel",
    "Changes",
    "Condition",
    "Context",
    "DebugRecord",
    "Drained",
    "DuplicateStep",
    "DuplicateWorker",
    "Engine",
    "EngineClosed",
    "EngineUsage",
    "EventsReset",
    "ExplainedStep",
    "Explanation",
    "Exponential",
    "Fail",
    "FinalStepState",
    "FinalWorkflowState",
    "Health",
    "InsertedStep",
    "Intervention",
    "InterventionRefused",
    "InvalidAddress",
    "InvalidName",
    "InvalidOption",
    "InvalidTemplate",
    "InvalidWorkflow",
    "Job",
    "JobOptions",
    "KeptNotJSON",
    "KeyTaken",
    "LimitedQueue",
    "Limits",
    "ManyChanged",
    "NoAddress",
    "NoEngine",
    "NoResult",
    "NoTransaction",
    "NotJSON",
    "NotKept",
    "Options",
    "PoolNotRunning",
    "Provided",
    "Queue",
    "QueueLimits",
    "Rate",
    "Receive",
    "ResultNotJSON",
    "RetryAfter",
    "RetryRefused",
    "Run",
    "RunEvent",
    "RunEvents",
    "RunFinished",
    "RunLevel",
    "RunPage",
    "RunStream",
    "RunSummary",
    "RunUsage",
    "Schedule",
    "ScheduleNotFound",
    "ScheduleRecord",
    "SchemaMismatch",
    "SchemaMissing",
    "SchemaOutdated",
    "SchemaRenamed",
    "SchemaTooNew",
    "Signal",
    "SignalRefused",
    "Skip",
    "Snooze",
    "StartPause",
    "Status",
    "StepCancelled",
    "StepChange",
    "StepFailed",
    "StepFinished",
    "StepLog",
    "StepNotFound",
    "StepOutcome",
    "StepProgress",
    "StepRecord",
    "StepSkipped",
    "StepState",
    "StreamItem",
    "Timer",
    "TransactionStillOpen",
    "UnsafeSchema",
    "Unserved",
    "UsageBy",
    "UsageTotals",
    "Worker",
    "WorkerPool",
    "WorkflowExists",
    "WorkflowNotFound",
    "WorkflowState",
    "WrongEventLoop",
    "each",
    "failed",
    "insert_many",
    "param",
    "provided",
    "result_of",
    "state_of",
    "succeeded",
    "worker",
]

# What runs workers is a third of the package. A program that only inserts does not import it.
_MODULES = {
    "Engine": "baton.client.engine",
    "RunEvents": "baton.client.following",
    "insert_many": "baton.client.insert",
    "ManyChanged": "baton.client.many_runs",
    "InsertedStep": "baton.client.run",
    "Run": "baton.client.run",
    "EventsReset": "baton.client.run_events",
    "RunEvent": "baton.client.run_events",
    "RunFinished": "baton.client.run_events",
    "RunLevel": "baton.client.run_events",
    "StepFinished": "baton.client.run_events",
    "Schedule": "baton.client.schedules",
    "RunStream": "baton.client.stream_following",
    "Condition": "baton.core.conditions",
    "failed": "baton.core.conditions",
    "state_of": "baton.core.conditions",
    "succeeded": "baton.core.conditions",
    "Context": "baton.core.context",
    "StepLog": "baton.core.context",
    "StepOutcome": "baton.core.context",
    "SVG": "baton.core.drawable",
    "ExplainedStep": "baton.core.explaining.explanation",
    "Explanation": "baton.core.explaining.explanation",
    "param": "baton.core.holes",
    "Job": "baton.core.job",
    "Limits": "baton.core.limits",
    "JobOptions": "baton.core.options",
    "Options": "baton.core.options",
    "Provided": "baton.core.provided",
    "provided": "baton.core.provided",
    "QueueLimits": "baton.core.queue_limits",
    "Rate": "baton.core.queue_limits",
    "each": "baton.core.references",
    "result_of": "baton.core.references",
    "Backoff": "baton.core.retry",
    "Exponential": "baton.core.retry",
    "Again": "baton.core.returned",
    "Cancel": "baton.core.returned",
    "Fail": "baton.core.returned",
    "RetryAfter": "baton.core.returned",
    "Skip": "baton.core.returned",
    "Snooze": "baton.core.returned",
    "FinalStepState": "baton.core.states",
    "FinalWorkflowState": "baton.core.states",
    "StepState": "baton.core.states",
    "WorkflowState": "baton.core.states",
    "Receive": "baton.core.waits",
    "Signal": "baton.core.waits",
    "Timer": "baton.core.waits",
    "Worker": "baton.core.worker",
    "worker": "baton.core.worker",
    "Baton": "baton.core.workflow",
    "DebugRecord": "baton.database.debug_records",
    "Changes": "baton.database.interventions",
    "Intervention": "baton.database.interventions",
    "StepChange": "baton.database.interventions",
    "BudgetState": "baton.database.model_calls",
    "EngineUsage": "baton.database.model_calls",
    "RunUsage": "baton.database.model_calls",
    "UsageBy": "baton.database.model_calls",
    "UsageTotals": "baton.database.model_calls",
    "Queue": "baton.database.queries",
    "Status": "baton.database.queries",
    "Unserved": "baton.database.queries",
    "LimitedQueue": "baton.database.queue_limits",
    "RunPage": "baton.database.run_list",
    "RunSummary": "baton.database.run_list",
    "ActiveStep": "baton.database.run_readings",
    "ScheduleRecord": "baton.database.schedules",
    "StartPause": "baton.database.start_pauses",
    "StepProgress": "baton.database.step_records",
    "StepRecord": "baton.database.step_records",
    "StreamItem": "baton.database.stream_readings",
    "ArgumentsDoNotFit": "baton.errors",
    "BatonError": "baton.errors",
    "DuplicateStep": "baton.errors",
    "DuplicateWorker": "baton.errors",
    "EngineClosed": "baton.errors",
    "InterventionRefused": "baton.errors",
    "InvalidAddress": "baton.errors",
    "InvalidName": "baton.errors",
    "InvalidOption": "baton.errors",
    "InvalidTemplate": "baton.errors",
    "InvalidWorkflow": "baton.errors",
    "KeptNotJSON": "baton.errors",
    "KeyTaken": "baton.errors",
    "NoAddress": "baton.errors",
    "NoEngine": "baton.errors",
    "NoResult": "baton.errors",
    "NoTransaction": "baton.errors",
    "NotJSON": "baton.errors",
    "NotKept": "baton.errors",
    "PoolNotRunning": "baton.errors",
    "ResultNotJSON": "baton.errors",
    "RetryRefused": "baton.errors",
    "ScheduleNotFound": "baton.errors",
    "SchemaMismatch": "baton.errors",
    "SchemaMissing": "baton.errors",
    "SchemaOutdated": "baton.errors",
    "SchemaRenamed": "baton.errors",
    "SchemaTooNew": "baton.errors",
    "SignalRefused": "baton.errors",
    "StepCancelled": "baton.errors",
    "StepFailed": "baton.errors",
    "StepNotFound": "baton.errors",
    "StepSkipped": "baton.errors",
    "TransactionStillOpen": "baton.errors",
    "UnsafeSchema": "baton.errors",
    "WorkflowExists": "baton.errors",
    "WorkflowNotFound": "baton.errors",
    "WrongEventLoop": "baton.errors",
    "Drained": "baton.runtime.health",
    "Health": "baton.runtime.health",
    "WorkerPool": "baton.runtime.pool",
}

# A type checker that saw it would take every misspelt name for one of these.
if not typing.TYPE_CHECKING:

    def __getattr__(name):
        from importlib import import_module

        if name in ("errors", "events"):
            return import_module(f"baton.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module 'baton' has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return found

    def __dir__():
        return sorted({*globals(), *__all__})
