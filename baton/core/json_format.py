"""A checked workflow as one JSON document, which any driver can hand to the database (insert_workflow_json.sql).

The fields are those of `WorkflowSpec`, `StepSpec` and `Terms`, without those that have their usual value; each step has
the fields of its terms as its own. A new field of `Terms` or `Extras` needs no change here.

Fields that are JSON text (arguments, references, meta) are nested in the document if they are lists or objects, and
strings that contain the text otherwise. They are strings as well if they have an escape such as `\\u0000`, because
PostgreSQL refuses some of these in a document that it takes apart.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import asdict

from baton.core.limits import Limits
from baton.core.spec import StepSpec, WorkflowSpec
from baton.errors import InvalidWorkflow

FORMAT = 2
"""The database refuses another one. It changes when an older function would read a document wrongly."""


def to_json(spec: WorkflowSpec, limits: Limits) -> str:
    """Return the workflow as JSON text. Raises `InvalidWorkflow` if it is larger than the limits."""
    if faults := limits.faults(spec):
        raise InvalidWorkflow(faults)
    return document_of(spec)


def document_of(spec: WorkflowSpec) -> str:
    """Return the workflow as JSON text, however large it is."""
    fields = asdict(spec) | {"meta": _nested(spec.meta), "steps": _steps(list(spec.steps))}
    return msgspec.json.encode({"format": FORMAT, **_without_usual(fields)}).decode()


def _steps(steps: list[StepSpec]) -> list[dict[str, object]]:
    # Most steps share a few objects for their terms, which the list keeps alive: an id stands for
    # one of them.
    terms = {id(step.terms): step.terms for step in steps}
    written = {key: _without_usual(asdict(value)) for key, value in terms.items()}
    return [{"number": number, **written[id(step.terms)], **_own_fields(step)} for number, step in enumerate(steps)]


def _own_fields(step: StepSpec) -> dict[str, object]:
    fields = asdict(step) | {"args": _nested(step.args), "references": _nested(step.references)}
    del fields["terms"]
    return _without_usual(fields)


def _without_usual(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value is not False and value != ()}


def _nested(text: str | None) -> msgspec.Raw | str | None:
    """Return JSON text in the form in which a document has it."""
    is_taken_apart = text is not None and text[0] in "[{" and "\\u" not in text
    return msgspec.Raw(text.encode()) if text is not None and is_taken_apart else text
