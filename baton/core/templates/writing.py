"""Write a workflow as a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from baton.core import codec
from baton.core.control import Control
from baton.core.draft import Added, Draft, DraftMap
from baton.core.holes import Param
from baton.core.job import Job
from baton.core.spec import Flags, RunKey
from baton.core.templates.described_worker import WorkerDescription, description_of
from baton.core.templates.document import VERSION
from baton.core.templates.layout import laid_out
from baton.core.templates.markers import param_marker, written_arguments
from baton.core.templates.wait_fields import written_wait
from baton.core.waits import Wait


def template_of(draft: Draft, run: Mapping[str, Any], meta: str | None) -> str:
    """Return a checked draft as a template, laid out so that it can be read and compared.

    `run` has the fields that only a whole workflow has.
    """
    workers: dict[str, WorkerDescription] = {}
    fields = {
        "template": VERSION,
        **run,
        **({} if meta is None else {"meta": codec.decode(meta)}),
        **_workflow(draft, workers),
        "workers": {worker: msgspec.to_builtins(said) for worker, said in sorted(workers.items())},
    }
    return f"{laid_out(_without_usual(fields))}\n"


def run_fields(key: RunKey | None, tags: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the fields for the key and the tags of a run."""
    return {"key": key and key.key, "key_for": key and key.seconds, "tags": tags}


def _workflow(draft: Draft, workers: dict[str, WorkerDescription]) -> dict[str, Any]:
    # Workflows are nested at most a hundred deep, so this may call itself.
    return _without_usual(
        {
            "fail_fast": draft.bounds.fails_fast,
            "deadline": draft.bounds.deadline,
            "models": None if draft.models is None else _options(draft.models),
            "budgets": [_without_usual(msgspec.to_builtins(budget)) for budget in draft.budgets],
            "returns": draft.returns,
            "steps": [_step(step, workers) for step in draft.steps.values()],
        }
    )


def _step(step: Added, workers: dict[str, WorkerDescription]) -> dict[str, Any]:
    flags = {name: getattr(step.flags, name) for name in Flags.__struct_fields__}
    return {
        "name": step.name,
        **_what(step, workers),
        **_without_usual({"deps": list(step.deps), **flags}),
        **(_control(step.control, workers) if step.control is not None else {}),
    }


def _what(step: Added, workers: dict[str, WorkerDescription]) -> dict[str, Any]:
    match step.what:
        case Job() as job:
            return _job(job, workers)
        case Draft() as draft:
            return {"workflow": _workflow(draft, workers)}
        case DraftMap(draft, arguments, given):
            lists = {name: value["$each"] for name, value in written_arguments(arguments).items()}
            return {
                "workflow": _workflow(draft, workers),
                "each": lists,
                **_without_usual({"options": _options(given)}),
            }
        case Wait() as wait:
            return {"awaits": written_wait(wait.spec)}
        case own:
            raise AssertionError(f"{own!r} is not a step of the user's")


def _job(job: Job, workers: dict[str, WorkerDescription]) -> dict[str, Any]:
    workers[job.worker.name] = description_of(job.worker)
    arguments = written_arguments(job.arguments)
    return {"worker": job.worker.name, **_without_usual({"arguments": arguments, "options": _options(job.given)})}


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        option: param_marker(value.name) if isinstance(value, Param) else msgspec.to_builtins(value)
        for option, value in given.items()
    }


def _control(control: Control, workers: dict[str, WorkerDescription]) -> dict[str, Any]:
    return _without_usual(
        {
            "when": None if control.when is None else msgspec.to_builtins(control.when),
            "runs": control.runs,
            "needs": control.needs,
            "rest": "cancel" if control.cancels_rest else None,
            "undo": None if control.undo is None else _job(control.undo, workers),
        }
    )


def _without_usual(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in fields.items()
        if value is not None and value is not False and value not in ([], {})
    }
