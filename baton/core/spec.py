"""What a checked workflow is when it is handed to the database: frozen, encoded, and addressed by position."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step, ready to be written.

    Positions count from 0, in the order in which the steps were added.
    """

    name: str
    """Unique in the workflow, NFC-normalised."""
    worker: str
    """The name of the worker that runs the step."""
    args: str
    """A JSON object: the arguments by parameter name, null wherever a reference stands."""
    references: str | None
    """A JSON list of [path, step name], the path being keys and indices into `args`; None if nothing is referenced."""
    queue: str
    priority: int
    """0 is claimed first."""
    max_attempts: int
    timeout: float | None
    """Seconds one attempt may take; None for no limit."""
    scheduled_at: datetime | None
    """Aware; the step does not start before this time."""
    schedule_in: float | None
    """Seconds that pass between the step's release and its first start."""
    ignore_cancelled: bool
    ignore_discarded: bool
    ignore_skipped: bool
    dependencies: tuple[int, ...]
    """Positions of the steps this one waits for, ascending and distinct."""
    dependents: tuple[int, ...]
    """Positions of the steps that wait for this one, ascending and distinct."""
    inputs: tuple[int, ...]
    """Positions of the dependencies whose results a claim delivers: the referenced ones, or all if the worker
    takes a `Context`."""


@dataclass(frozen=True, slots=True)
class WorkflowSpec:
    """A workflow that was checked and has no fault."""

    id: str
    name: str | None
    fingerprint: str
    """Equal for two workflows whose callers wrote the same graph; see `baton.core.fingerprint`."""
    debug: bool
    meta: str | None
    """JSON text of what the caller attached; None if nothing was."""
    steps: tuple[StepSpec, ...]
    """In the order added."""
