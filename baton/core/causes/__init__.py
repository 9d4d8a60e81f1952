"""Why a step is not running, or ended as it did: a class for each cause, and the unions of them.

`run.explain()` returns them. Each is a frozen value, `str()` of it is the rest of a sentence that begins with the
step's name, and `match` tells them apart.
"""

from __future__ import annotations

from typing import TypeAlias

from baton.core.causes.ended import (
    AttemptsUsedUp,
    Completed,
    ConditionFalse,
    ConditionFault,
    DeadlinePassed,
    EndedByCaller,
    EndedByChild,
    EndedByGroup,
    EndedByStep,
    EndedByWorker,
    EndedOtherwise,
    NeverFitted,
    NothingCame,
    NothingToCleanUp,
    NotNeeded,
    RunEnded,
    ScopeEnded,
    TooManyLost,
    Verdict,
)
from baton.core.causes.limits import LanePaused, QueueLimited
from baton.core.causes.pauses import RunPaused, WorkerPaused
from baton.core.causes.running import Executing, PoolGone, PoolSilent
from baton.core.causes.waiting import (
    AboutToEnd,
    AboutToStart,
    BeingEnded,
    Holder,
    NextRound,
    NoPoolForArguments,
    NoPoolForWorker,
    NotServed,
    PutBack,
    QueuePaused,
    Retries,
    Scheduled,
    SlotsTaken,
    Snoozed,
    WaitsForAttempts,
    WaitsForBudget,
    WaitsForChildren,
    WaitsForEnough,
    WaitsForGroup,
    WaitsForMapSlot,
    WaitsForMessage,
    WaitsForRun,
    WaitsForSignal,
    WaitsForSteps,
    WaitsForTime,
    WaitsForUndos,
    WaitsForVerdict,
)
from baton.core.causes.whole import RunBeingEnded, RunCancelled, RunCompleted, RunExecutes, RunFailed

WaitingCause: TypeAlias = (
    WaitsForSteps
    | WaitsForChildren
    | WaitsForEnough
    | WaitsForGroup
    | WaitsForVerdict
    | WaitsForUndos
    | WaitsForMapSlot
    | WaitsForAttempts
    | WaitsForSignal
    | WaitsForMessage
    | WaitsForTime
    | WaitsForRun
    | AboutToEnd
    | BeingEnded
    | RunPaused
    | WorkerPaused
    | LanePaused
    | QueuePaused
    | NotServed
    | NoPoolForWorker
    | NoPoolForArguments
    | PutBack
    | SlotsTaken
    | QueueLimited
    | AboutToStart
    | Retries
    | Scheduled
    | Snoozed
    | WaitsForBudget
    | NextRound
)
"""Why a step has not begun, or begins again later."""

RunningCause: TypeAlias = Executing | PoolSilent | PoolGone
"""Where a step executes."""

EndedCause: TypeAlias = (
    Completed
    | ConditionFalse
    | ConditionFault
    | EndedByStep
    | EndedByGroup
    | EndedByChild
    | Verdict
    | NotNeeded
    | ScopeEnded
    | NothingToCleanUp
    | EndedByCaller
    | EndedByWorker
    | AttemptsUsedUp
    | TooManyLost
    | NeverFitted
    | DeadlinePassed
    | NothingCame
    | RunEnded
    | EndedOtherwise
)
"""Why a step ended as it did."""

Cause: TypeAlias = WaitingCause | RunningCause | EndedCause
"""Why a step is where it is."""

RunCause: TypeAlias = RunExecutes | RunBeingEnded | RunCompleted | RunFailed | RunCancelled
"""Why a workflow as a whole is where it is."""

__all__ = [
    "AboutToEnd",
    "AboutToStart",
    "AttemptsUsedUp",
    "BeingEnded",
    "Cause",
    "Completed",
    "ConditionFalse",
    "ConditionFault",
    "DeadlinePassed",
    "EndedByCaller",
    "EndedByChild",
    "EndedByGroup",
    "EndedByStep",
    "EndedByWorker",
    "EndedCause",
    "EndedOtherwise",
    "Executing",
    "Holder",
    "LanePaused",
    "NeverFitted",
    "NextRound",
    "NoPoolForArguments",
    "NoPoolForWorker",
    "NotNeeded",
    "NotServed",
    "NothingCame",
    "NothingToCleanUp",
    "PoolGone",
    "PoolSilent",
    "PutBack",
    "QueueLimited",
    "QueuePaused",
    "Retries",
    "RunBeingEnded",
    "RunCancelled",
    "RunCause",
    "RunCompleted",
    "RunEnded",
    "RunExecutes",
    "RunFailed",
    "RunPaused",
    "RunningCause",
    "Scheduled",
    "ScopeEnded",
    "SlotsTaken",
    "Snoozed",
    "TooManyLost",
    "Verdict",
    "WaitingCause",
    "WaitsForAttempts",
    "WaitsForBudget",
    "WaitsForChildren",
    "WaitsForEnough",
    "WaitsForGroup",
    "WaitsForMapSlot",
    "WaitsForMessage",
    "WaitsForRun",
    "WaitsForSignal",
    "WaitsForSteps",
    "WaitsForTime",
    "WaitsForUndos",
    "WaitsForVerdict",
    "WorkerPaused",
]
