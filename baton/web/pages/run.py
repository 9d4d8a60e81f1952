"""A run: its picture, and the same as a table."""

from __future__ import annotations

from collections.abc import Sequence

from baton.core.states import StepState
from baton.database.run_outline import (
    Groups,
    OutlinedStep,
    RunFacts,
    read_groups,
    read_outline,
    read_run_facts,
    read_step_page,
)
from baton.errors import WorkflowNotFound
from baton.web.opened import Opened, opened_groups
from baton.web.rendering import Page
from baton.web.run_picture import MOST_DRAWN, drawn, rows_of
from baton.web.timeline import timeline
from baton.web.view import View

ROWS = 200
FAILED_SHOWN = 5
_FAILED: tuple[StepState, ...] = ("discarded", "retryable")


async def run(view: View) -> Page:
    """Show a run with the groups open that the address names."""
    asked = view.run()
    asked.engine_to_ask()
    calls, schema = view.engine.store.calls, view.engine.schema
    facts = await read_run_facts(calls, schema, asked.id)
    if facts is None:
        raise WorkflowNotFound(asked.id)
    groups = await read_groups(calls, schema, facts.key)
    opened = opened_groups(groups, view.texts("open"), view.texts("shut"))
    steps = await read_outline(calls, schema, facts.key, opened.ordinals, MOST_DRAWN + 1)
    failed = [
        step
        for state in _FAILED
        if groups.counts.get(state)
        for step in await read_step_page(calls, schema, facts.key, state, None, None, FAILED_SHOWN)
    ]
    why = await view.engine.explanations.of_run(facts.id) if facts.state == "executing" else None
    return Page("run.html", facts.name or facts.id, _shown(facts, groups, opened, steps, failed, why), follows=facts.id)


def _shown(
    facts: RunFacts,
    groups: Groups,
    opened: Opened,
    steps: Sequence[OutlinedStep],
    failed: Sequence[OutlinedStep],
    why: object,
) -> dict[str, object]:
    is_too_large = len(steps) > MOST_DRAWN
    rows = rows_of(steps[:MOST_DRAWN], groups, opened, facts.id)
    states: tuple[StepState, ...] = ("discarded", "retryable", "executing", "available", "waiting", "scheduled",
                                     "suspended", "cancelled", "skipped", "completed")  # fmt: skip
    return {
        "run": facts,
        "picture": None if is_too_large or not rows else drawn(rows),
        "is_too_large": is_too_large,
        "most_drawn": MOST_DRAWN,
        "rows": rows[:ROWS],
        "rows_left": len(rows) - ROWS if len(rows) > ROWS else 0,
        "failed": failed[:FAILED_SHOWN],
        "why": why,
        "counts": [(state, groups.counts[state]) for state in states if groups.counts.get(state)],
        "total": sum(groups.counts.values()),
        "timeline": timeline(rows[:ROWS], facts),
        "now": facts.now,
    }
