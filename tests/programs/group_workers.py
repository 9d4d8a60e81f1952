"""The worker of random workflows with groups: each call follows its plan."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from baton import Baton, Cancel, Context, RetryAfter, Skip, Snooze, each, param, result_of, worker
from baton.core.job import Job
from tests.model.group_plan import NOTHING, Graph, GroupPlan, Node, value_of, without_failures

SECONDS_WITHOUT_END = 120.0
IDLE = Node("idle")


class Boom(Exception):  # noqa: N818  # short in hundreds of error texts
    """Raised by a step that has to fail."""


class Log:
    """What the workers of this process did."""

    def __init__(self) -> None:
        self.starts: Counter[tuple[str, str]] = Counter()
        self.running: Counter[tuple[str, str]] = Counter()
        """By workflow and map."""
        self.crowded: dict[str, str] = {}
        """The workflows in which more children of a map ran than it has slots, with what was seen."""
        self.failures_are_off = False
        """Steps do not fail any more."""
        self.hanging: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """By workflow; set once the step that the test will cancel hangs."""

    def enter(self, ctx: Context, plan: Node) -> tuple[str, str]:
        self.starts[ctx.workflow_id, ctx.step] += 1
        lane = ctx.workflow_id, ctx.step.rpartition("[")[0] if plan.kind == "map" else ctx.step
        self.running[lane] += 1
        if plan.kind == "map" and self.running[lane] > (plan.concurrency or self.running[lane]):
            self.crowded[ctx.workflow_id] = f"{lane[1]} runs {self.running[lane]} of {plan.concurrency}"
        return lane


log = Log()


@worker(name="follow_plan", backoff=0.01)
async def follow_plan(
    ctx: Context, plan: Node = IDLE, left: Any = NOTHING, number: int | None = None, items: Sequence[int] = ()
) -> Any:
    """`items` has the items of the maps of workflows around the step; what a step does depends on none of them."""
    assert list(items) == parsed_items(ctx.step, len(items))
    lane = log.enter(ctx, plan)
    try:
        await asyncio.sleep(0)
        return await do(ctx, plan if number is None else plan.items[number], left)
    finally:
        log.running[lane] -= 1


async def do(ctx: Context, plan: Node, left: Any) -> Any:
    if log.starts[ctx.workflow_id, ctx.step] <= plan.snoozes:
        return Snooze(0.01)
    match (replace(plan, acts=without_failures(plan.acts)) if log.failures_are_off else plan).act(ctx.attempt):
        case "return":
            return value_of(ctx.step, left, dict(ctx.results), outcomes_of(ctx))
        case "list":
            return list(range(plan.size))
        case "graph":
            assert plan.inside is not None
            return workflow_of(plan.inside)
        case "retry":
            return RetryAfter(0)
        case "cancel":
            return Cancel("it says so")
        case "skip":
            return Skip("it says so")
        case "hang":
            log.hanging[ctx.workflow_id].set()
            await asyncio.sleep(SECONDS_WITHOUT_END)
        case "raise":
            pass
        case fault:
            return faulty(fault)
    raise Boom(f"{ctx.step} fails in attempt {ctx.attempt}")


def outcomes_of(ctx: Context) -> dict[str, Any]:
    return {
        name: [outcome.state, {child: each.state for child, each in outcome.children.items()}]
        for name, outcome in ctx.outcomes.items()
    }


def faulty(fault: str) -> Baton:
    """Return a graph with this fault, or raise."""
    match fault:
        case "cycle":
            return Baton.new().add("a", follow_plan.new(), deps=["b"]).add("b", follow_plan.new(), deps=["a"])
        case "unknown":
            return Baton.new().add("a", follow_plan.new(), deps=["nowhere"])
        case "twice":
            return Baton.new().add("a", follow_plan.new()).add("a", follow_plan.new())
        case _:
            return Baton.new()


def parsed_items(step: str, count: int) -> list[int]:
    """The numbers of the innermost maps around a step, which are their items, from the outside."""
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]/", step)]
    return numbers[len(numbers) - count :]


def workflow_of(graph: Graph, workflow_id: str | None = None, maps: int = 0) -> Baton:
    """The workflow that a plan describes; `maps` is how many maps of workflows are around it."""
    made = Baton.new(workflow_id=workflow_id)
    for node in graph.steps:
        what: Baton | Job
        items, deps = None, node.deps
        if node.kind == "workflow" and node.inside is not None:
            what = workflow_of(node.inside, maps=maps)
        elif node.mapped is not None:
            what = workflow_of(node.mapped, maps=maps + 1).with_options(concurrency=node.concurrency)
            deps = tuple(name for name in node.named if name != node.source)
            items = {f"item{maps}": list(range(len(node.items))) if node.source is None else result_of(node.source)}
        else:
            what = job_of(node, maps)
        made.add(
            node.name,
            what,
            each=items,
            deps=deps,
            ignore_cancelled=node.flags.cancelled,
            ignore_discarded=node.flags.discarded,
            ignore_skipped=node.flags.skipped,
        )
    return made if graph.returns is None else made.returns(graph.returns)


def job_of(node: Node, maps: int) -> Job:
    arguments: dict[str, Any] = {"plan": node}
    if maps:
        arguments["items"] = [param(f"item{number}") for number in range(maps)]
    if node.left is not None:
        arguments["left"] = result_of(node.left)
    if node.kind == "map":
        arguments["number"] = each(list(range(len(node.items))) if node.source is None else result_of(node.source))
    job = follow_plan.new(**arguments).with_options(max_attempts=node.max_attempts)
    return job if node.concurrency is None else job.with_options(concurrency=node.concurrency)


def workflow_of_plan(group_plan: GroupPlan) -> Baton:
    return workflow_of(group_plan.whole, group_plan.label)
