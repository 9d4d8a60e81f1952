"""The workers of random workflows that use all that decides how a workflow ends: each call follows its plan."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from baton import Baton, Cancel, Context, Skip, each, failed, result_of, state_of, succeeded, worker
from baton.core.conditions import Condition
from baton.core.job import Job
from tests.model.ending_plan import (
    Both,
    Either,
    EndPlan,
    EndScope,
    EndStep,
    Failed,
    Negated,
    ResultIs,
    StateIs,
    Succeeded,
    When,
)
from tests.model.random_endings import ending_plan


class Boom(Exception):  # noqa: N818  # short in hundreds of error texts
    """Raised by a step that has to fail."""


planned = cache(ending_plan)
UNDO = "[undo]"


@worker(name="follow ending", max_attempts=1)
async def follow_ending(
    ctx: Context, label: str, taken: Any = None, given: Any = None, states: Any = None, number: int | None = None
) -> Any:
    """Do what the plan of this label says of the step."""
    return answer(planned(label), ctx.step, number)


def answer(plan: EndPlan, name: str, number: int | None) -> Any:
    step = step_named(plan, name)
    if step.kind == "graph" and not name.endswith(UNDO):
        assert step.inside is not None
        return scope_of(step.inside, plan.label)
    end = step.undo_end if name.endswith(UNDO) else step.end if number is None else step.items[number]
    match end:
        case "completed":
            return {"n": step.value}
        case "cancelled":
            return Cancel("it says so")
        case "skipped":
            return Skip("it says so")
        case _:
            raise Boom(f"{name} fails")


def step_named(plan: EndPlan, name: str) -> EndStep:
    """The plan of the step with this full name; of a child its map's, of an undo that of the step it takes back."""
    scope: EndScope | None = plan.whole
    found: EndStep | None = None
    for part in re.sub(r"\[\w+\]", "", name).split("/"):
        assert scope is not None
        found = next(step for step in scope.steps if step.name == part)
        scope = found.inside
    assert found is not None
    return found


def workflow_of(plan: EndPlan) -> Baton:
    """The workflow that a plan describes."""
    return scope_of(plan.whole, plan.label, workflow_id=plan.label)


def scope_of(scope: EndScope, label: str, workflow_id: str | None = None) -> Baton:
    made = Baton.new(workflow_id=workflow_id)
    for step in scope.steps:
        what = scope_of(step.inside, label) if step.kind == "workflow" and step.inside is not None else job(step, label)
        made.add(
            step.name,
            what,
            deps=step.deps,
            when=None if step.when is None else condition(step.when),
            runs=step.runs,
            needs=step.needs,
            rest="cancel" if step.cancels_rest else None,
            undo=follow_ending.new(label=label, given=result_of(step.name, default=None)) if step.has_undo else None,
            ignore_cancelled=step.flags.cancelled,
            ignore_discarded=step.flags.discarded,
            ignore_skipped=step.flags.skipped,
        )
    return made


def job(step: EndStep, label: str) -> Job:
    arguments: dict[str, Any] = {"label": label}
    if step.takes:
        arguments["taken"] = [result_of(name) for name in step.takes]
    if step.defaults:
        arguments["given"] = [result_of(name, default="none") for name in step.defaults]
    if step.observes:
        arguments["states"] = [state_of(name) for name in step.observes]
    if step.kind == "map":
        arguments["number"] = each(list(range(len(step.items))))
    return follow_ending.new(**arguments)


def condition(when: When) -> Condition:
    match when:
        case ResultIs(step, operator, number, key):
            part = result_of(step)[key]
            made: Condition = {
                "==": part == number,
                "!=": part != number,
                "<": part < number,
                ">=": part >= number,
            }[operator]
            return made
        case StateIs(step, state):
            is_so: Condition = state_of(step) == state
            return is_so
        case Failed(steps):
            return failed(*steps)
        case Succeeded(steps):
            return succeeded(*steps)
        case Both(first, second):
            return condition(first) & condition(second)
        case Either(first, second):
            return condition(first) | condition(second)
        case Negated(of):
            return ~condition(of)
