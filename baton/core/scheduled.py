"""The workflow of a schedule: stored as a template, and made when a slot is fired."""

from __future__ import annotations

import msgspec

from baton.core.job import Job
from baton.core.json_format import document_of
from baton.core.workflow import Baton


def stored_form(workflow: Baton | Job) -> str:
    """Return a workflow, or one of a single job, as a schedule stores it. Raises `InvalidWorkflow`."""
    flow = workflow if isinstance(workflow, Baton) else Baton.new().add(workflow.worker.name, workflow)
    return flow.to_template()


def made_for_slot(stored: str, workflow_id: str) -> str:
    """Return the document of a run, for `insert_workflow_json`.

    Text that is no template is returned as it is, under this id: the database says what is wrong with it. Raises
    `InvalidTemplate`, `InvalidWorkflow` and whatever the types of a worker raise.
    """
    document = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
    if "template" not in document:
        return msgspec.json.encode(document | {"id": workflow_id}).decode()
    return document_of(Baton.from_template(stored, workflow_id=workflow_id).spec())
