"""Three levels of returned graphs in a map in a sub-workflow do what a plain recursive function does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from baton import Baton, Context, StepFailed, WorkerPool, each, result_of, worker

LEVELS = 3
WORKFLOWS = 40


@dataclass(frozen=True, slots=True)
class Tree:
    """A number, and what is below it."""

    number: int
    fails: bool = False
    """Its worker raises, each time."""
    forgives: bool = False
    """It adds up what there is of the trees below it."""
    below: tuple[Tree, ...] = ()


class Broken(Exception):  # noqa: N818  # what a tree raises that fails
    pass


def plainly(tree: Tree) -> int:
    """The sum of a tree, as anybody would write it."""
    if tree.fails:
        raise Broken
    return tree.number + added_up(list(tree.below), forgives=tree.forgives)


def added_up(trees: Sequence[Tree], *, forgives: bool) -> int:
    found, broken = [], False
    for tree in trees:
        try:
            found.append(plainly(tree))
        except Broken:
            broken = True
    if broken and not forgives:
        raise Broken
    return sum(found)


@worker(name="recursion walk", backoff=0, max_attempts=2)
async def walk(tree: Tree) -> int | Baton:
    if tree.fails:
        raise Broken
    if not tree.below:
        return tree.number
    flow = Baton.new(ignore_discarded=tree.forgives, ignore_cancelled=tree.forgives)
    for number, below in enumerate(tree.below):
        flow.add(f"below {number}", walk.new(below))
    names = flow.step_names()
    return flow.add("sum", add.new(tree.number), deps=names).returns("sum")


@worker(name="recursion add")
async def add(ctx: Context, start: int) -> int:
    return start + sum(ctx.results.values())


@worker(name="recursion total")
async def total(numbers: list[int] | None = None) -> int:
    return sum(numbers or [])


def flow_of(trees: list[Tree], workflow_id: str, *, forgives: bool) -> Baton:
    inside = Baton.new().add("each", walk.new(each(trees)).with_options(concurrency=2))
    inside.add("total", total.new(result_of("each")), ignore_discarded=forgives)
    return Baton.new(workflow_id=workflow_id).add("forest", inside.returns("total"))


def tree(chance: random.Random, levels: int) -> Tree:
    below = [tree(chance, levels - 1) for _ in range(chance.randint(1, 3))] if levels else []
    return Tree(chance.randrange(100), chance.random() < 0.06, chance.random() < 0.5, tuple(below))


def forest(seed: int) -> tuple[list[Tree], bool]:
    chance = random.Random(f"forest {seed}")
    return [tree(chance, LEVELS) for _ in range(chance.randint(1, 3))], chance.random() < 0.5


@pytest.mark.slow
async def test_returned_graphs_do_what_a_recursive_function_does(engine):
    """They are returned by the children of a map in a sub-workflow."""
    forests = [forest(seed) for seed in range(WORKFLOWS)]
    async with WorkerPool(engine), WorkerPool(engine):
        runs = [
            await flow_of(trees, str(seed), forgives=forgives).insert()
            for seed, (trees, forgives) in enumerate(forests)
        ]
        ended = [(await run.wait(timeout=60), await run.steps()) for run in runs]
        results = [await outcome_of(run) for run in runs]

    expected = [expected_of(trees, forgives=forgives) for trees, forgives in forests]
    assert results == expected
    assert [state for state, _ in ended] == ["failed" if result is None else "completed" for result in expected]
    assert 5 < sum(result is None for result in expected) < WORKFLOWS - 5


async def outcome_of(run) -> int | None:
    try:
        return await run.result("forest")
    except StepFailed:
        return None


def expected_of(trees: list[Tree], *, forgives: bool) -> int | None:
    try:
        return added_up(trees, forgives=forgives)
    except Broken:
        return None
