"""The fields of a template; docs/template.schema.json says the same for other languages."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from baton.core.templates.described_worker import WorkerDescription
from baton.core.usage.budget import Budget

VERSION = 1
"""A library reads the templates of all earlier versions. It changes when an older one would read a template wrongly."""


class JobTemplate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A job, as what undoes a step."""

    worker: str
    arguments: dict[str, Any] = {}
    options: dict[str, Any] = {}


class WorkflowTemplate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a workflow has that is a step of another."""

    steps: list[StepTemplate]
    returns: str | None = None
    fail_fast: bool = False
    deadline: float | None = None
    models: dict[str, Any] | None = None
    budgets: list[Budget] = []


class StepTemplate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A step. It has one of `worker`, `workflow` and `awaits`."""

    name: str
    worker: str | None = None
    arguments: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    workflow: WorkflowTemplate | None = None
    each: dict[str, Any] | None = None
    awaits: dict[str, Any] | None = None
    deps: list[str] = []
    when: Any = None
    runs: str | None = None
    needs: int | None = None
    rest: str | None = None
    undo: JobTemplate | None = None
    ignore_cancelled: bool = False
    ignore_discarded: bool = False
    ignore_skipped: bool = False


class Template(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A whole template."""

    template: int
    """The version."""
    name: str | None = None
    debug: bool | float | Literal["errors"] = False
    key: str | None = None
    key_for: float | None = None
    tags: dict[str, str] | None = None
    meta: Any = None
    fail_fast: bool = False
    deadline: float | None = None
    models: dict[str, Any] | None = None
    budgets: list[Budget] = []
    returns: str | None = None
    steps: list[StepTemplate]
    workers: dict[str, WorkerDescription] = {}
    """What processes that do not know a worker need to know of it."""
