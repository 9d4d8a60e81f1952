"""Random workflows that end early, run by two pools, end as an independent model of the rules says.

They fail fast or not; their maps tolerate failures or need only some children; some steps hang until their deadline.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from baton import Baton, Engine, Job, StepRecord, WorkerPool, each, worker
from tests.database.raw_pool import assert_consistent

WORKFLOWS = 120
AT_ONCE = 12
SECONDS_TO_FINISH = 60.0
DEADLINE = 0.3


@worker(name="enough act", max_attempts=1)
async def act(what: str) -> str:
    match what:
        case "fail":
            raise ValueError("fails")
        case "hang":
            await asyncio.sleep(600)
        case _:
            return what
    return what


@dataclass(frozen=True, slots=True)
class Step:
    """A step, or a map: `acts` has what each child does, or the one act of a plain step."""

    name: str
    acts: tuple[str, ...]
    deps: tuple[str, ...] = ()
    ignores: bool = False
    is_map: bool = False
    tolerate: int | str | None = None
    needs: int | None = None
    concurrency: int | None = None

    def bad(self) -> int:
        return sum(one != "return" for one in self.acts)

    def own_end(self) -> str:
        """How it ends if it runs and nothing cancels it."""
        bad, size = self.bad(), len(self.acts)
        if self.needs is not None:
            return "completed" if size - bad >= self.needs else "discarded"
        tolerate = self.tolerate or 0
        allowed = size * int(tolerate.rstrip("%")) // 100 if isinstance(tolerate, str) else tolerate
        return "completed" if bad <= allowed else "discarded"


@dataclass(frozen=True, slots=True)
class Flow:
    label: str
    steps: tuple[Step, ...]
    fails_fast: bool


def drawn(label: str) -> Flow:
    chance = random.Random(label)
    steps: list[Step] = []
    for number in range(chance.randint(1, 9)):
        deps = tuple(one.name for one in steps if chance.random() < 0.3)
        ignores = chance.random() < 0.4
        if chance.random() < 0.5:
            steps.append(Step(f"s{number}", (_act(chance, 0.2, may_hang=True),), deps, ignores))
            continue
        acts = tuple(_act(chance, 0.25, may_hang=False) for _ in range(chance.randint(1, 12)))
        limit: dict[str, int | str] = {}
        match chance.choice(("nothing", "tolerate", "share", "needs")):
            case "tolerate":
                limit = {"tolerate": chance.randint(0, 4)}
            case "share":
                limit = {"tolerate": f"{chance.choice((0, 10, 25, 50, 100))}%"}
            case "needs":
                limit = {"needs": chance.randint(1, len(acts))}
        concurrency = chance.choice((None, None, 1, 3))
        steps.append(Step(f"m{number}", acts, deps, ignores, is_map=True, concurrency=concurrency, **limit))  # type: ignore[arg-type]
    return Flow(label, tuple(steps), chance.random() < 0.5)


def _act(chance: random.Random, trouble: float, *, may_hang: bool) -> str:
    if chance.random() >= trouble:
        return "return"
    # In a map what does not hang would have the same deadline, and might have to wait longer for its turn.
    return "hang" if may_hang and chance.random() < 0.3 else "fail"


def built(flow: Flow) -> Baton:
    made = Baton.new(workflow_id=flow.label, fail_fast=flow.fails_fast)
    for step in flow.steps:
        made.add(step.name, job_of(step), deps=step.deps, ignore_discarded=step.ignores, ignore_cancelled=step.ignores)
    return made


def job_of(step: Step) -> Job:
    job = act.new(each(list(step.acts)) if step.is_map else step.acts[0])
    if "hang" in step.acts:
        job = job.with_options(deadline=DEADLINE)
    given = {"tolerate": step.tolerate, "needs": step.needs, "concurrency": step.concurrency}
    options = {name: value for name, value in given.items() if value is not None}
    return job.with_options(**options) if options else job  # type: ignore[arg-type]


def predicted(flow: Flow) -> dict[str, str]:
    """How each step ends if the workflow is not ended before."""
    ends: dict[str, str] = {}
    for step in flow.steps:
        runs = step.ignores or all(ends[name] == "completed" for name in step.deps)
        ends[step.name] = step.own_end() if runs else "cancelled"
    return ends


def fails(flow: Flow, ends: Mapping[str, str]) -> bool:
    """Whether one failure is not forgiven: not ignored by all of its dependents, or by none that began."""
    for step in flow.steps:
        if ends[step.name] == "completed":
            continue
        dependents = [one for one in flow.steps if step.name in one.deps]
        if not dependents or not all(one.ignores for one in dependents):
            return True
        if not any(one.ignores or ends[one.name] != "cancelled" for one in dependents):
            return True
    return False


def wrong_with(flow: Flow, state: str, records: Sequence[StepRecord]) -> list[str]:
    """Compare how a workflow ended with the prediction."""
    ends = predicted(flow)
    expected = "failed" if fails(flow, ends) else "completed"
    found = [] if state == expected else [f"it is {state}, by the model {expected}"]
    may_be_cut_short = flow.fails_fast and expected == "failed"
    by_name = {record.name: record for record in records}
    for step in flow.steps:
        record = by_name[step.name]
        if record.state != ends[step.name] and not (may_be_cut_short and record.state == "cancelled"):
            found.append(f"{step.name} is {record.state}, by the model {ends[step.name]}")
        elif step.is_map and record.state != "cancelled":
            found += wrong_with_children(step, record)
    return found


def wrong_with_children(step: Step, record: StepRecord) -> list[str]:
    found = []
    states = [child.state for child in record.children]
    for child, what in zip(record.children, step.acts, strict=True):
        own = "completed" if what == "return" else "discarded"
        if child.state not in (own, "cancelled"):
            found.append(f"{child.name} is {child.state}, and it does {what}")
    completed, bad = states.count("completed"), states.count("discarded")
    if step.needs is not None and record.state == "completed" and completed < step.needs:
        found.append(f"{step.name} is completed with {completed} of its children")
    if step.needs is None and record.state == "completed" and "cancelled" in states:
        found.append(f"{step.name} is completed, and children of it were cancelled")
    if step.tolerate is None and step.needs is None and "cancelled" in states:
        found.append(f"{step.name} runs all of its children, and some were cancelled")
    if record.state == "discarded" and bad == 0:
        found.append(f"{step.name} is discarded, and no child of it failed")
    return found


@pytest.mark.slow
async def test_random_workflows_that_end_early_end_as_the_rules_say(database, connection, seed):
    labels = [seed] if "/" in seed else [f"{seed}/{number}" for number in range(WORKFLOWS)]
    flows = [drawn(label) for label in labels]
    few = asyncio.Semaphore(AT_ONCE)

    async def ended(flow: Flow) -> list[str]:
        async with few:
            run = await built(flow).insert(engine)
            state = await run.wait(timeout=SECONDS_TO_FINISH)
            return [f"BATON_SEED={flow.label}: {line}" for line in wrong_with(flow, state, await run.steps())]

    async with (
        Engine(database) as first,
        Engine(database) as second,
        Engine(database) as engine,
        WorkerPool(first, queues={"default": 12}),
        WorkerPool(second, queues={"default": 7}),
    ):
        found = await asyncio.gather(*[ended(flow) for flow in flows])
        await assert_consistent(connection)

    wrong = [line for lines in found for line in lines]
    assert not wrong, "\n".join(wrong[:30])


@pytest.mark.parametrize(
    ("acts", "limit", "end"),
    [
        (("fail", "return"), {}, "discarded"),
        (("fail", "return"), {"tolerate": 1}, "completed"),
        (("fail", "return"), {"tolerate": "49%"}, "discarded"),
        (("fail", "return"), {"tolerate": "50%"}, "completed"),
        (("fail", "return"), {"needs": 1}, "completed"),
        (("fail", "return"), {"needs": 2}, "discarded"),
    ],
)
def test_the_model_of_a_map(acts, limit, end):
    assert Step("m", acts, is_map=True, **limit).own_end() == end
