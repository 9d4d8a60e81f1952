"""Workers with `executor="process"`: how their process finds them, and when it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from baton import StepFailed, WorkerPool
from baton.runtime import worker_processes
from tests.cli.command import environment
from tests.faults.processes import worker_process
from tests.programs import pool_workers
from tests.waiting import eventually

PROGRAM = """
    import asyncio
    import os
    from baton import Engine, WorkerPool, worker

    print("begun")

    @worker(executor="process", max_attempts=2, backoff=0)
    def double(number: int) -> int:
        return twice(number)

    def twice(number):
        return 2 * number

    async def main():
        async with Engine() as engine, WorkerPool(engine, processes=1):
            run = await double.new(number=21).insert()
            print("result", await run.result(timeout=40), run.id == run.id)
"""
GUARDED = f'{PROGRAM}\n    if __name__ == "__main__":\n        asyncio.run(main())\n'
UNGUARDED = f"{PROGRAM}\n    asyncio.run(main())\n"
CATCHING = f"""{PROGRAM}
    try:
        asyncio.run(main())
    except BaseException as error:
        raise SystemExit(str(error))
"""
IN_A_NOTEBOOK = """
import asyncio
from baton import Engine, WorkerPool, worker

@worker(executor="process")
def double(number: int) -> int:
    return 2 * number

async def main():
    async with Engine() as engine, WorkerPool(engine, processes=1):
        run = await double.new(number=21).insert()
        await run.wait(timeout=40)
        (record,) = await run.steps()
        print(record.state, record.attempt, record.reason)

asyncio.run(main())
"""

VANISHING = """
from baton import worker

@worker(name="vanishing", executor="process", max_attempts=1)
def vanishing(): ...
"""


def python(*arguments: str, cwd: Path, database: str, text: str | None = None) -> str:
    """Run Python to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(database),
        input=text,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("program", "started"),
    [
        pytest.param(GUARDED, "program.py", id="guarded"),
        pytest.param(UNGUARDED, "program.py", id="unguarded"),
        pytest.param(CATCHING, "program.py", id="catching"),
        pytest.param(UNGUARDED, "-m program", id="module"),
        pytest.param(UNGUARDED, "-m package", id="package"),
        pytest.param(UNGUARDED, "folder", id="folder"),
    ],
)
async def test_a_program_that_defines_its_worker_itself_works(database, connection, tmp_path, program, started):
    """Without a guard, importing it in the other process would run it again, and insert its workflow again."""
    text = textwrap.dedent(program)
    if started in ("program.py", "-m program"):
        tmp_path.joinpath("program.py").write_text(text)
    else:
        folder = tmp_path / ("package" if started == "-m package" else "folder")
        folder.mkdir()
        folder.joinpath("__init__.py").touch()
        folder.joinpath("__main__.py").write_text(text)

    said = await asyncio.to_thread(python, *started.split(), cwd=tmp_path, database=database)

    assert said.splitlines() == ["begun", "result 42 True"]
    assert await connection.fetchval("select count(*) from workflows") == 1


@pytest.mark.parametrize("started", ["-", "-c"])
def test_a_worker_that_is_in_no_file_fails_at_once_and_says_what_to_do(database, tmp_path, started):
    """As in a notebook: there is nothing that another process could import."""
    given = ["-c", IN_A_NOTEBOOK] if started == "-c" else ["-"]

    said = python(*given, cwd=tmp_path, database=database, text=IN_A_NOTEBOOK)

    assert said.startswith("discarded 1 worker 'double' is defined in a notebook or an interactive session")
    assert "move it into a module (a .py file)" in said


async def test_a_module_that_cannot_be_imported_there_fails_the_attempt(engine, tmp_path, monkeypatch):
    """The module is gone since this process imported it, as in the middle of a deployment."""
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "vanishing_workers.py"
    module.write_text(VANISHING)
    import vanishing_workers

    module.unlink()
    async with WorkerPool(engine, processes=1):
        run = await vanishing_workers.vanishing.new().insert()
        with pytest.raises(StepFailed, match="'vanishing_workers' cannot be imported in another process: ModuleNotFo"):
            await run.result(timeout=40)


async def test_a_process_is_used_again_and_ended_when_it_is_idle(engine, monkeypatch):
    async with WorkerPool(engine, processes=1):
        first = await (await pool_workers.process_id.new().insert()).result(timeout=40)
        again = await (await pool_workers.process_id.new().insert()).result(timeout=40)
        monkeypatch.setattr(worker_processes, "IDLE_SECONDS", -1.0)
        other = await (await pool_workers.process_id.new().insert()).result(timeout=40)
        assert first == again != other
        await eventually(lambda: not pool_workers.is_alive(first))
    await eventually(lambda: not pool_workers.is_alive(other))


@pytest.mark.parametrize("job", [pool_workers.write_pid_and_hang, pool_workers.write_pid_and_compute])
async def test_the_process_of_a_killed_pool_ends_with_it(engine, connection, effects, tmp_path, job):
    """Also one that lets no other thread run, and so cannot look whether its parent is there."""
    mark = tmp_path / "pid"
    with worker_process(engine.connector.dsn, effects, processes=1) as process:
        await process.registered(connection)
        await job.new(path=str(mark)).insert()
        await eventually(lambda: mark.exists() and mark.read_text(), deadline=40)
        child = int(mark.read_text())
        process.send(signal.SIGKILL)
        await process.ended()
        try:
            await eventually(lambda: not pool_workers.is_alive(child))
        finally:
            if pool_workers.is_alive(child):
                os.kill(child, signal.SIGKILL)


async def test_without_a_death_signal_the_process_looks_after_its_parent(tmp_path):
    """As on other systems than Linux: it looks once a second whether its parent is there."""
    mark = tmp_path / "pid"
    child = (
        "import os, sys, time, pathlib; sys.platform = 'other'\n"
        "from baton.runtime.child_process import end_with_parent\n"
        "end_with_parent(os.getppid())\n"
        f"pathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent, child, env=environment())
    try:
        await eventually(lambda: mark.exists() and mark.read_text(), deadline=40)
        pid = int(mark.read_text())
    finally:
        process.kill()
        await process.wait()
    await eventually(lambda: not pool_workers.is_alive(pid))
