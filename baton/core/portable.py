"""A checked workflow as one JSON text, which any driver can hand to the database (see insert_workflow_json.sql).

It has the fields of `WorkflowSpec` and `StepSpec` under their names. What is JSON text in there is a string in here:
inside a document that PostgreSQL takes apart, `\\u0000` and lone surrogates would be refused.
"""

from __future__ import annotations

import msgspec

from baton.core.limits import Limits
from baton.core.spec import WorkflowSpec
from baton.errors import InvalidWorkflow

FORMAT = 1
"""The database refuses another one. It changes when an older function would read a document wrongly."""


def portable(spec: WorkflowSpec, limits: Limits) -> str:
    """Return the workflow as JSON text. Raises `InvalidWorkflow` if it is larger than the limits."""
    if faults := limits.faults(spec):
        raise InvalidWorkflow(faults)
    fields = {field: getattr(spec, field) for field in spec.__dataclass_fields__}
    return msgspec.json.encode({"format": FORMAT, **fields, "steps": list(spec.steps)}).decode()
