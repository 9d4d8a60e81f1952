"""What `import baton` gives: the types that its signatures name, and no more modules than it needs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import asyncpg
import pytest

import baton

ROOT = Path(__file__).resolve().parents[1]
PUBLIC_MODULES = {"baton.errors.faults", "baton.errors.control_faults", "baton.events"} | {
    f"baton.core.causes.{name}" for name in ("ended", "limits", "pauses", "running", "waiting", "whole")
}
# `baton.llm` exports what these have.
PUBLIC_MODULES |= {
    "baton.core.usage.budget",
    "baton.core.usage.call_usage",
    "baton.core.usage.prices",
    "baton.database.model_calls",
}
# The package uses these itself; no document names them.
INTERNAL = {
    "Baton.__init__": "Flags",
    "Baton.add": "Wait AnotherRun",
    "Baton.expansion": "Expansion",
    "Baton.spec": "WorkflowSpec",
    "Engine.background": "Tasks",
    "Engine.connections": "Connections",
    "Engine.connector": "Connector",
    "Engine.explanations": "Explanations",
    "Engine.listener": "Listener",
    "Engine.inserts": "ConcurrentInserts",
    "Engine.reads": "Queries",
    "Engine.records": "RecordStore",
    "Engine.store": "Store",
    "Job": "EncodedArguments",
    "Job.holes": "Hole",
    "Receive.__init__": "SignalSpec TimerSpec MessageSpec RunSpec",
    "Run.end": "Wait",
    "Signal.__init__": "SignalSpec TimerSpec MessageSpec RunSpec",
    "Timer.__init__": "SignalSpec TimerSpec MessageSpec RunSpec",
    "Limits.applied": "Outcome",
    "Limits.faults": "WorkflowSpec",
    "Job.spec": ("WorkflowSpec", "Bounds"),
    "Run.of_insert": ("WorkflowSpec", "CallerTransaction"),
    "Worker": "Origin",
    "Worker.fill_holes": "EncodedArguments",
    "Worker.read": "EncodedArguments",
    "Worker.terms": ("Flags", "Terms"),
}
CONDITION_PARTS = {"All", "AnyOf", "Compare", "Failed", "In", "Not", "Succeeded"}
NAMES = {name: getattr(baton, name) for name in baton.__all__} | {
    "asyncpg": asyncpg,
    "AnyWorker": baton.Worker,
    "CallerConnection": object,  # it is made of classes of asyncpg, psycopg and SQLAlchemy
}


def signatures(name: str, exported: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The annotations of an exported object by where they stand: of its fields, and of its public methods."""
    if not isinstance(exported, type):
        if inspect.isroutine(exported):
            yield name, hints(exported)
        return
    for cls in exported.__mro__:
        if cls.__module__.startswith("baton"):
            yield name, hints(cls)
            for attribute, value in vars(cls).items():
                function = getattr(value, "__func__", getattr(value, "fget", value))
                if inspect.isfunction(function) and (not attribute.startswith("_") or attribute == "__init__"):
                    yield f"{name}.{attribute}", hints(function)


def hints(annotated: Any) -> dict[str, Any]:
    module = vars(sys.modules[annotated.__module__])
    raw = annotated.__annotations__ if inspect.isfunction(annotated) else vars(annotated).get("__annotations__", {})
    # asyncpg's Connection takes no parameters at run time.
    kept = {name: hint for name, hint in raw.items() if not name.startswith("_") and "asyncpg" not in str(hint)}
    holder = type("Holder", (), {"__annotations__": kept})
    return get_type_hints(holder, globalns={**NAMES, **module}, localns={**NAMES, **module})


def classes(hint: Any) -> Iterator[type]:
    origin = get_origin(hint)
    if isinstance(hint, type) and origin is None:
        yield hint
    if isinstance(origin, type):
        yield origin
    for part in get_args(hint):
        for inner in part if isinstance(part, list) else [part]:
            yield from classes(inner)


@pytest.mark.parametrize("name", sorted(baton.__all__))
def test_each_class_that_a_public_signature_names_is_exported(name):
    exported = {id(value) for value in NAMES.values()}
    missing = [
        f"{where}: {cls.__module__}.{cls.__qualname__}"
        for where, annotations in signatures(name, NAMES[name])
        for hint in annotations.values()
        for cls in classes(hint)
        if cls.__module__.startswith("baton") and cls.__module__ not in PUBLIC_MODULES
        if id(cls) not in exported and cls.__name__ not in INTERNAL.get(where, ())
        if not (where == "Condition.__init__" and cls.__name__ in CONDITION_PARTS)
    ]

    assert missing == []


def test_the_states_are_exported_as_types():
    assert set(get_args(baton.FinalStepState)) == {"completed", "cancelled", "discarded", "skipped"}
    assert set(get_args(baton.FinalWorkflowState)) == {"completed", "failed", "cancelled"}
    assert "StepState" in baton.StepRecord.__annotations__["state"]
    assert "WorkflowState" in baton.Status.__annotations__["state"]


def test_a_name_that_is_imported_late_is_there_and_others_are_not():
    assert baton.WorkerPool.__module__ == "baton.runtime.pool"
    assert {"WorkerPool", "Health", "Drained"} <= set(dir(baton))
    with pytest.raises(AttributeError, match="module 'baton' has no attribute 'WorkerPol'"):
        _ = baton.WorkerPol


PROGRAM = """
import json, sys
import asyncpg, msgspec
before = set(sys.modules)
{work}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported_by(work: str) -> list[str]:
    """The modules that this work imports in a new process, beside asyncpg and msgspec and what they import."""
    command = [sys.executable, "-c", PROGRAM.format(work=work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(done.stdout)
    return modules


def test_importing_baton_imports_nothing_else():
    """Modules are counted and not milliseconds, which vary with the machine."""
    assert imported_by("import baton") == ["baton"]


def test_defining_graphs_imports_nothing_that_reaches_a_database():
    modules = imported_by("from baton import Baton, result_of, worker")

    assert [module for module in modules if module.startswith(("baton.database", "baton.client"))] == []
    assert len(modules) <= 75


def test_an_engine_imports_no_module_that_few_programs_need():
    modules = imported_by("from baton import Baton, Engine, result_of, worker")

    assert [module for module in modules if not module.startswith("baton")] == ["copy", "dataclasses"]
    late = ("baton.runtime", "baton.cli.", "baton.contrib", "baton.embedded", "baton.core.pictures", "baton.events")
    assert [module for module in modules if module.startswith(late)] == []
    assert len(modules) <= 125


def test_inserting_imports_nothing_that_runs_workers():
    work = "from baton import Baton, Engine, worker"
    job = "worker(name='x')(lambda: 1).new().spec(); Baton.new().add('a', worker(name='y')(lambda: 1).new()).spec()"
    modules = imported_by(f"{work}\n{job}")

    assert not [module for module in modules if module.startswith(("baton.runtime", "anyio", "pydantic"))]
