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
    fields = {field: getattr(spec, field) for field in spec.__struct_fields__}
    document = {"format": FORMAT} | fields | {"meta": _nested(spec.meta), "steps": steps}
    return msgspec.json.encode(_without_usual(document)).decode()


def _document(number: int, step: StepSpec) -> dict[str, object]:
    own = {field: getattr(step, field) for field in _FIELDS}
    nested = {"args": _nested(step.args), "references": _nested(step.references)}
    return _without_usual({"number": number} | own | nested | asdict(step.terms))


_FIELDS = tuple([field for field in StepSpec.__struct_fields__ if field != "terms"])


def _without_usual(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None and value is not False and value != ()}


def _nested(text: str | None) -> msgspec.Raw | str | None:
    """Return JSON text in the form in which a document has it."""
    is_taken_apart = text is not None and text[0] in "[{" and "\\u" not in text
    return msgspec.Raw(text.encode()) if text is not None and is_taken_apart else text
