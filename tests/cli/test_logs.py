"""How a worker process logs."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from baton.cli.logs import JSONLines
from tests.cli.command import asked, free_port, terminated, worker_process
from tests.programs.shared_workers import logging_and_catching
from tests.waiting import eventually

PROGRAM = "tests.programs.shared_workers"


def line_of(**record):
    given = {"name": "app", "levelname": "INFO", "msg": "said", "created": 0.0, **record}
    return json.loads(JSONLines().format(logging.makeLogRecord(given)))


def test_a_line_is_one_object_with_the_time_in_utc():
    line = line_of(msg="%s\n%s", args=("two", "lines"), process=7)

    assert line == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "logger": "app",
        "message": "two\nlines",
        "pid": 7,
    }
    assert list(line)[:4] == ["time", "level", "logger", "message"]


def test_what_the_caller_adds_is_kept_but_hides_nothing():
    line = line_of(order=4711, level="mine", odd=object)

    assert (line["order"], line["level"], line["odd"]) == (4711, "info", "<class 'object'>")


@pytest.mark.slow
async def test_a_worker_logs_json_with_the_step_that_logging_code_runs_for(database, engine, effects, tmp_path):
    given = {"database": database, "EFFECTS": str(effects.path)}
    with worker_process(PROGRAM, "--log", "json", cwd=tmp_path, **given) as process:
        run = await logging_and_catching.new().insert()
        await run.wait(timeout=30)
        _, logged = await asyncio.to_thread(terminated, process)

    lines = [json.loads(line) for line in logged.splitlines()]
    own, threads, failure = [line for line in lines if line["logger"] in ("app", "baton.step")]
    facts = {"workflow_id": run.id, "workflow_name": None, "step": "shared: logging", "attempt": 1}
    for line in (own, threads, failure):
        assert {name: line[name] for name in facts} == facts
    assert (own["message"], own["order"]) == ("by its own log", 4711)
    assert (failure["level"], failure["message"]) == ("error", "it failed:\nbadly")
    assert failure["exception"].endswith("ValueError: no disk")
    assert "workflow_id" not in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "is_logged"), [((), True), (("--log-level", "warning"), False)])
async def test_the_level_says_what_is_logged(database, connection, effects, tmp_path, options, is_logged):
    given = {"database": database, "EFFECTS": str(effects.path)}
    port = free_port()
    with worker_process(PROGRAM, "--health", f"127.0.0.1:{port}", *options, cwd=tmp_path, **given) as process:
        await eventually(lambda: is_ready(port), deadline=30)
        _, logged = await asyncio.to_thread(terminated, process)

    assert ("SIGTERM: draining" in logged) is is_logged


async def is_ready(port):
    answered = await asked(port, "/readyz")
    return answered is not None and answered[0] == 200


OWN = """
import logging
from baton import worker

logging.basicConfig(format="MINE %(message)s", level="INFO")


@worker
async def quick() -> None: ...
"""


@pytest.mark.slow
@pytest.mark.parametrize(("options", "begins"), [((), "MINE "), (("--log", "text"), "20"), (("--log", "json"), "{")])
async def test_logging_set_up_by_the_module_is_kept_unless_a_format_is_given(
    database, connection, tmp_path, options, begins
):
    (tmp_path / "own_logging.py").write_text(OWN)
    with worker_process("own_logging", *options, cwd=tmp_path, database=database) as process:
        await eventually(lambda: connection.fetchval("select count(*) from pools"), deadline=30)
        _, logged = await asyncio.to_thread(terminated, process)

    assert {line.startswith(begins) for line in logged.splitlines()} == {True}, logged
