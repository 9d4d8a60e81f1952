"""Standard streams that the parent closed, or that cannot take every character."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from baton import Baton
from tests.cli.command import DEADLINE_SECONDS, assert_refused, assert_succeeded, run_command, started, terminated
from tests.programs.shared_workers import noted

PROGRAM = "tests.programs.shared_workers"
CLOSED = {"stdin": "<&-", "stdout": ">&-", "stdin and stdout": "<&- >&-", "all": "<&- >&- 2>&-"}


def without_streams(closed, *arguments, cwd, database, effects):
    """A `baton` whose shell closed some of its standard streams."""
    command = ["sh", "-c", f'exec "$0" -m baton "$@" {CLOSED[closed]}', sys.executable, *arguments]
    return started(command, cwd=cwd, database=database, EFFECTS=str(effects.path))


@pytest.mark.parametrize("closed", CLOSED)
async def test_a_worker_without_standard_streams_runs_and_drains(closed, database, engine, effects, tmp_path):
    """uvloop aborts a process that gives it a descriptor below 3."""
    options = {"cwd": tmp_path, "database": database, "effects": effects}
    with without_streams(closed, "worker", PROGRAM, **options) as process:
        run = await noted.new().insert()
        assert await run.wait(timeout=30) == "completed"

        code, logged = await asyncio.to_thread(terminated, process)

    assert code == 0, logged


@pytest.mark.slow
async def test_a_supervisor_without_standard_streams_starts_workers(database, engine, effects, tmp_path):
    options = {"cwd": tmp_path, "database": database, "effects": effects}
    with without_streams("all", "worker", PROGRAM, "--processes", "2", **options) as process:
        runs = [await noted.new().insert() for _ in range(4)]
        assert [await run.wait(timeout=40) for run in runs] == ["completed"] * 4

        code, _ = await asyncio.to_thread(terminated, process)

    assert code == 0


def test_a_command_without_standard_streams_ends_well(database, effects, tmp_path):
    options = {"cwd": tmp_path, "database": database, "effects": effects}
    with without_streams("all", "queues", **options) as process:
        assert process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_a_stream_that_is_not_utf8_takes_every_name(encoding, database, engine, tmp_path):
    await Baton.new(workflow_id="one").add("日本", noted.new()).add("b", noted.new(), deps=["日本"]).insert()

    done = run_command(
        ["sh", "-c", f'PYTHONIOENCODING={encoding} exec "$0" -m baton show one', sys.executable],
        cwd=tmp_path,
        database=database,
    )

    assert r"\u65e5\u672c" in assert_succeeded(done)
    assert done.stderr == ""


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="only Linux has a device that is always full")
def test_output_that_cannot_be_written_is_one_sentence(database, tmp_path):
    done = run_command(
        ["sh", "-c", 'exec "$0" -m baton queues >/dev/full', sys.executable], cwd=tmp_path, database=database
    )

    assert assert_refused(done) == "the output cannot be written: No space left on device"
