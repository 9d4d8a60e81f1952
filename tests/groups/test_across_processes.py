"""Maps whose children run on several worker pools at once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from baton import Baton, each
from tests.cli.command import worker_process
from tests.programs.shared_workers import noted
from tests.waiting import eventually

PROGRAM = "tests.programs.shared_workers"


@pytest.fixture
def two_processes(database, effects, tmp_path, connection):
    """Starts two worker processes with 40 slots each, and waits until both live."""
    given = {"database": database, "EFFECTS": str(effects.path)}
    with ExitStack() as processes:

        async def start():
            for _ in range(2):
                processes.enter_context(worker_process(PROGRAM, "--queues", "default=40", cwd=tmp_path, **given))
            await eventually(both_live, deadline=30)

        async def both_live():
            return await connection.fetchval("select count(*) = 2 from pools where dead_at is null")

        yield start


@pytest.mark.slow
async def test_concurrency_holds_over_all_pools_and_is_used_up(engine, effects, two_processes):
    await two_processes()
    run = await Baton.new().add("m", noted.new(each([0.02] * 600)).with_options(concurrency=50)).insert()

    pids = await run.result("m", timeout=60)

    assert len(pids) == 600
    assert len(set(pids)) == 2
    running, most = 0, 0
    for event in effects.read():
        running += 1 if event["event"] == "start" else -1
        most = max(most, running)
    assert most == 50
    assert len(effects.read(event="start")) == 600


@pytest.mark.slow
async def test_a_wide_map_is_shared_and_joined_in_item_order(engine, effects, two_processes):
    await two_processes()
    flow = Baton.new().add("first", noted.new()).add("m", noted.new(each([0.0] * 2_000)), deps=["first"])
    run = await flow.add("last", noted.new(0.0), deps=["m"]).insert()

    assert await run.wait(timeout=90) == "completed"
    _, group, _ = await run.steps()
    order = [event["step"] for event in effects.read(event="start")]
    assert order[0] == "first"
    assert order[-1] == "last"
    assert sorted(order[1:-1]) == sorted(child.name for child in group.children)
    assert [child.name for child in group.children] == [f"m[{n}]" for n in range(2_000)]
    assert group.result == [child.result for child in group.children]
    assert len({child.pool for child in group.children}) == 2
