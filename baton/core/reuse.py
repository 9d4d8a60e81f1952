"""An insert that takes the results of another run, where steps are the same."""

from __future__ import annotations

from msgspec.structs import asdict, replace

from baton.core.spec import UNBOUNDED, RunScope, WorkflowSpec


def with_reuse(spec: WorkflowSpec, reusing: str | None) -> WorkflowSpec:
    """Return the workflow with the id of the run whose results it takes; None for none."""
    if reusing is None:
        return spec
    scope = spec.scope if isinstance(spec.scope, RunScope) else RunScope(**asdict(spec.scope or UNBOUNDED))
    return replace(spec, scope=replace(scope, reusing=reusing))


def reused_by(spec: WorkflowSpec) -> str | None:
    """Return the id of the run whose results a workflow takes; None if it takes none."""
    return spec.scope.reusing if isinstance(spec.scope, RunScope) else None
