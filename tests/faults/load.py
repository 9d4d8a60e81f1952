"""Work that runs while the database fails, and the checks of what must be true afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import asyncpg

from baton import Baton, Run, result_of
from tests.database.raw_pool import assert_consistent
from tests.effects import Effects
from tests.faults.processes import make_retries_due
from tests.programs.fault_workers import noted
from tests.waiting import eventually

LENGTH = 30
SECONDS_A_STEP = 0.05


async def insert_chains(count: int) -> Sequence[Run]:
    """Insert workflows; the result of the last step of each is the workflow's number."""
    return [await chain(number).insert() for number in range(count)]


def chain(number: int) -> Baton:
    workflow = Baton.new().add("0", noted.new(value=number, seconds=SECONDS_A_STEP))
    for place in range(1, LENGTH):
        workflow.add(str(place), noted.new(value=result_of(str(place - 1)), seconds=SECONDS_A_STEP))
    return workflow


async def assert_all_done(runs: Sequence[Run], effects: Effects, dsn: str) -> None:
    """Wait until all are completed, with retries due at once. Each step ran, and no attempt ran twice."""
    connection = await asyncpg.connect(dsn)
    try:
        await eventually(lambda: _is_done(connection), deadline=80, every=0.1)
        await assert_consistent(connection)
        doubled = await connection.fetch("select id from baton.steps where state <> 'completed' or attempt < 1")
    finally:
        await connection.close()
    assert doubled == []
    assert [await run.result() for run in runs] == list(range(len(runs)))
    starts = Counter((one["workflow"], one["step"], one["attempt"]) for one in effects.read(event="start"))
    assert len({(workflow, step) for workflow, step, _ in starts}) == LENGTH * len(runs)
    assert [attempt for attempt, times in starts.items() if times > 1] == []


async def _is_done(connection: asyncpg.Connection) -> bool:
    await make_retries_due(connection)
    done: bool = await connection.fetchval("select bool_and(state = 'completed') from baton.workflows")
    return done
