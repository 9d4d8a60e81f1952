"""Steps as the engine's functions take them: parallel arrays, one element a step, and what is alike said once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from baton.core.json_format import grouping
from baton.core.spec import StepSpec, Terms, WorkflowSpec

COLUMNS = 20
"""How many `columns` returns."""


def texts(column: Iterable[str]) -> str:
    """Return a column of names or JSON as one text, divided by a character that no name may have and JSON escapes.

    The statement makes an array of it (see `call`).

    asyncpg asks of each element of an array whether it is an array: that is most of what it does for a short text.
    """
    return "\x1f".join(column)


def call(function: str, parameters: int, *, texts: Collection[int] = ()) -> str:
    """Return the statement that calls a function; the parameters of these numbers, from 1, are what `texts` returns."""
    given = [f"string_to_array(${n}::text, chr(31))" if n in texts else f"${n}" for n in range(1, parameters + 1)]
    return f"select * from {function}({', '.join(given)})"


def columns(steps: Sequence[StepSpec]) -> tuple[Any, ...]:
    """Return the parameters from `p_names` on of sql/functions/insert_workflow.sql and its like.

    The first two, names and arguments, are `texts`. A column of nothing but nulls is empty: `unnest` fills it up, and
    so it costs nothing on its way.
    """
    numbers, distinct = _numbered(steps)
    return (
        texts([step.name for step in steps]),
        texts([step.args for step in steps]),
        sparse([step.references for step in steps]),
        sparse([_ordinals(step.dependencies) for step in steps]),
        sparse([_ordinals(step.dependents) for step in steps]),
        sparse([_ordinals(step.inputs) for step in steps]),
        sparse([step.parent for step in steps]),
        sparse([grouping(step) for step in steps]),
        numbers,
        [terms.worker for terms in distinct],
        [terms.queue for terms in distinct],
        [terms.priority for terms in distinct],
        [terms.max_attempts for terms in distinct],
        [terms.timeout for terms in distinct],
        [terms.scheduled_at for terms in distinct],
        [terms.schedule_in for terms in distinct],
        [terms.ignore_cancelled for terms in distinct],
        [terms.ignore_discarded for terms in distinct],
        [terms.ignore_skipped for terms in distinct],
        [terms.takes_context for terms in distinct],
    )


def workflow_columns(specs: Sequence[WorkflowSpec]) -> tuple[Any, ...]:
    """Return the parameters of sql/functions/insert_workflows.sql for workflows with distinct ids."""
    return (
        texts([spec.id for spec in specs]),
        sparse([spec.name for spec in specs]),
        texts([spec.fingerprint for spec in specs]),
        sparse([spec.debug or None for spec in specs]),
        sparse([spec.meta for spec in specs]),
        [len(spec.steps) for spec in specs],
        sparse([spec.returns for spec in specs]),
        [number for number, spec in enumerate(specs, 1) for _ in spec.steps],
        [ordinal for spec in specs for ordinal in range(len(spec.steps))],
        *columns([step for spec in specs for step in spec.steps]),
    )


def sparse(values: list[Any]) -> list[Any]:
    """Return a column, or an empty one in place of nothing but nulls."""
    return [] if values.count(None) == len(values) else values


def literal(words: Iterable[str]) -> str:
    """Return an array of numbers or words as PostgreSQL writes it, without quotes; for the reason of `texts`."""
    return "{" + ",".join(words) + "}"


def _numbered(steps: Sequence[StepSpec]) -> tuple[list[int], Sequence[Terms]]:
    """Return for each step the number of its terms, from 1, and the terms in the order of their numbers."""
    numbers: list[int] = []
    distinct: dict[Terms, int] = {}
    # Nearly all steps share one of a few objects, and to hash one by its value takes ten times as long.
    known: dict[int, int] = {}
    for step in steps:
        terms = step.terms
        number = known.get(id(terms))
        if number is None:
            number = known[id(terms)] = distinct.setdefault(terms, len(distinct) + 1)
        numbers.append(number)
    return numbers, list(distinct)


def _ordinals(numbers: Sequence[int]) -> str | None:
    return literal(map(str, numbers)) if numbers else None
