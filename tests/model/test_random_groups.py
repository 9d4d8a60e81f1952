"""Random workflows with groups in groups, run by two pools, end as an independent model of the rules says."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from baton import Engine, StepCancelled, StepFailed, StepRecord, StepSkipped, WorkerPool
from baton.client.run import Run
from tests.database.raw_pool import demand_sound
from tests.model.group_plan import SOUND, TROUBLED, Deed, Family, Growth, Node, Tolerance, healed
from tests.model.group_rules import ABSENT, Foretold, Place
from tests.model.random_groups import growths
from tests.programs import group_workers
from tests.programs.group_workers import Log, flow_of

WORKFLOWS = 300
SECONDS_TO_FINISH = 60.0
BY_HAND = "by hand"
AT_ONCE = 20


@pytest.fixture
def log(monkeypatch) -> Log:
    """What the pools do, from now on."""
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
async def test_random_workflows_with_groups_end_as_the_rules_say(database, connection, log):
    seed = os.environ.get("BATON_SEED") or str(random.randrange(10**6))
    print(f"BATON_SEED={seed} draws these again, BATON_SEED={seed}/17 one of them alone")  # noqa: T201  # shown on failure
    drawn = growths(seed, WORKFLOWS)

    async with two_pools(database) as engine:
        few = asyncio.Semaphore(AT_ONCE)
        told = await asyncio.gather(*[ended(growth, engine, few, log) for growth in drawn])
        await demand_sound(connection)

    # A child that is cancelled by hand may run for a while after it gave its slot away.
    calm = {growth.label for growth in drawn if growth.cancels is None}
    assert {label: told for label, told in log.crowded.items() if label in calm} == {}
    wrong = [f"BATON_SEED={one.growth.label}: {line}" for one in told for line in violations(one)]
    assert not wrong, "\n".join(wrong[:40])
    assert sum(len(one.records) for one in told) > 10 * len(drawn) or len(drawn) == 1


@pytest.mark.slow
async def test_what_failed_in_random_groups_is_made_good_by_a_retry(database, connection, log):
    """Without flags every failed step is opened again; healed, the run ends as if nothing had ever failed."""
    seed = os.environ.get("BATON_SEED") or str(random.randrange(10**6))
    print(f"BATON_SEED={seed} draws these again, BATON_SEED={seed}/17 one of them alone")  # noqa: T201  # shown on failure
    drawn = [healable(growth) for growth in growths(seed, WORKFLOWS // 3)]

    async with two_pools(database) as engine:
        few = asyncio.Semaphore(AT_ONCE)
        first = await asyncio.gather(*[ended(growth, engine, few, log) for growth in drawn])
        await demand_sound(connection)
        log.healed = True
        failed = [one for one in first if one.state == "failed"]
        told = await asyncio.gather(*[ended(one.growth, engine, few, log, one.run) for one in failed])
        await demand_sound(connection)

    wrong = [f"BATON_SEED={one.growth.label}: {line}" for one in first for line in violations(one)]
    wrong += [
        f"BATON_SEED={one.growth.label}: after the retry {line}"
        for one in told
        for line in violations(one, as_if=mapped(one.growth, healed))
    ]
    assert not wrong, "\n".join(wrong[:40])
    assert len(failed) > len(drawn) / 10 or len(drawn) == 1


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a workflow."""

    growth: Growth
    run: Run
    state: str
    answer: tuple[str, Any]
    records: dict[str, StepRecord]
    groups: dict[str, Sequence[str]]
    """The names of the children of each group."""


async def ended(growth: Growth, engine: Engine, few: asyncio.Semaphore, log: Log, retried: Run | None = None) -> Told:
    """Insert a workflow, or retry it; cancel by hand what its plan says, and wait for its end."""
    async with few:
        if retried is None:
            run = await flow_of(growth).insert(engine)
        else:
            run = retried
            assert await run.retry() > 0
        if growth.cancels is None:
            state = await final_state(run)
        else:
            state = await cancelled_when_it_hangs(growth, run, log)
        records = {record.name: record for record in flattened(await run.steps())}
        answer = await answer_of(run) if state != "executing" else ("none", None)
    groups = {name: [child.name for child in record.children] for name, record in records.items()}
    return Told(growth, run, state, answer, records, groups)


async def final_state(run: Run) -> str:
    try:
        return await run.wait(timeout=SECONDS_TO_FINISH)
    except TimeoutError:
        return "executing"  # the records say more about it than the error


async def cancelled_when_it_hangs(growth: Growth, run: Run, log: Log) -> str:
    hanging = asyncio.ensure_future(log.hanging[run.id].wait())
    final = asyncio.ensure_future(final_state(run))
    await asyncio.wait([hanging, final], return_when=asyncio.FIRST_COMPLETED)
    if not final.done():
        await run.cancel(*(growth.cancels or ()), reason=BY_HAND)
    hanging.cancel()
    return await final


async def answer_of(run: Run) -> tuple[str, Any]:
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


def violations(told: Told, as_if: Growth | None = None) -> Iterator[str]:
    """What is not as the model says; `as_if` another plan than the one that was inserted."""
    if open_ := [name for name, record in told.records.items() if record.finished_at is None]:
        yield f"these are not final: { {name: told.records[name].state for name in open_} }"
        return
    times = {name: record.finished_at for name, record in told.records.items() if record.finished_at}
    by_hand = frozenset(name for name, record in told.records.items() if record.reason == BY_HAND)
    try:
        foretold = Foretold(as_if or told.growth, times, by_hand)
    except KeyError as error:
        yield f"there is no step {error}; the steps are {sorted(told.records)}"
        return
    places = foretold.places()
    if places.keys() != told.records.keys():
        missing, strange = places.keys() - told.records.keys(), told.records.keys() - places.keys()
        yield f"it lacks the steps {sorted(missing)}, and has the steps {sorted(strange)}"
        return
    for name, place in places.items():
        yield from [f"{name} {fault}" for fault in of_step(told, place, is_retried=as_if is not None)]
    is_cancelled = told.growth.cancels == () and bool(by_hand)
    if told.state != ("cancelled" if is_cancelled else foretold.state()):
        yield f"the workflow is {told.state}, it should be {foretold.state()}"
    if told.answer != foretold.answer():
        yield f"its result is {told.answer}, it should be {foretold.answer()}"
    yield from of_hand(told, by_hand)


def of_step(told: Told, place: Place, *, is_retried: bool) -> Iterator[str]:
    record = told.records[place.name]
    if record.state != place.state:
        yield f"is {record.state}, it should be {place.state}: {record.reason}"
    result = None if place.result is ABSENT else place.result
    if record.result != result:
        yield f"has the result {record.result!r}, it should be {result!r}"
    if list(told.groups[place.name]) != [child.name for child in place.children or ()]:
        yield f"has the children {told.groups[place.name]}"
    if record.pending:
        yield f"still waits for {record.pending}"
    if place.attempts is not None and place.children is None and record.attempt != place.attempts and not is_retried:
        yield f"took {record.attempt} attempts, it should be {place.attempts}"


def of_hand(told: Told, by_hand: frozenset[str]) -> Iterator[str]:
    """What was cancelled by hand was named, or lies below what was; all of it in one transaction."""
    names = told.growth.cancels
    if len({told.records[name].finished_at for name in by_hand}) > 1:
        yield f"what was cancelled by hand ended at different times: {sorted(by_hand)}"
    for name in by_hand:
        if names is None or (names and not is_below(name, names[0])):
            yield f"{name} was cancelled by hand, nobody did that"


def is_below(name: str, group: str) -> bool:
    return name == group or name.startswith((f"{group}/", f"{group}["))


# Plans that a retry makes good


def healable(growth: Growth) -> Growth:
    """The same plan without flags and cancellations; all that goes wrong in it is that steps raise."""
    return mapped(growth, lambda deeds: tuple(deed if deed in SOUND | TROUBLED else "raise" for deed in deeds))


def mapped(growth: Growth, change: Callable[[tuple[Deed, ...]], tuple[Deed, ...]]) -> Growth:
    """The same plan without flags and cancellations, its deeds changed."""

    def of_family(family: Family) -> Family:
        return replace(family, steps=tuple(map(of_node, family.steps)))

    def of_node(node: Node) -> Node:
        inside = None if node.inside is None else of_family(node.inside)
        items = tuple(map(of_node, node.items))
        return replace(node, flags=Tolerance(), deeds=change(node.deeds), items=items, inside=inside)

    return replace(growth, whole=of_family(growth.whole), cancels=None)
