"""Random workflows, run by two worker processes, end as an independent model of the rules says."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from baton import Engine
from baton.client.run import Run
from tests.effects import Effects
from tests.model.checking import Observed, over_limit, violations
from tests.model.plan import CANCELLED_BY_TEST, Plan
from tests.model.random_graphs import plans
from tests.programs.random_workers import EFFECTS, built
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = 300
LIMITS = {"default": 10, "other": 5}
INSERTS_AT_ONCE = 4
SECONDS_TO_FINISH = 60.0


@dataclass(frozen=True, slots=True)
class Inserted:
    """A plan and its run."""

    plan: Plan
    run: Run


@pytest.mark.slow
async def test_random_workflows_on_two_processes_end_as_the_rules_say(database, effects, seed):
    drawn = plans(seed, WORKFLOWS)

    async with two_worker_processes(database, effects), Engine(database) as engine:
        inserted = await insert(drawn, engine)
        states = await end_of(inserted, effects)
        observed = await observe(inserted, states, effects)
        pools = {record.pool for one in observed for record in one.records.values()} - {None}

    wrong = [line for one in observed for line in described(one)] + over_limit(effects.read(), LIMITS)
    assert not wrong, "\n".join(wrong)
    assert len(pools) == 2 or len(drawn) == 1, "one of the processes did all the work"


def described(observed: Observed) -> list[str]:
    return [f"BATON_SEED={observed.plan.label!r}: {line}" for line in violations(observed)]


@asynccontextmanager
async def two_worker_processes(database: str, effects: Effects) -> AsyncIterator[None]:
    """Two processes that run steps. Both are ready at the beginning, and must drain and exit with 0 at the end."""
    with worker_process(database, effects, "first"), worker_process(database, effects, "second"):
        connection = await asyncpg.connect(database)
        try:
            count = "select count(*) = 2 from baton.pools"
            await eventually(lambda: connection.fetchval(count), deadline=20)
        finally:
            await connection.close()
        yield


@contextmanager
def worker_process(database: str, effects: Effects, name: str) -> Iterator[None]:
    queues = ",".join(f"{queue}={limit}" for queue, limit in LIMITS.items())
    command = [sys.executable, "-m", "baton", "worker", "tests.programs.random_workers", "--queues", queues]
    environment = os.environ | {"BATON_DATABASE_URL": database, EFFECTS: str(effects.path)}
    log = effects.path.with_name(f"{name}.log")
    with log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
    try:
        yield
        process.terminate()
        process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log.read_text()
    # The steps fail as planned, and their failures are logged; anything else is an error of the
    # pool.
    planned = (" ERROR baton.attempts: ", " ERROR baton.workflows: ")
    lines = [line for line in log.read_text().splitlines() if " ERROR " in line]
    assert [line for line in lines if not any(kind in line for kind in planned)] == [], log.read_text()


async def insert(drawn: Sequence[Plan], engine: Engine) -> list[Inserted]:
    """Insert the workflows, several at once, while the first ones run already."""
    few = asyncio.Semaphore(INSERTS_AT_ONCE)

    async def insert_one(plan: Plan) -> Inserted:
        async with few:
            return Inserted(plan, await built(plan, plan.label).insert(engine))

    return await asyncio.gather(*[insert_one(plan) for plan in drawn])


async def end_of(inserted: Sequence[Inserted], effects: Effects) -> list[str]:
    """Return the final states once all workflows have ended; meanwhile cancel what hangs."""
    async with asyncio.TaskGroup() as both:
        cancelling = both.create_task(cancel_what_hangs(inserted, effects))
        states = await asyncio.gather(*[final_state(one.run) for one in inserted])
        cancelling.cancel()
    return states


async def final_state(run: Run) -> str:
    try:
        return await run.wait(timeout=SECONDS_TO_FINISH)
    except TimeoutError:
        return "executing"  # the comparison with the model says more than the error


async def cancel_what_hangs(inserted: Sequence[Inserted], effects: Effects) -> None:
    by_id = {one.run.id: one for one in inserted}
    lines = Tail(effects.path)
    for _ in range(sum(one.plan.cancellation is not None for one in inserted)):
        event = await eventually(lambda: lines.next("hang"), deadline=SECONDS_TO_FINISH)
        one = by_id[event["workflow"]]
        assert one.plan.cancellation is not None
        await one.run.cancel(*(one.plan.cancellation.names or ()), reason=CANCELLED_BY_TEST)


class Tail:
    """Reads a log while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def next(self, event: str) -> dict[str, Any] | None:
        """The next line of this event, None if there is none yet."""
        with self._path.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):  # it is being written
                    break
                self._read += len(line)
                if (found := json.loads(line))["event"] == event:
                    return found
        return None


async def observe(inserted: Sequence[Inserted], states: Sequence[str], effects: Effects) -> list[Observed]:
    events = defaultdict(list)
    for event in effects.read():
        events[event["workflow"]].append(event)
    records = await asyncio.gather(*[one.run.steps() for one in inserted])
    return [
        Observed(one.plan, state, {record.name: record for record in steps}, events[one.run.id])
        for one, state, steps in zip(inserted, states, records, strict=True)
    ]
