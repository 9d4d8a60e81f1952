"""Random workflows with groups in groups, run by two pools, end as an independent model of the rules says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from baton import Engine, StepCancelled, StepFailed, StepRecord, StepSkipped, WorkerPool
from baton.client.run import Run
from tests.database.raw_pool import assert_consistent
from tests.model.group_plan import SOUND, TROUBLED, Graph, GroupAct, GroupPlan, IgnoreFlags, Node, without_failures
from tests.model.group_rules import ABSENT, PredictedStep, Prediction
from tests.model.random_groups import group_plans
from tests.programs import group_workers
from tests.programs.group_workers import Log, workflow_of_plan

WORKFLOWS = 300
SECONDS_TO_FINISH = 60.0
CANCELLED_BY_TEST = "cancelled by the test"
AT_ONCE = 20


@pytest.fixture
def log(monkeypatch) -> Log:
    """What the workers of this process do, from now on."""
    monkeypatch.setattr(group_workers, "log", Log())
    return group_workers.log


@asynccontextmanager
async def two_pools(database: str) -> AsyncIterator[Engine]:
    """An engine, and two pools on engines of their own."""
    async with (
        Engine(database) as first,
        Engine(database) as second,
        Engine(database) as engine,
        WorkerPool(first, queues={"default": 12}),
        WorkerPool(second, queues={"default": 7}),
    ):
        yield engine


@pytest.mark.slow
async def test_random_workflows_with_groups_end_as_the_rules_say(database, connection, log, seed):
    drawn = group_plans(seed, WORKFLOWS)

    async with two_pools(database) as engine:
        few = asyncio.Semaphore(AT_ONCE)
        ended = await asyncio.gather(*[run_to_end(group_plan, engine, few, log) for group_plan in drawn])
        await assert_consistent(connection)

    # A child that was cancelled may run for a while after it gave its slot away.
    not_cancelled = {group_plan.label for group_plan in drawn if group_plan.cancels is None}
    assert {label: ended for label, ended in log.crowded.items() if label in not_cancelled} == {}
    wrong = [f"BATON_SEED={one.group_plan.label}: {line}" for one in ended for line in violations(one)]
    assert not wrong, "\n".join(wrong[:40])
    assert sum(len(one.records) for one in ended) > 10 * len(drawn) or len(drawn) == 1


@pytest.mark.slow
async def test_random_groups_that_failed_complete_after_a_retry(database, connection, log, seed):
    """Without flags a retry opens every failed step, so the run ends as if nothing had ever failed."""
    drawn = [without_flags(group_plan) for group_plan in group_plans(seed, WORKFLOWS // 3)]

    async with two_pools(database) as engine:
        few = asyncio.Semaphore(AT_ONCE)
        first = await asyncio.gather(*[run_to_end(group_plan, engine, few, log) for group_plan in drawn])
        await assert_consistent(connection)
        log.failures_are_off = True
        failed = [one for one in first if one.state == "failed"]
        ended = await asyncio.gather(*[run_to_end(one.group_plan, engine, few, log, one.run) for one in failed])
        await assert_consistent(connection)

    wrong = [f"BATON_SEED={one.group_plan.label}: {line}" for one in first for line in violations(one)]
    wrong += [
        f"BATON_SEED={one.group_plan.label}: after the retry {line}"
        for one in ended
        for line in violations(one, as_if=mapped(one.group_plan, without_failures))
    ]
    assert not wrong, "\n".join(wrong[:40])
    assert len(failed) > len(drawn) / 10 or len(drawn) == 1


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What became of a workflow."""

    group_plan: GroupPlan
    run: Run
    state: str
    run_result: tuple[str, Any]
    records: dict[str, StepRecord]
    groups: dict[str, Sequence[str]]
    """The names of the children of each group."""


async def run_to_end(
    group_plan: GroupPlan, engine: Engine, few: asyncio.Semaphore, log: Log, retried: Run | None = None
) -> EndedRun:
    """Insert a workflow, or retry it; cancel what its plan says, and wait for its end."""
    async with few:
        if retried is None:
            run = await workflow_of_plan(group_plan).insert(engine)
        else:
            run = retried
            assert await run.retry() > 0
        if group_plan.cancels is None:
            state = await final_state(run)
        else:
            state = await cancelled_when_it_hangs(group_plan, run, log)
        records = {record.name: record for record in flattened(await run.steps())}
        run_result = await run_result_of(run) if state != "executing" else ("none", None)
    groups = {name: [child.name for child in record.children] for name, record in records.items()}
    return EndedRun(group_plan, run, state, run_result, records, groups)


async def final_state(run: Run) -> str:
    try:
        return await run.wait(timeout=SECONDS_TO_FINISH)
    except TimeoutError:
        return "executing"  # the records say more about it than the error


async def cancelled_when_it_hangs(group_plan: GroupPlan, run: Run, log: Log) -> str:
    hanging = asyncio.ensure_future(log.hanging[run.id].wait())
    final = asyncio.ensure_future(final_state(run))
    await asyncio.wait([hanging, final], return_when=asyncio.FIRST_COMPLETED)
    if not final.done():
        await run.cancel(*(group_plan.cancels or ()), reason=CANCELLED_BY_TEST)
    hanging.cancel()
    return await final


async def run_result_of(run: Run) -> tuple[str, Any]:
    try:
        return "result", await run.result(timeout=SECONDS_TO_FINISH)
    except StepFailed:
        return "discarded", None
    except StepCancelled:
        return "cancelled", None
    except StepSkipped:
        return "skipped", None


def flattened(records: Sequence[StepRecord]) -> Iterator[StepRecord]:
    for record in records:
        yield record
        yield from flattened(record.children)


# What is compared


def violations(ended: EndedRun, as_if: GroupPlan | None = None) -> Iterator[str]:
    """Where the run differs from the model's prediction; `as_if` is another plan than the one that was inserted."""
    if open_ := [name for name, record in ended.records.items() if record.finished_at is None]:
        yield f"these are not final: { {name: ended.records[name].state for name in open_} }"
        return
    times = {name: record.finished_at for name, record in ended.records.items() if record.finished_at}
    began = {name for name, record in ended.records.items() if record.attempted_at is not None}
    cancelled_by_test = frozenset(name for name, record in ended.records.items() if record.reason == CANCELLED_BY_TEST)
    try:
        prediction = Prediction(as_if or ended.group_plan, times, cancelled_by_test, began)
    except KeyError as error:
        yield f"there is no step {error}; the steps are {sorted(ended.records)}"
        return
    steps = prediction.steps()
    if steps.keys() != ended.records.keys():
        missing, strange = steps.keys() - ended.records.keys(), ended.records.keys() - steps.keys()
        yield f"it lacks the steps {sorted(missing)}, and has the steps {sorted(strange)}"
        return
    for name, step in steps.items():
        yield from [f"{name} {fault}" for fault in of_step(ended, step, is_retried=as_if is not None)]
    is_cancelled = ended.group_plan.cancels == () and bool(cancelled_by_test)
    if ended.state != ("cancelled" if is_cancelled else prediction.state()):
        yield f"the workflow is {ended.state}, it should be {prediction.state()}"
    if ended.run_result != prediction.run_result():
        yield f"its result is {ended.run_result}, it should be {prediction.run_result()}"
    yield from of_cancelled_by_test(ended, cancelled_by_test)


def of_step(ended: EndedRun, step: PredictedStep, *, is_retried: bool) -> Iterator[str]:
    record = ended.records[step.name]
    if record.state != step.state:
        yield f"is {record.state}, it should be {step.state}: {record.reason}"
    result = None if step.result is ABSENT else step.result
    if record.result != result:
        yield f"has the result {record.result!r}, it should be {result!r}"
    if list(ended.groups[step.name]) != [child.name for child in step.children or ()]:
        yield f"has the children {ended.groups[step.name]}"
    if record.pending:
        yield f"still waits for {record.pending}"
    if step.attempts is not None and step.children is None and record.attempt != step.attempts and not is_retried:
        yield f"took {record.attempt} attempts, it should be {step.attempts}"


def of_cancelled_by_test(ended: EndedRun, cancelled_by_test: frozenset[str]) -> Iterator[str]:
    """What the test cancelled was named, or lies below what was named, and ended in one transaction."""
    names = ended.group_plan.cancels
    if len({ended.records[name].finished_at for name in cancelled_by_test}) > 1:
        yield f"what the test cancelled ended at different times: {sorted(cancelled_by_test)}"
    for name in cancelled_by_test:
        if names is None or (names and not is_below(name, names[0])):
            yield f"{name} is cancelled for the test's reason, and the test did not do that"


def is_below(name: str, group: str) -> bool:
    return name == group or name.startswith((f"{group}/", f"{group}["))


# Plans that complete when they are retried without failures


def without_flags(group_plan: GroupPlan) -> GroupPlan:
    """The same plan without flags and cancellations, in which all that fails are steps that raise."""
    return mapped(group_plan, lambda acts: tuple(act if act in SOUND | TROUBLED else "raise" for act in acts))


def mapped(group_plan: GroupPlan, change: Callable[[tuple[GroupAct, ...]], tuple[GroupAct, ...]]) -> GroupPlan:
    """The same plan without flags and cancellations, its acts changed."""

    def of_graph(graph: Graph) -> Graph:
        return replace(graph, steps=tuple(map(of_node, graph.steps)))

    def of_node(node: Node) -> Node:
        inside = None if node.inside is None else of_graph(node.inside)
        items = tuple(map(of_node, node.items))
        return replace(node, flags=IgnoreFlags(), acts=change(node.acts), items=items, inside=inside)

    return replace(group_plan, whole=of_graph(group_plan.whole), cancels=None)
