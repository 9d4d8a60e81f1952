"""The process that expands a step dies, or its connection: there are all children or none, and none twice."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from baton import Baton, Engine, WorkerPool, each, param
from baton.runtime import expander
from tests.database.raw_pool import assert_consistent
from tests.faults.processes import expire_lease, is_completed, worker_process
from tests.programs.fault_workers import noted, returns_a_graph
from tests.waiting import eventually

SIZE = 10
IN_PARTS = 4
WHOLE = 20_000
LISTS = {"map": list(range(SIZE)), "graph": {f"part {number}": number for number in range(SIZE)}}


@pytest.fixture(params=["map", "graph"])
def kind(request):
    """The kind of step that expands."""
    return request.param


async def insert(engine, kind):
    what = noted.new(value=each(list(range(SIZE)))) if kind == "map" else returns_a_graph.new(SIZE)
    return await Baton.new().add("g", what).insert(engine)


async def children(connection):
    return await connection.fetchval("select count(*) from steps where parent is not null")


async def assert_complete(run, kind, connection, effects):
    """All children ran once, and the group has their results."""
    assert await run.result("g", timeout=40) == LISTS[kind]
    assert await children(connection) == SIZE
    starts = Counter(event["step"] for event in effects.read(event="start") if event["step"] != "g")
    assert len(starts) == SIZE
    assert set(starts.values()) == {1}
    assert await connection.fetchval("select total from workflows") == SIZE + 1
    await assert_consistent(connection)


async def finish_by_another(run, engine, connection, pid):
    """Let another pool finish the workflow of a killed process."""
    await expire_lease(connection, pid)
    async with WorkerPool(engine, lease=1, poll=0.3):
        await eventually(lambda: is_completed(run, connection), deadline=40)


@pytest.mark.parametrize(
    ("point", "part_size", "left_behind", "attempt"),
    [
        ("before expand", WHOLE, 0, 2),
        ("before expand", IN_PARTS, 0, 2),
        ("between parts of an expansion", IN_PARTS, 0, 2),
        ("after expand", WHOLE, SIZE, 1),
        ("after expand", IN_PARTS, SIZE, 1),
    ],
)
async def test_killed_at_a_point_of_the_expansion(
    engine, connection, effects, kind, point, part_size, left_behind, attempt
):
    run = await insert(engine, kind)
    # It has one slot, so the process that is killed starts no child.
    settings = {"kill_at": point, "part_size": part_size, "queues": {"default": 1}}
    with worker_process(engine.connector.dsn, effects, **settings) as killed:
        assert await killed.ended() == -signal.SIGKILL
        await eventually(lambda: no_backend_of_a_pool(connection), deadline=30)
        assert await children(connection) == left_behind

        await finish_by_another(run, engine, connection, killed.pid)

    await assert_complete(run, kind, connection, effects)
    (group,) = await run.steps()
    assert group.attempt == attempt


async def test_a_process_frozen_between_parts_does_not_keep_the_workflow(engine, connection, effects, kind):
    """Between two parts of an expansion."""
    run = await insert(engine, kind)
    settings = {"stop_at": "between parts of an expansion", "part_size": IN_PARTS, "idle_seconds": 1}
    with worker_process(engine.connector.dsn, effects, queues={"default": 1}, **settings) as frozen:
        await frozen.is_stopped()
        await finish_by_another(run, engine, connection, frozen.pid)

    await assert_complete(run, kind, connection, effects)


async def no_backend_of_a_pool(connection):
    """Whether the server has noticed the death and rolled back the open transaction."""
    return await connection.fetchval(
        "select count(*) = 0 from pg_stat_activity"
        " where datname = current_database() and application_name = 'baton pool expanding'"
    )


@pytest.mark.parametrize("moment", ["request", "answer"])
async def test_killed_at_the_commit_of_an_expansion_in_parts(engine, proxy, connection, effects, kind, moment):
    settings = {"part_size": IN_PARTS, "queues": {"default": 1}}
    trap = proxy.trap("COMMIT", moment, purpose="pool expanding", holds=True)
    with worker_process(proxy.dsn, effects, **settings) as killed:
        run = await insert(engine, kind)
        await trap.sprung()
        killed.send(signal.SIGKILL)
        await killed.ended()
        proxy.cut()
        await eventually(lambda: no_backend_of_a_pool(connection), deadline=30)
        assert await children(connection) == (SIZE if moment == "answer" else 0)

        await finish_by_another(run, engine, connection, killed.pid)

    # Another process starts the children again that the killed one had started; their number is the
    # same.
    assert await run.result("g") == LISTS[kind]
    assert await children(connection) == SIZE
    await assert_consistent(connection)


@pytest.mark.parametrize("moment", ["request", "answer"])
@pytest.mark.parametrize(
    ("call", "part_size"), [("COMMIT", IN_PARTS), (".expand", IN_PARTS), (".expand", WHOLE), ("BEGIN", IN_PARTS)]
)
async def test_cut_off_during_an_expansion(
    engine, proxy, connection, effects, monkeypatch, kind, moment, call, part_size
):
    """The pool does not know whether the call took effect, and sends it again from the first part on."""
    monkeypatch.setattr(expander, "STEPS_PER_CALL", part_size)
    trap = proxy.trap(call, moment, purpose="pool expanding")
    async with Engine(proxy.dsn) as through, WorkerPool(through, poll=0.3):
        run = await insert(engine, kind)
        await trap.sprung()
        await assert_complete(run, kind, connection, effects)

    (group,) = await run.steps()
    assert (group.attempt, list(group.errors)) == (1, [])


async def test_killed_while_items_become_workflows(engine, connection, effects):
    """Processes die after the map has expanded, before its first item does, and after one has."""
    inner = Baton.new().add("a", noted.new(value=param("x")))
    run = await Baton.new().add("g", inner, each={"x": LISTS["map"]}).insert(engine)
    for point in ("after expand", "before expand", "after expand"):
        with worker_process(engine.connector.dsn, effects, kill_at=point, queues={"default": 1}) as killed:
            assert await killed.ended() == -signal.SIGKILL
            await eventually(lambda: no_backend_of_a_pool(connection), deadline=30)
            await expire_lease(connection, killed.pid)

    async with WorkerPool(engine, lease=1, poll=0.3):
        assert await run.result("g", timeout=40) == LISTS["map"]

    starts = Counter(event["step"] for event in effects.read(event="start"))
    assert starts == {f"g[{number}]/a": 1 for number in range(SIZE)}
    assert await connection.fetchval("select total from workflows") == 1 + 2 * SIZE
    await assert_consistent(connection)
