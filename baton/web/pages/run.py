"""A run: its picture, and the same as a table."""

from __future__ import annotations

from collections.abc import Sequence

from baton.core.states import StepState
from baton.core.step_ids import ordinal_of, step_of
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
from baton.web.opened import opened_groups
from baton.web.rendering import Page
from baton.web.run_picture import MOST_DRAWN, Row, drawn, rows_of
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
    failed: Sequence[OutlinedStep] = ()
    if any(groups.counts.get(state) for state in _FAILED):
        failed = await read_step_page(calls, schema, facts.key, _FAILED, None, None, FAILED_SHOWN)
    why = await view.engine.explanations.of_run(facts.id) if facts.state == "executing" else None
    rows = rows_of(steps[:MOST_DRAWN], groups, opened, facts.id)
    unfinished = [step_of(facts.key, row.step.ordinal) for row in rows[:ROWS] if row.step.finished_at is None]
    each = await view.engine.explanations.of_each(facts.id, unfinished) if unfinished else {}
    shown = _shown(facts, groups, rows, is_too_large=len(steps) > MOST_DRAWN)
    shown |= {
        "failed": failed,
        "why": why,
        "whys": {ordinal_of(step): one.why for step, one in each.items()},
    }
    return Page("run.html", facts.name or facts.id, shown, follows=facts.id)


def _shown(facts: RunFacts, groups: Groups, rows: Sequence[Row], *, is_too_large: bool) -> dict[str, object]:
    states: tuple[StepState, ...] = ("discarded", "retryable", "executing", "available", "waiting", "scheduled",
                                     "suspended", "cancelled", "skipped", "completed")  # fmt: skip
    return {
        "run": facts,
        "picture": None if is_too_large or not rows else drawn(rows),
        "is_too_large": is_too_large,
        "most_drawn": MOST_DRAWN,
        "rows": rows[:ROWS],
        "rows_left": len(rows) - ROWS if len(rows) > ROWS else 0,
        "counts": [(state, groups.counts[state]) for state in states if groups.counts.get(state)],
        "total": sum(groups.counts.values()),
        "timeline": timeline(rows[:ROWS], facts),
        "now": facts.now,
    }
