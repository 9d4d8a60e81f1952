"""`baton worker`: processes that share the work, and how they begin and end."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import textwrap
from collections import Counter
from contextlib import ExitStack

import pytest

from baton import Baton, Engine
from tests.cli.command import assert_refused, baton, started, terminated, worker_process
from tests.programs.shared_workers import hanging, hanging_in_to_thread, noted
from tests.servers import temporary_server
from tests.waiting import eventually

STEPS = 1_000
PROGRAM = "tests.programs.shared_workers"


async def living_pools(connection):
    return await connection.fetchval("select count(*) from pools where dead_at is null")


def shared_workflow():
    workflow = Baton.new(workflow_name="shared").add("first", noted.new())
    middle = [f"step {number}" for number in range(STEPS - 2)]
    for name in middle:
        workflow.add(name, noted.new(seconds=0.02), deps=["first"])
    return workflow.add("last", noted.new(), deps=middle)


@pytest.mark.slow
async def test_two_processes_share_a_workflow_and_one_is_stopped_half_way(
    database, engine, connection, effects, tmp_path
):
    given = {"database": database, "EFFECTS": str(effects.path)}
    with ExitStack() as processes:
        stopped, other = [
            processes.enter_context(worker_process(PROGRAM, "--queues", "default=10", cwd=tmp_path, **given))
            for _ in range(2)
        ]

        async def both_live():
            return await living_pools(connection) == 2

        await eventually(both_live)
        run = await shared_workflow().insert()
        await eventually(lambda: len(effects.read(event="end")) >= STEPS // 2, deadline=30)

        code, logged = await asyncio.to_thread(terminated, stopped)
        state = await run.wait(timeout=30)

    assert (code, state) == (0, "completed"), logged
    starts, ends = effects.read(event="start"), effects.read(event="end")
    assert len(starts) == len(ends) == STEPS
    assert len({end["step"] for end in ends}) == STEPS
    assert {start["attempt"] for start in starts} == {1}
    assert {step.attempt for step in await run.steps()} == {1}
    by_process = Counter(end["pid"] for end in ends)
    assert by_process.keys() == {stopped.pid, other.pid}
    assert min(by_process.values()) >= 100


async def test_a_drained_worker_ends_well_and_says_goodbye(database, engine, connection, effects, tmp_path):
    with worker_process(PROGRAM, cwd=tmp_path, database=database, EFFECTS=str(effects.path)) as process:
        run = await noted.new(seconds=0.2).insert()
        await eventually(lambda: effects.read(event="start"))

        code, logged = await asyncio.to_thread(terminated, process)

    assert code == 0
    assert "SIGTERM: draining" in logged
    assert (await run.status()).state == "completed"
    assert await living_pools(connection) == 0


@pytest.mark.parametrize("hangs", [hanging, hanging_in_to_thread], ids=["plain", "async"])
async def test_a_step_that_hangs_in_a_thread_does_not_keep_a_drained_worker(
    database, engine, connection, effects, tmp_path, hangs
):
    """Also one that an async worker started: leaving the event loop waits for the threads of `asyncio.to_thread`."""
    options = ("--grace", "0.1")
    with worker_process(PROGRAM, *options, cwd=tmp_path, database=database, EFFECTS=str(effects.path)) as process:
        run = await hangs.new().insert()
        await eventually(lambda: effects.read(event="start"))

        code, logged = await asyncio.to_thread(terminated, process)

    assert (code, "steps still hang in threads" in logged) == (0, True)
    (step,) = await run.steps()
    assert (step.state, step.attempt) == ("available", 0)


async def test_a_worker_that_is_asked_to_end_before_it_serves_ends_well(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/app"
        with worker_process(PROGRAM, cwd=tmp_path, database=address) as process:
            silent.settimeout(30)
            connected, _ = await asyncio.to_thread(silent.accept)

            code, logged = await asyncio.to_thread(terminated, process)
            connected.close()

    assert (code, "SIGTERM before any step was served" in logged) == (0, True)


@pytest.mark.slow
async def test_a_worker_whose_database_is_away_when_it_drains_says_so_with_75(effects, tmp_path):
    with temporary_server() as server:
        given = {"database": server.dsn(), "EFFECTS": str(effects.path)}
        with worker_process(PROGRAM, "--grace", "0", cwd=tmp_path, **given) as process:
            async with Engine(server.dsn()) as engine:
                await noted.new(seconds=60).insert(engine)
                await eventually(lambda: effects.read(event="start"), deadline=30)
            server.halt(immediate=True)

            code, logged = await asyncio.to_thread(terminated, process)

    assert code == 75
    assert "the last outcomes are dropped, and their steps run again" in logged


async def test_a_module_in_the_current_directory_is_found(database, engine, tmp_path):
    """Its child processes find it too."""
    source = """
        import os
        from baton import worker

        @worker(executor="process")
        def apart() -> int:
            return os.getpid()
    """
    (tmp_path / "here.py").write_text(textwrap.dedent(source))
    from baton.core import registry

    with worker_process("here", cwd=tmp_path, database=database) as process, registry.isolated():
        names = {}
        exec(textwrap.dedent(source), names)
        run = await names["apart"].new().insert()

        assert await run.result(timeout=30) != process.pid


async def test_the_engine_a_module_defines_is_used(database, connection, tmp_path):
    with worker_process(f"{PROGRAM}:engine", cwd=tmp_path, database=database):

        async def serves_the_other_schema():
            if await connection.fetchval("select to_regclass('elsewhere.pools') is null"):
                return False
            return await connection.fetchval("select count(*) from elsewhere.pools") == 1

        await eventually(serves_the_other_schema)


async def test_queues_lease_and_grace_reach_the_pool(database, connection, tmp_path):
    options = ("--queues", "default=3,web=50", "--lease", "60", "--grace", "0.5")
    with worker_process(PROGRAM, *options, cwd=tmp_path, database=database):
        await eventually(lambda: living_pools(connection))

        pool = await connection.fetchrow("select *, expires_at - beat_at as lease from pools")

    assert dict(zip(pool["queues"], pool["limits"], strict=True)) == {"default": 3, "web": 50}
    assert 55 < pool["lease"].total_seconds() <= 61


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["no_such_module"], "there is no module 'no_such_module' in"),
        (["tests.no_such_part"], "there is no module 'tests.no_such_part' in"),
        (["json"], "module 'json' defines no worker; decorate a function in it with @worker"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(arguments, expected, database, tmp_path):
    assert assert_refused(baton("worker", *arguments, cwd=tmp_path, database=database)).startswith(expected)


def test_a_module_that_raises_shows_where(tmp_path):
    (tmp_path / "broken.py").write_text("import json\njson.loads('')\n")

    done = baton("worker", "broken", cwd=tmp_path)

    assert done.returncode == 1
    assert 'broken.py", line 2' in done.stderr
    assert done.stderr.splitlines()[-1].startswith("baton: module 'broken' cannot be imported: JSONDecodeError: ")


@pytest.mark.parametrize("queues", ["", "default", "default=", "default=0", "default=many", "a=1,a=2", "=5"])
def test_queues_that_make_no_sense_are_a_usage_error(queues, tmp_path):
    done = baton("worker", "anything", "--queues", queues, cwd=tmp_path)

    assert done.returncode == 2
    assert "should read like default=20,web=50" in done.stderr


async def test_a_hangup_drains(database, engine, connection, effects, tmp_path):
    with worker_process(PROGRAM, cwd=tmp_path, database=database, EFFECTS=str(effects.path)) as process:
        run = await noted.new(seconds=0.5).insert()
        await eventually(lambda: effects.read(event="start"))

        process.send_signal(signal.SIGHUP)
        _, logged = await asyncio.to_thread(process.communicate, timeout=30)

    assert (process.returncode, "SIGHUP: draining" in logged) == (0, True)
    assert (await run.status()).state == "completed"


async def test_a_hangup_that_is_ignored_changes_nothing(database, engine, effects, tmp_path):
    """`nohup` has its command ignore it; the second signal is seen to be the first one that counts."""
    command = ["sh", "-c", 'trap "" HUP; exec "$0" "$@"', sys.executable, "-m", "baton", "worker", PROGRAM]
    with started(command, cwd=tmp_path, database=database, EFFECTS=str(effects.path)) as process:
        run = await noted.new(seconds=0.5).insert()
        await eventually(lambda: effects.read(event="start"), deadline=30)

        process.send_signal(signal.SIGHUP)
        assert await run.wait(timeout=30) == "completed"
        assert await (await noted.new().insert()).wait(timeout=30) == "completed"
        code, logged = await asyncio.to_thread(terminated, process)

    assert (code, "SIGHUP" in logged, "SIGTERM: draining" in logged) == (0, False, True)


NAMED_QUEUES = """
from baton import worker


@worker(queue="mail")
async def send() -> None: ...


@worker(queue="web")
async def fetch() -> None: ...


@worker(queue="mail")
async def receive() -> None: ...
"""


async def test_the_queues_that_the_workers_name_are_served(database, connection, tmp_path):
    (tmp_path / "named_queues.py").write_text(NAMED_QUEUES)
    with worker_process("named_queues", cwd=tmp_path, database=database) as process:
        await eventually(lambda: living_pools(connection), deadline=30)
        pool = await connection.fetchrow("select queues, limits from pools")
        _, logged = await asyncio.to_thread(terminated, process)

    assert dict(zip(pool["queues"], pool["limits"], strict=True)) == {"mail": 20, "web": 20}
    assert "serving the queues that the workers name, as with --queues mail=20,web=20" in logged


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [((), True), (("--keep", "1h"), False), (("--keep", "3d"), True), (("--keep", "forever"), True)],
)
async def test_keep_says_how_long_finished_workflows_stay(
    given, is_kept, database, engine, connection, effects, tmp_path
):
    """A workflow that finished two days ago is pruned, or kept until one that finished a year ago is seen to be."""
    old, older = [await noted.new().insert() for _ in range(2)]
    for run in (old, older):
        await run.cancel()
    await connection.execute("update workflows set finished_at = now() - interval '2 days' where id = $1", old.id)
    await connection.execute("update workflows set finished_at = now() - interval '1 year' where id = $1", older.id)
    is_forever = "forever" in given
    options = ("--lease", "2", *given)
    with worker_process(PROGRAM, *options, cwd=tmp_path, database=database, EFFECTS=str(effects.path)):
        if is_forever:
            await eventually(lambda: living_pools(connection), deadline=30)
            assert await (await noted.new().insert()).wait(timeout=30) == "completed"
        else:
            await eventually(lambda: is_gone(connection, older), deadline=30)
            if not is_kept:
                await eventually(lambda: is_gone(connection, old), deadline=30)

        assert await is_gone(connection, old) is not is_kept


async def is_gone(connection, run):
    return await connection.fetchval("select not exists (select from workflows where id = $1)", run.id)
