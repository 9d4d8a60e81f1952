"""A run: its picture, and the same as a table."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from baton.core.names import normalised
from baton.core.states import StepState
from baton.core.step_ids import ordinal_of, step_of
from baton.database.run_outline import (
    Groups,
    OutlinedStep,
    RunFacts,
    read_groups,
    read_neighbours,
    read_outline,
    read_outlined,
    read_run_facts,
    read_step_page,
)
from baton.errors import WorkflowNotFound
from baton.tasks import in_thread
from baton.web.opened import Opened, opened_groups
from baton.web.rendering import Page
from baton.web.run_picture import MOST_DRAWN, Row, drawn, rows_of
from baton.web.timeline import timeline
from baton.web.view import View, refuse

ROWS = 200
FAILED_SHOWN = 5
HOPS = 2
MOST_AROUND = 200
_FAILED: tuple[StepState, ...] = ("discarded", "retryable")


async def run(view: View) -> Page:
    """Show a run with the groups open that the address names, or the neighbourhood of a step."""
    asked = view.run()
    asked.engine_to_ask()
    calls, schema = view.engine.store.calls, view.engine.schema
    facts = await read_run_facts(calls, schema, asked.id)
    if facts is None:
        raise WorkflowNotFound(asked.id)
    groups = await read_groups(calls, schema, facts.key)
    around = view.text("around")
    if around is not None:
        rows, is_too_large = await _neighbourhood(view, facts, groups, around), False
    else:
        opened = opened_groups(groups, view.texts("open"), view.texts("shut"))
        steps = await read_outline(calls, schema, facts.key, opened.ordinals, MOST_DRAWN + 1)
        rows, is_too_large = rows_of(steps[:MOST_DRAWN], groups, opened, facts.id), len(steps) > MOST_DRAWN
    shown = await _shown(facts, groups, rows, is_too_large=is_too_large)
    shown |= await _explained(view, facts, groups, rows)
    shown |= {"around": around, "hops": HOPS}
    return Page("run.html", facts.name or facts.id, shown, follows=facts.id)


async def _neighbourhood(view: View, facts: RunFacts, groups: Groups, step: str) -> list[Row]:
    """Return a step and those around it, as if they lay in no group."""
    calls, schema = view.engine.store.calls, view.engine.schema
    found = await read_neighbours(calls, schema, facts.key, normalised(step), HOPS, MOST_AROUND)
    if not found:
        refuse(404, f"This run has no step {step!r}.")
    steps = await read_outlined(calls, schema, facts.key, found)
    return rows_of([structs.replace(one, parent=None) for one in steps], groups, Opened(()), facts.id)


async def _explained(view: View, facts: RunFacts, groups: Groups, rows: Sequence[Row]) -> dict[str, object]:
    """Return what failed, what the run waits for, and why each step that is shown is not final."""
    calls, schema = view.engine.store.calls, view.engine.schema
    failed: Sequence[OutlinedStep] = ()
    if any(groups.counts.get(state) for state in _FAILED):
        failed = await read_step_page(calls, schema, facts.key, _FAILED, None, None, FAILED_SHOWN)
    why = await view.engine.explanations.of_run(facts.id) if facts.state == "executing" else None
    unfinished = [step_of(facts.key, row.step.ordinal) for row in rows[:ROWS] if row.step.finished_at is None]
    each = await view.engine.explanations.of_each(facts.id, unfinished) if unfinished else {}
    failures = sum(groups.counts.get(state, 0) for state in _FAILED)
    whys = {ordinal_of(step): one.why for step, one in each.items()}
    return {"failed": failed, "failures": failures, "why": why, "whys": whys}


async def _shown(facts: RunFacts, groups: Groups, rows: Sequence[Row], *, is_too_large: bool) -> dict[str, object]:
    states: tuple[StepState, ...] = ("discarded", "retryable", "executing", "available", "waiting", "scheduled",
                                     "suspended", "cancelled", "skipped", "completed")  # fmt: skip
    return {
        "run": facts,
        "picture": None if is_too_large or not rows else await in_thread(drawn, rows),
        "is_too_large": is_too_large,
        "most_drawn": MOST_DRAWN,
        "rows": rows[:ROWS],
        "rows_left": len(rows) - ROWS if len(rows) > ROWS else 0,
        "counts": [(state, groups.counts[state]) for state in states if groups.counts.get(state)],
        "total": sum(groups.counts.values()),
        "timeline": timeline(rows[:ROWS], facts),
        "now": facts.now,
    }
