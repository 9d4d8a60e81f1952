"""`baton worker --processes N`: real processes, killed, stopped, signalled and orphaned."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager

import pytest

from baton.cli.supervisor import Supervisor
from tests.cli.command import asked, baton, free_port, status_is, terminated, worker_process
from tests.programs.pool_workers import is_alive
from tests.programs.shared_workers import blocking, killing, noted
from tests.waiting import eventually

PROGRAM = "tests.programs.shared_workers"

pytestmark = pytest.mark.slow


async def pids(connection):
    """The processes of the living pools, those only that live themselves: a lease may outlive its process."""
    rows = await connection.fetch("select pid from pools where dead_at is null and expires_at > clock_timestamp()")
    return {row["pid"] for row in rows if is_alive(row["pid"])}


@contextmanager
def supervised(*options, cwd, database, effects, processes=2):
    given = {"database": database, "EFFECTS": str(effects.path)}
    with worker_process(PROGRAM, "--processes", str(processes), *options, cwd=cwd, **given) as process:
        yield process


async def ready(connection, count=2):
    async def are():
        found = await pids(connection)
        return found if len(found) == count else None

    return await eventually(are, deadline=40)


async def all_gone(processes):
    await eventually(lambda: not any(is_alive(pid) for pid in processes), deadline=30)


async def test_the_processes_share_the_work_and_drain_together(database, engine, connection, effects, tmp_path):
    with supervised("--queues", "default=3", cwd=tmp_path, database=database, effects=effects) as process:
        workers = await ready(connection)
        runs = [await noted.new(seconds=2).insert() for _ in range(12)]
        await eventually(lambda: len({start["pid"] for start in effects.read(event="start")}) == 2, deadline=30)

        code, logged = await asyncio.to_thread(terminated, process)

    assert code == 0, logged
    assert process.pid not in workers
    assert {start["pid"] for start in effects.read(event="start")} == workers
    assert len(effects.read(event="end")) == len(effects.read(event="start")) < len(runs)
    await all_gone(workers)
    assert await connection.fetchval("select count(*) from pools where dead_at is null") == 0


async def test_a_process_that_dies_is_replaced_and_its_step_runs_again(database, engine, connection, effects, tmp_path):
    with supervised("--lease", "2", cwd=tmp_path, database=database, effects=effects) as process:
        first = await ready(connection)
        run = await noted.new(seconds=1).insert()
        (started,) = await eventually(lambda: effects.read(event="start"), deadline=30)
        os.kill(started["pid"], signal.SIGKILL)
        await connection.execute("update queue set scheduled_at = now() where state = 'retryable'")
        await eventually(lambda: connection.fetchval("select count(*) = 1 from queue where state = 'retryable'"))
        await connection.execute("update queue set scheduled_at = now()")

        assert await run.wait(timeout=30) == "completed"
        second = await ready(connection)

        code, logged = await asyncio.to_thread(terminated, process)
    assert (code, len(first & second)) == (0, 1), logged
    assert "was killed by SIGKILL; another starts in" in logged


async def test_a_process_that_keeps_dying_is_started_later_and_later(database, engine, connection, effects, tmp_path):
    with supervised("--lease", "1", cwd=tmp_path, database=database, effects=effects, processes=1) as process:
        for _ in range(3):
            (pid,) = await ready(connection, 1)
            await killing.new().insert()
            await all_gone([pid])

        code, logged = await asyncio.to_thread(terminated, process)

    pauses = [
        float(line.rpartition("in ")[2].split()[0]) for line in logged.splitlines() if "another starts in" in line
    ]
    assert code == 0
    assert len(pauses) >= 3
    assert pauses[0] <= 0.5 < 1.0 <= pauses[2] <= 2.0


async def test_a_supervisor_that_is_killed_leaves_no_orphan(database, engine, connection, effects, tmp_path):
    with supervised("--grace", "20", cwd=tmp_path, database=database, effects=effects) as process:
        workers = await ready(connection)
        run = await noted.new(seconds=0.5).insert()
        await eventually(lambda: effects.read(event="start"), deadline=30)

        process.send_signal(signal.SIGKILL)

        await all_gone(workers)
    # They drained: what ran has ended, and they signed off.
    assert (await run.status()).state == "completed"
    assert await connection.fetchval("select count(*) from pools where dead_at is null") == 0


async def test_the_second_signal_cuts_the_grace_short(database, engine, connection, effects, tmp_path):
    port = free_port()
    options = ("--grace", "60", "--health", f"127.0.0.1:{port}")
    with supervised(*options, cwd=tmp_path, database=database, effects=effects) as process:
        await ready(connection)
        run = await noted.new(seconds=60).insert()
        await eventually(lambda: effects.read(event="start"), deadline=30)
        process.send_signal(signal.SIGINT)
        await eventually(lambda: draining(port), deadline=30)

        code, _ = await asyncio.to_thread(terminated, process)

    (step,) = await run.steps()
    assert (code, step.state, step.attempt) == (0, "available", 0)


async def draining(port):
    """Whether the process that runs the step drains; the other has ended."""
    answered = await asked(port, "/healthz")
    return answered and any(one.get("is_draining") and one["running"] for one in answered[1]["processes"])


async def test_one_endpoint_speaks_for_all(database, engine, connection, effects, tmp_path):
    port = free_port()
    with supervised(
        "--health", f"127.0.0.1:{port}", cwd=tmp_path, database=database, effects=effects, processes=2
    ) as process:
        status, facts = await eventually(lambda: asked(port, "/readyz"), deadline=30)
        assert (status, facts["ready"], len(facts["processes"])) == (503, False, 2)
        await eventually(lambda: status_is(port, 200), deadline=40)
        _, facts = await asked(port, "/readyz")
        assert {one["pid"] for one in facts["processes"]} == await pids(connection)

        stopped = facts["processes"][0]["pid"]
        os.kill(stopped, signal.SIGSTOP)
        await eventually(lambda: status_is(port, 503), deadline=20)
        _, facts = await asked(port, "/healthz")
        assert [one["ready"] for one in facts["processes"]] == [False, True]
        assert (await asked(port, "/healthz"))[0] == 200
        os.kill(stopped, signal.SIGCONT)
        await eventually(lambda: status_is(port, 200), deadline=20)

        code, _ = await asyncio.to_thread(terminated, process)
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["no_such_module"], 1, "there is no module 'no_such_module'"),
        ([PROGRAM, "--address", "postgresql://127.0.0.1:1/app"], 1, "cannot be reached: nothing answers there"),
    ],
)
def test_a_start_without_hope_ends_all_with_its_code_and_its_sentence(arguments, code, said, database, tmp_path):
    done = baton("worker", *arguments, "--processes", "2", cwd=tmp_path, database=database)

    assert done.returncode == code
    assert said in done.stderr
    assert "before any was ready: stopping" in done.stderr


def test_a_port_that_is_taken_is_one_sentence(database, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = baton("worker", PROGRAM, "--processes", "2", "--health", where, cwd=tmp_path, database=database)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"baton: the health endpoint cannot listen at {where}: ")


async def test_a_process_whose_loop_is_blocked_exits_with_70_and_is_replaced(
    database, engine, connection, effects, tmp_path
):
    options = ("--max-block", "1.5", "--lease", "2")
    with supervised(*options, cwd=tmp_path, database=database, effects=effects, processes=1) as process:
        (first,) = await ready(connection, 1)
        await blocking.new(seconds=60).insert()
        await all_gone([first])
        await ready(connection, 1)
        code, logged = await asyncio.to_thread(terminated, process)

    assert code == 0
    assert "ended with exit code 70; another starts in" in logged


STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


async def test_a_process_that_does_not_end_in_time_is_killed(tmp_path):
    """The exit code of the supervisor says so."""
    began = tmp_path / "began"
    supervisor = Supervisor([sys.executable, "-c", STUBBORN, str(began)], 1, grace_seconds=0, cleanup_seconds=1.0)
    running = asyncio.create_task(supervisor.run(None))
    await eventually(began.exists)

    os.kill(os.getpid(), signal.SIGTERM)

    assert await asyncio.wait_for(running, 20) == 137


PATIENT = """
import json, os, pathlib, signal, sys, time
received = []
signal.signal(signal.SIGTERM, lambda *_: received.append(1))
_, reports = sys.argv[-1].split(",")
os.write(int(reports), json.dumps({"grace_seconds": 60, "ready": True}).encode() + b"\\n")
while not (received and pathlib.Path(sys.argv[1]).exists()):
    time.sleep(0.01)
"""


async def test_a_process_may_run_for_as_long_as_the_grace_that_it_reported(tmp_path):
    """A pool that the application makes has its own, which the supervisor's command line does not say."""
    may_end = tmp_path / "may end"
    supervisor = Supervisor([sys.executable, "-c", PATIENT, str(may_end)], 1, grace_seconds=0, cleanup_seconds=0.5)
    running = asyncio.create_task(supervisor.run(None))
    await eventually(lambda: supervisor.health()["ready"])

    os.kill(os.getpid(), signal.SIGTERM)

    ended, _ = await asyncio.wait([running], timeout=2)
    assert not ended
    may_end.touch()
    assert await asyncio.wait_for(running, 20) == 0


async def test_a_hangup_drains_all_processes(database, engine, connection, effects, tmp_path):
    with supervised(cwd=tmp_path, database=database, effects=effects) as process:
        workers = await ready(connection)
        run = await noted.new(seconds=0.5).insert()
        await eventually(lambda: effects.read(event="start"), deadline=30)

        process.send_signal(signal.SIGHUP)
        _, logged = await asyncio.to_thread(process.communicate, timeout=40)

    assert (process.returncode, "SIGHUP: draining" in logged) == (0, True)
    assert (await run.status()).state == "completed"
    await all_gone(workers)
