"""How a worker process logs."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import pytest

from baton.cli.logs import JSONLines, TextLines
from tests.cli.command import asked, baton, free_port, terminated, worker_process
from tests.programs.shared_workers import logging_and_catching
from tests.waiting import eventually

PROGRAM = "tests.programs.shared_workers"


def record_of(**record):
    return logging.makeLogRecord({"name": "app", "levelname": "INFO", "msg": "said", "created": 0.0, **record})


def line_of(**record):
    return json.loads(JSONLines().format(record_of(**record)))


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
    line = line_of(order=4711, level="mine", extra="own", odd=object)

    assert (line["order"], line["level"], line["odd"]) == (4711, "info", "<class 'object'>")
    assert line["extra"] == {"level": "mine", "extra": "own"}


class Raising:
    """A value none of whose methods can be used."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __eq__ = __bool__ = __str__
    __hash__ = object.__hash__


CIRCLE = {"a": 1}
CIRCLE["self"] = CIRCLE
DEEP = []
for _ in range(100_000):
    DEEP = [DEEP]
ODD = {
    "not a number": (float("nan"), "nan"),
    "infinity inside": ({"x": float("inf")}, "{'x': inf}"),
    "a key that is no text": ({(1, 2): 3}, "{(1, 2): 3}"),
    "bytes": (b"\xff", "b'\\xff'"),
    "a circle": (CIRCLE, "{'a': 1, 'self': {...}}"),
    "too deep": (DEEP, "(list whose text cannot be read)"),
    "no text": (Raising(), "(Raising whose text cannot be read)"),
    "no text inside": ([Raising()], ["(Raising whose text cannot be read)"]),
    "a long number": (10**5000, "(int whose text cannot be read)"),
    "a lone surrogate": ("a\ud800", "a\ud800"),
    "an exception": (ValueError("no"), "no"),
    "lines": ("a\nb\u2028c", "a\nb\u2028c"),
}


@pytest.mark.parametrize("name", ODD)
def test_any_value_that_is_added_is_in_the_line(name):
    value, kept = ODD[name]

    text = JSONLines().format(record_of(odd=value))

    assert json.loads(text)["odd"] == kept
    assert text.isprintable()
    text.encode()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"msg": "%d steps", "args": ("many",)}, "%d steps ('many',)"),
        ({"msg": "%s", "args": (Raising(),)}, "%s (tuple whose text cannot be read)"),
        ({"msg": Raising()}, "(Raising whose text cannot be read) ()"),
        ({"msg": "none given %s"}, "none given %s"),
    ],
)
@pytest.mark.parametrize("formatter", [JSONLines(), TextLines("%(message)s")])
def test_a_message_that_cannot_be_made_is_logged_in_its_parts(record, message, formatter):
    said = formatter.format(record_of(**record))

    assert (json.loads(said)["message"] if isinstance(formatter, JSONLines) else said) == message


def test_a_record_is_left_as_it_was_for_other_handlers():
    record = record_of(msg="%d steps", args=("many",))

    for formatter in (JSONLines(), TextLines("%(message)s")):
        formatter.format(record)

    assert (record.msg, record.args) == ("%d steps", ("many",))


def test_an_error_whose_text_raises_is_logged():
    class SilentError(Exception):
        __str__ = Raising.__str__

    try:
        raise SilentError
    except SilentError:
        record = record_of(exc_info=sys.exc_info())

    assert "SilentError" in json.loads(JSONLines().format(record))["exception"]
    assert "SilentError" in TextLines("%(message)s").format(record)


def test_a_traceback_that_another_handler_made_is_logged():
    assert line_of(exc_text="Traceback ...")["exception"] == "Traceback ..."


def test_a_stream_that_is_not_utf8_gets_ascii():
    text = JSONLines(is_ascii=True).format(record_of(msg="größe 🚀", odd="日本"))

    assert text.isascii()
    assert json.loads(text)["odd"] == "日本"


def test_text_lines_keep_lines_and_escape_what_steers_a_terminal():
    said = TextLines("%(message)s").format(record_of(msg="a\x1b[31m\x07\n\tb\u202e\rc"))

    assert said == "a\\x1b[31m\\x07\n\tb\\u202e\\rc"


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


ODD_MODULE = """
import logging
import threading
import warnings
from baton import worker

logging.getLogger("app").warning("%d", "no number", extra={"x": float("nan"), "level": 1, "y": {(1,): 2}})
warnings.warn("it is old", stacklevel=1)
thread = threading.Thread(target=lambda: 1 / 0, name="hasty")
thread.start()
thread.join()


@worker
async def quick() -> None: ...
"""


async def test_all_that_a_worker_logs_as_json_is_json(database, connection, tmp_path):
    (tmp_path / "odd_module.py").write_text(ODD_MODULE)
    with worker_process("odd_module", "--log", "json", cwd=tmp_path, database=database) as process:
        await eventually(lambda: connection.fetchval("select count(*) from pools"), deadline=30)
        _, logged = await asyncio.to_thread(terminated, process)

    lines = [json.loads(line) for line in logged.splitlines()]
    (odd,) = [line for line in lines if line["logger"] == "app"]
    assert (odd["message"], odd["x"], odd["extra"]) == ("%d ('no number',)", "nan", {"level": 1})
    assert [line["level"] for line in lines if "it is old" in line["message"]] == ["warning"]
    assert ["ZeroDivisionError" in line["exception"] for line in lines if "hasty" in line["message"]] == [True]


@pytest.mark.parametrize("arguments", [["broken"], ["no_such_module"], ["odd_module:missing"], ["broken:pool"]])
def test_why_a_worker_cannot_start_is_json_as_well(arguments, tmp_path):
    (tmp_path / "broken.py").write_text("import json\njson.loads('')\n")
    (tmp_path / "odd_module.py").write_text(ODD_MODULE)

    done = baton("worker", *arguments, "--log", "json", cwd=tmp_path)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, lines[-1]["level"]) == (1, "critical")
