"""Groups for raw pools: workflows as applications write them, each expansion one line of a test."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from baton import Baton, Context, each, result_of, worker
from baton.database.messages import Claimed, Expanded, Part
from tests.database.raw_pool import RawPool, outcome, states

MOST = 1_000_000
IGNORING = {"ignore_cancelled": True, "ignore_discarded": True, "ignore_skipped": True}


@worker(name="group part")
def part(value: Any = None, other: Any = None) -> Any:
    """Never runs: the test settles its steps."""


@worker(name="group reader")
def reader(ctx: Context, value: Any = None) -> Any:
    """Never runs: a claim delivers the outcomes of its dependencies."""


def flow(workflow_id: str = "w", **options: Any) -> Baton:
    return Baton.new(workflow_id=workflow_id, **options)


def chain(*names: str, **flags: bool) -> Baton:
    """A workflow of steps one after the other."""
    made = Baton.new(**flags)
    for number, name in enumerate(names):
        made.add(name, part.new(), deps=names[max(0, number - 1) : number])
    return made


async def insert(pool: RawPool, made: Baton) -> None:
    await pool.store.insert_workflow(made.spec())


async def held(pool: RawPool, name: str, workflow_id: str = "w") -> Claimed:
    """Return the claim of a step, which is claimed now unless it is held already."""
    if (workflow_id, name) not in pool.held:
        await pool.claim()
    return pool.held[workflow_id, name]


async def expand_map(pool: RawPool, name: str, size: int, workflow_id: str = "w") -> Expanded:
    """Expand a map into `size` children."""
    claimed = await held(pool, name, workflow_id)
    arguments = [json.dumps({"value": number}) for number in range(size)]
    del pool.held[workflow_id, name]
    return await pool.store.expand_map(claimed, size, arguments, Part(None, 0, size), MOST)


async def return_graph(pool: RawPool, name: str, graph: Baton, workflow_id: str = "w", most: int = MOST) -> Expanded:
    """Expand a step whose worker returned a graph."""
    claimed = await held(pool, name, workflow_id)
    del pool.held[workflow_id, name]
    return await expand(pool, claimed, graph, most)


async def expand(pool: RawPool, claimed: Claimed, graph: Baton, most: int = MOST) -> Expanded:
    expansion = graph.expansion()
    return await pool.store.expand(claimed, expansion, Part(None, 0, len(expansion.steps)), most)


async def insert_map(pool: RawPool, size: int, concurrency: int | None = None, **options: Any) -> None:
    """Insert the workflow "w": the map "m", expanded into children, and "after", which takes its list."""
    bound = {} if concurrency is None else {"concurrency": concurrency}
    job = part.new(value=each(list(range(size)))).with_options(**bound, **options)
    await insert(pool, flow().add("m", job).add("after", part.new(value=result_of("m"))))
    await expand_map(pool, "m", size)


async def settle_all(pool: RawPool, workflow_id: str = "w", **names_by_kind: str) -> None:
    """Settle steps in calls of their own, named as in `RawPool.end`; each is claimed unless it is held."""
    for kind, names in names_by_kind.items():
        for name in names.split():
            await held(pool, name, workflow_id)
            assert await pool.settle(*pool.outcomes(workflow_id, **{kind: name})) == [True], (kind, name)
            del pool.held[workflow_id, name]


async def finish(pool: RawPool) -> None:
    """End all that is held or becomes available: groups by their children, other steps as completed."""
    claims = [*pool.held.values(), *await pool.claim()]
    while claims:
        assert not any(claimed.map for claimed in claims), "the test has to expand the map itself"
        pool.held.clear()
        outcomes = [outcome(claimed, "joined" if claimed.is_join else "completed") for claimed in claims]
        claims = list((await pool.advance(*outcomes)).claimed)


async def states_below(connection: asyncpg.Connection, group: str, workflow_id: str = "w") -> dict[str, str]:
    """Return the states of the steps below a group, by the rest of their names."""
    found = await states(connection, workflow_id)
    return {
        name.removeprefix(group): state for name, state in found.items() if name.startswith(group) and name != group
    }


async def delivered_to(pool: RawPool, name: str, workflow_id: str = "w") -> Any:
    """Return what a claim of this step delivers of its dependencies."""
    claimed = await held(pool, name, workflow_id)
    return None if claimed.results is None else json.loads(claimed.results)
