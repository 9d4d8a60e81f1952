"""Conditions, `needs`, closing steps and undos, in the forms in which they are stored and hashed."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from baton.core.control import CLOSING_ATTEMPTS, Control
from baton.core.draft import Added
from baton.core.fingerprint import written_options, written_references
from baton.core.job import Job
from baton.core.options import without_holes
from baton.core.references import to_json
from baton.core.spec import NO_FLAGS, Undo


def undo_spec(step: Added, undo: Job) -> Undo:
    """Return the undo of a step as it is stored; where it refers to the step itself, the name is empty."""
    terms = undo.worker.terms(without_holes(undo.given), NO_FLAGS)
    placed = tuple(
        [
            replace(reference, step="") if reference.step == step.name else reference
            for reference in undo.arguments.placed
        ]
    )
    return Undo(
        worker=terms.worker,
        queue=terms.queue,
        priority=terms.priority,
        max_attempts=without_holes(undo.given).get("max_attempts", CLOSING_ATTEMPTS),
        args=undo.arguments.args,
        arg_refs=to_json(placed, undo.holes),
        timeout=terms.timeout,
        lane=terms.lane,
        units=terms.units,
        takes_context=terms.takes_context,
        deadline=terms.deadline,
        start_within=terms.start_within,
        backoff=terms.backoff,
    )


def written_control(control: Control) -> tuple[tuple[str, Any], ...]:
    """Return what decides about a step as options of its fingerprint; only what was given."""
    written: list[tuple[str, Any]] = []
    if control.when is not None:
        written.append(("when", msgspec.to_builtins(control.when)))
    if control.runs is not None:
        written.append(("runs", control.runs))
    if control.needs is not None:
        written.append(("needs", control.needs))
    if control.cancels_rest:
        written.append(("rest", "cancel"))
    if (undo := control.undo) is not None:
        own = [
            undo.worker.name,
            undo.arguments.args_in_order,
            written_references(undo.arguments.placed, undo.holes),
            written_options(undo.given),
        ]
        written.append(("undo", own))
    return tuple(written)
