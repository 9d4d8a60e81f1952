"""The states of steps and workflows: the words that the database stores, as types."""

from __future__ import annotations

from typing import Literal, get_args

FinalStepState = Literal["completed", "cancelled", "discarded", "skipped"]
"""A step that ended. It stays so until it is retried by a caller."""

StepState = Literal["suspended", "scheduled", "available", "executing", "retryable", "waiting"] | FinalStepState
"""`suspended` waits for dependencies, `scheduled` for a time, `available` for a free slot, `retryable` for its next
attempt after a failed one, `waiting` for a signal or a timer, without a worker."""

FinalWorkflowState = Literal["completed", "failed", "cancelled"]
"""How a workflow may end."""

WorkflowState = Literal["executing"] | FinalWorkflowState
"""The states of a workflow: it executes until all of its steps are final."""

FINAL_STEP_STATES: frozenset[str] = frozenset(get_args(FinalStepState))
FINAL_WORKFLOW_STATES: frozenset[str] = frozenset(get_args(FinalWorkflowState))
