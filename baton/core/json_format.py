"""A checked workflow as one JSON document, which any driver can hand to the database (insert_workflow_json.sql).

The fields are those of `WorkflowSpec`, `StepSpec` and `Terms`, without those that have their usual value; each step has
the fields of its terms as its own. A new field of `Terms` or `Extras` needs no change here.

JSON text in a field (arguments, references, meta) stands there as the JSON it is. Where that is not possible, it stands
as a string: PostgreSQL refuses `\\u0000` and lone surrogates in a document that it takes apart, and a bare string could
not be told from JSON text in a string.
"""

from __future__ import annotations

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
    steps = [_document(number, step) for number, step in enumerate(spec.steps)]
    document = {
        "format": FORMAT,
        "id": spec.id,
        "name": spec.name,
        "fingerprint": spec.fingerprint,
        "debug": spec.debug,
        "meta": _nested(spec.meta),
        "returns": spec.returns,
        "steps": steps,
    }
    return msgspec.json.encode(document).decode()


def _document(number: int, step: StepSpec) -> dict[str, object]:
    fields = {
        "number": number,
        "name": step.name,
        **asdict(step.terms),
        "args": _nested(step.args),
        "references": _nested(step.references),
        "dependencies": step.dependencies,
        "dependents": step.dependents,
        "inputs": step.inputs,
        "parent": step.parent,
        "extras": step.extras,
    }
    return {name: value for name, value in fields.items() if value is not None and value is not False and value != ()}


def _nested(text: str | None) -> msgspec.Raw | str | None:
    """Return JSON text in the form in which a document has it."""
    is_taken_apart = text is not None and text[0] in "[{" and "\\u" not in text
    return msgspec.Raw(text.encode()) if text is not None and is_taken_apart else text
