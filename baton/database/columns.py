"""Steps in the form in which the engine's functions take them: parallel arrays with one element for each step.

asyncpg asks each element of an array whether it is an array itself, which is most of what it does for a short text. So
long arrays of names, numbers and JSON are sent as one text each, and a column that is all null as an empty array.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from baton.core.debug_mode import stored_debug
from baton.core.spec import Bounds, Extras, StepSpec, Terms, WorkflowSpec

COLUMNS = 10
"""How many parameters `columns` returns."""


def texts(column: Iterable[str]) -> str:
    """Return a column of names or JSON as one text; the statement makes an array of it (see `call`).

    The separator is a character that no name may have and that JSON escapes.
    """
    return "\x1f".join(column)


# A store is made for each insert into a caller's transaction, and to write its statements took a
# tenth of that insert.
@lru_cache(maxsize=1024)
def call(function: str, parameters: int, *, texts: tuple[int, ...] = ()) -> str:
    """Return the statement that calls a function; the parameters of these numbers, from 1, are what `texts` returns."""
    given = [f"string_to_array(${n}::text, chr(31))" if n in texts else f"${n}" for n in range(1, parameters + 1)]
    return f"select * from {function}({', '.join(given)})"


def columns(steps: Sequence[StepSpec]) -> tuple[Any, ...]:
    """Return the parameters from `p_names` on of sql/functions/write_steps.sql. The first two are `texts`."""
    numbers, terms = _numbered(steps)
    return (
        texts([step.name for step in steps]),
        texts([step.args for step in steps]),
        sparse([step.references for step in steps]),
        sparse([_ordinals(step.dependencies) for step in steps]),
        sparse([_ordinals(step.dependents) for step in steps]),
        sparse([_ordinals(step.inputs) for step in steps]),
        sparse([step.parent for step in steps]),
        sparse([_json(step.extras) for step in steps]),
        numbers,
        terms,
    )


def workflow_columns(specs: Sequence[WorkflowSpec]) -> tuple[Any, ...]:
    """Return the parameters of sql/functions/insert_workflows.sql for workflows with distinct ids."""
    return (
        texts([spec.id for spec in specs]),
        sparse([spec.name for spec in specs]),
        texts([spec.fingerprint for spec in specs]),
        sparse([stored_debug(spec.debug) for spec in specs]),
        sparse([spec.meta for spec in specs]),
        sparse([scope_json(spec.scope) for spec in specs]),
        [len(spec.steps) for spec in specs],
        sparse([spec.returns for spec in specs]),
        [number for number, spec in enumerate(specs, 1) for _ in spec.steps],
        [ordinal for spec in specs for ordinal in range(len(spec.steps))],
        *columns([step for spec in specs for step in spec.steps]),
    )


def job_columns(spec: WorkflowSpec) -> tuple[Any, ...] | None:
    """Return the parameters of sql/functions/insert_job.sql; None for what that function does not write."""
    if len(spec.steps) != 1 or spec != WorkflowSpec(spec.id, None, spec.fingerprint, False, None, spec.steps):
        return None
    (step,) = spec.steps
    terms = step.terms
    own = (terms.worker, terms.queue, terms.priority, terms.max_attempts, terms.timeout, terms.takes_context)
    plain = Terms(
        worker=terms.worker,
        queue=terms.queue,
        priority=terms.priority,
        max_attempts=terms.max_attempts,
        timeout=terms.timeout,
        takes_context=terms.takes_context,
    )
    if terms != plain or step != StepSpec(step.name, terms, step.args):
        return None
    return spec.id, spec.fingerprint, step.name, step.args, *own


def scope_json(scope: Bounds | None) -> str | None:
    """Return what bounds a workflow or group as a whole, as JSON; None for nothing."""
    return None if scope is None else msgspec.json.encode(scope).decode()


def without_places(columns: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what `workflow_columns` returned as the parameters of sql/functions/insert_checked.sql.

    It finds out itself which steps belong to which workflow.
    """
    return (*columns[:8], *columns[10:])


def sparse(values: list[Any]) -> list[Any]:
    """Return the column, or an empty one if it is all null: `unnest` fills it with nulls again."""
    return [] if values.count(None) == len(values) else values


def literal(elements: Iterable[str]) -> str:
    """Return an array of numbers or plain words as PostgreSQL writes it, without quotes."""
    return "{" + ",".join(elements) + "}"


def _numbered(steps: Sequence[StepSpec]) -> tuple[list[int], str]:
    """Return for each step the number of its terms, and the distinct terms as a JSON list that says their numbers."""
    numbers: list[int] = []
    distinct: dict[Terms, int] = {}
    # Nearly all steps share a few objects, and to hash one by its value takes ten times as long.
    known: dict[int, int] = {}
    for step in steps:
        terms = step.terms
        number = known.get(id(terms))
        if number is None:
            number = known[id(terms)] = distinct.setdefault(terms, len(distinct))
        numbers.append(number)
    encode = msgspec.json.encode
    written = [f'{{"number":{number},{encode(terms).decode()[1:]}' for number, terms in enumerate(distinct)]
    return numbers, "[" + ",".join(written) + "]"


def _ordinals(numbers: Sequence[int]) -> str | None:
    return literal(map(str, numbers)) if numbers else None


def _json(extras: Extras | None) -> str | None:
    return None if extras is None else msgspec.json.encode(extras).decode()
