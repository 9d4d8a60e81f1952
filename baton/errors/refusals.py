# ruff: noqa: N818  # the names say what happened; an "Error" at the end of each would add nothing
"""Errors of calls that somebody decides on, and that would do harm as things are."""

from __future__ import annotations

from baton.errors.root import BatonError
from baton.errors.texts import quoted


class InterventionRefused(BatonError):
    """Raised by `complete`, `skip` and `start_now` of a step that cannot be changed so now; nothing was changed."""

    def __init__(self, workflow_id: str, step: str, verb: str, why: str) -> None:
        self.workflow_id = workflow_id
        self.step = step
        self.why = why
        super().__init__(f"step {quoted(step)} of workflow {workflow_id!r} cannot {verb}: {why}")
