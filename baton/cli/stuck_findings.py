"""What `baton doctor` says of what does not go on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from baton.cli.finding import Finding
from baton.core.causes.kind import span
from baton.database.stuck import Stuck

NAMED = 3


def stuck(found: Stuck) -> Iterator[Finding]:
    """Yield the workflows that wait for one another, and why steps have been available for long."""
    for circle in found.circles[:NAMED]:
        way = " waits for ".join(repr(workflow) for workflow in (*circle, circle[0]))
        fact = f"workflows wait for one another, and none of them ends: {way}"
        yield Finding("problem", "runs", fact, f"cancel one of them: baton cancel {shlex.quote(circle[0])}")
    if (more := len(found.circles) - NAMED) > 0:
        yield Finding("problem", "runs", f"{more:,} more such circles", "cancel one workflow of each")
    for step in found.steps:
        what = f"step {step.step!r} of workflow {step.workflow_id!r}"
        fact = f"{what} has not started for {span(step.seconds)}: it {step.why}"
        yield Finding("warning", "runs", fact, f"baton explain {shlex.quote(step.workflow_id)}")
    if not found.circles and not found.steps:
        yield Finding("ok", "runs", "none waits for itself, and no step is available for long")
