"""A step's id: the key of its workflow in the upper bits, its ordinal in the lower ones (see sql/migrations)."""

from __future__ import annotations

STEP_BITS = 22
MOST_STEPS = 1 << STEP_BITS
"""How many steps a workflow can have: 4,194,304."""


def workflow_of(step_id: int) -> int:
    """Return the key of the step's workflow."""
    return step_id >> STEP_BITS


def ordinal_of(step_id: int) -> int:
    """Return the step's number in its workflow, 0 for the step added first."""
    return step_id & (MOST_STEPS - 1)


def step_of(workflow: int, ordinal: int) -> int:
    """Return the id of the step with this number in the workflow with this key."""
    return (workflow << STEP_BITS) + ordinal
