"""A checked workflow as one JSON text, which any driver can hand to the database (see insert_workflow_json.sql).

It has the fields of `WorkflowSpec`, `StepSpec` and `Terms` under their names, but for what makes a step a group, which
is one text. What is JSON text in there is a string in here: inside a document that PostgreSQL takes apart, `\\u0000`
and lone surrogates would be refused.
"""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from baton.core.limits import Limits
from baton.core.spec import FamilySpec, MapSpec, StepSpec, Terms, WorkflowSpec
from baton.errors import InvalidWorkflow

FORMAT = 1
"""The database refuses another one. It changes when an older function would read a document wrongly."""


def to_json(spec: WorkflowSpec, limits: Limits) -> str:
    """Return the workflow as JSON text. Raises `InvalidWorkflow` if it is larger than the limits."""
    if faults := limits.faults(spec):
        raise InvalidWorkflow(faults)
    fields = {field: getattr(spec, field) for field in spec.__struct_fields__}
    written = {"format": FORMAT, **fields, "steps": [_written(step) for step in spec.steps]}
    return msgspec.json.encode(written).decode()


def grouping(step: StepSpec) -> str | None:
    """Return what makes a step a group, as JSON; see sql/functions/write_steps.sql."""
    match step:
        case StepSpec(family=FamilySpec() as family):
            return msgspec.json.encode({"kind": "workflow"} | asdict(family)).decode()
        case StepSpec(map=MapSpec() as items):
            part = {"each": items.each, "references": items.references}
            group = {"kind": "map", "concurrency": items.concurrency, "child_inputs": items.inputs, "map": part}
            return msgspec.json.encode(group).decode()
        case _:
            return None


_APART = {"terms", "map", "family", "outer"}
_FIELDS = tuple([field for field in StepSpec.__struct_fields__ if field not in _APART])
_TERMS = Terms.__struct_fields__


def _written(step: StepSpec) -> dict[str, object]:
    own = {field: getattr(step, field) for field in _FIELDS}
    return own | {field: getattr(step.terms, field) for field in _TERMS} | {"grouping": grouping(step)}
