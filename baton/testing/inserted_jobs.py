"""What was inserted, for tests of the code that inserts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baton.client.engine import Engine
from baton.client.run import Run
from baton.core import codec
from baton.core.states import StepState
from baton.core.worker import AnyWorker
from baton.database.migrate import quoted

_INSERTED = """
select s.workflow_id, s.workflow_name, s.name, s.state, s.queue, s.args::text as args, s.id
  from {schema}.steps_view s
 where s.worker = $1
 order by s.id
"""
_REFERENCES = "select s.arg_refs::text as arg_refs from {schema}.steps s where s.id = any($1) order by s.id"


@dataclass(frozen=True, slots=True)
class InsertedJob:
    """A step of a worker, as it was inserted."""

    run: Run
    """The workflow it belongs to."""
    workflow_name: str | None
    step: str
    queue: str
    state: StepState
    """As it is now."""
    arguments: Mapping[str, Any]
    """By parameter name, typed by the worker's annotations. One that takes the result of another step is left out."""


async def inserted_jobs(engine: Engine, worker: AnyWorker, expected: Mapping[str, Any]) -> Sequence[InsertedJob]:
    """Return the steps of this worker, in the order in which they were inserted, whose arguments are as expected."""
    schema = quoted(engine.schema)
    async with engine.connections.acquire() as connection:
        rows = await connection.fetch(_INSERTED.format(schema=schema), worker.name)
        references = await connection.fetch(_REFERENCES.format(schema=schema), [row["id"] for row in rows])
    jobs = [
        InsertedJob(
            run=Run(row["workflow_id"], engine),
            workflow_name=row["workflow_name"],
            step=row["name"],
            queue=row["queue"],
            state=row["state"],
            arguments=_typed(worker, row["args"], reference["arg_refs"]),
        )
        for row, reference in zip(rows, references, strict=True)
    ]
    return [job for job in jobs if _has(job.arguments, expected)]


def _typed(worker: AnyWorker, args: str, references: str | None) -> dict[str, Any]:
    """Return the arguments that were given as they are, and not as what another step returns."""
    referenced = {path[0] for path, *_ in codec.decode(references or "[]")}
    return {
        name: codec.decoder_of(worker.name, repr(name), worker.parameter_type(name)).convert(value)
        for name, value in codec.decode(args).items()
        if name not in referenced
    }


def _has(arguments: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return all(name in arguments and arguments[name] == value for name, value in expected.items())
