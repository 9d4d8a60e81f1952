"""A `Context` for a test that calls a worker as the function it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from baton.core.context import Context, StepOutcome
from baton.core.worker import AnyWorker

if TYPE_CHECKING:
    import asyncpg


def context_for(
    worker: AnyWorker,
    *,
    step: str | None = None,
    workflow_id: str = "test",
    workflow_name: str | None = None,
    attempt: int = 1,
    max_attempts: int | None = None,
    results: Mapping[str, Any] | None = None,
    outcomes: Mapping[str, StepOutcome] | None = None,
    model: str | None = None,
    connection: asyncpg.Connection[asyncpg.Record] | None = None,
) -> Context:
    """Return the context of one attempt, with which a test calls the worker: `await ship(context_for(ship), order=1)`.

    Left out, `step` is the worker's name and `max_attempts` the worker's own. `results` and `outcomes` are those of its
    dependencies, by step name; a result is plain JSON, as a pool gives it. `model` is what `ctx.model` says.
    `connection` is that of a transactional worker; the test ends its transaction.

    Raises: TypeError if the worker takes no context.
    """
    if not worker.takes_context:
        raise TypeError(f"worker {worker.name!r} takes no Context: leave it out, or annotate a parameter with it")
    context = Context(
        workflow_id=workflow_id,
        workflow_name=workflow_name,
        step=worker.name if step is None else step,
        attempt=attempt,
        max_attempts=worker.options.max_attempts if max_attempts is None else max_attempts,
        results={} if results is None else results,
        outcomes={} if outcomes is None else outcomes,
        _model=model,
        _worker=worker.name,
    )
    return context if connection is None else context.with_connection(connection)
