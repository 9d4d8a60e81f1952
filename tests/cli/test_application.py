"""`baton worker MODULE:NAME`: which module is imported, and what NAME may be."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from baton import worker
from tests.cli.command import assert_refused, run_command, terminated, worker_process
from tests.cli.command import baton as run_baton
from tests.waiting import eventually

CLIENT = """
import os
from contextlib import asynccontextmanager
from concurrent.futures import ThreadPoolExecutor
from baton import Engine, Provided, WorkerPool, worker


class Client:
    async def __aenter__(self):
        self.kind = "a client"
        return self

    async def __aexit__(self, *error):
        pass


@worker(name="application: provided")
async def provided_with(client: Provided[Client]) -> str:
    return client.kind


@worker(name="application: in an executor", executor="cluster")
def in_executor() -> str:
    return "in the cluster"


def make():
    return WorkerPool(provide=[Client], executors={"cluster": ThreadPoolExecutor(1)}, queues={"default": 3}, grace=7)


class Settings:
    pool = make()


bare = WorkerPool(queues={"default": 1})
other_schema = WorkerPool(Engine(schema="elsewhere"))
number = 7
late = None


async def make_later():
    return make()


def fail():
    raise LookupError("no configuration")
"""


@pytest.fixture
def application(tmp_path):
    (tmp_path / "application.py").write_text(CLIENT)
    return tmp_path


@worker(name="application: provided")
async def provided_with() -> str: ...


@worker(name="application: in an executor", executor="cluster")
def in_executor() -> str: ...


@pytest.mark.parametrize("name", ["make", "Settings.pool"])
async def test_the_pool_that_is_named_runs_with_what_it_provides(name, application, database, engine, connection):
    """Also with --processes, --health and --log, which are the command's own."""
    with worker_process(f"application:{name}", "--log", "json", cwd=application, database=database) as process:
        runs = [await job.insert() for job in (provided_with.new(), in_executor.new())]
        assert [await run.result(timeout=30) for run in runs] == ["a client", "in the cluster"]
        limits = await connection.fetchval("select limits from pools")

        code, logged = await asyncio.to_thread(terminated, process)

    assert (code, limits) == (0, [3]), logged


@pytest.mark.slow
async def test_the_pool_that_is_named_runs_under_a_supervisor(application, database, engine):
    with worker_process("application:make", "--processes", "1", cwd=application, database=database) as process:
        assert await (await provided_with.new().insert()).result(timeout=40) == "a client"
        code, logged = await asyncio.to_thread(terminated, process)

    assert code == 0, logged


@pytest.mark.parametrize(
    ("name", "option", "made"),
    [
        ("bare", ("--queues", "x=1"), "WorkerPool"),
        ("bare", ("--keep", "1d"), "WorkerPool"),
        ("make", ("--grace", "1", "--processes", "2"), "WorkerPool"),
        ("other_schema", ("--schema", "x"), "Engine"),
    ],
)
def test_an_option_of_what_the_application_makes_is_refused(name, option, made, application, database):
    done = run_baton("worker", f"application:{name}", *option, cwd=application, database=database)

    assert done.returncode == 1
    assert (
        f"baton: {option[0]} cannot be used with application:{name}, which makes its own {made}; say it there, or "
        f"leave {option[0]} out\n"
    ) in done.stderr


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("baer", "is not there; did you mean 'bare'?"),
        ("in_executor", "is the worker 'application: in an executor': leave it out, the workers of a module are found"),
        ("make_later", "is a coroutine: write def in place of async def"),
        ("number", "is of type int"),
        ("late", "is of type NoneType"),
        ("Settings", "is of type Settings"),
    ],
)
def test_a_name_that_is_no_pool_is_refused_in_a_sentence(name, remedy, application, database):
    said = assert_refused(run_baton("worker", f"application:{name}", cwd=application, database=database))

    assert said.startswith(f"application:{name}")
    assert f" should be an Engine or a WorkerPool, or a function that makes one, and {remedy}" in said


def test_a_function_that_raises_shows_where(application, database):
    done = run_baton("worker", "application:fail", cwd=application, database=database)

    assert 'application.py", line' in done.stderr
    assert done.stderr.splitlines()[-1] == "baton: application:fail() raises LookupError: no configuration"


async def test_a_pool_without_an_engine_takes_the_address_and_the_schema(application, server, database, connection):
    options = ("--address", database, "--schema", "elsewhere")
    with worker_process("application:bare", *options, cwd=application, database="postgresql://127.0.0.1:1/x"):

        async def serves():
            if await connection.fetchval("select to_regclass('elsewhere.pools') is null"):
                return False
            return await connection.fetchval("select count(*) from elsewhere.pools") == 1

        await eventually(serves, deadline=30)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("jobs.py", "name the module, as in baton worker jobs"),
        ("./jobs.py", "name the module, as in baton worker jobs"),
        ("app/jobs.py", "name the module, as in baton worker app.jobs"),
        ("app/jobs", "name the module, as in baton worker app.jobs"),
        ("app/__init__.py", "name the module, as in baton worker app"),
        ("jobs.py:pool", "name the module, as in baton worker jobs"),
        (".jobs", "name the module, as in baton worker jobs"),
        ("../jobs.py", "go to the folder of the application, and name the module, as in baton worker app"),
        ("/srv/app/jobs.py", "go to the folder of the application, and name the module, as in baton worker app"),
        (".", "go to the folder of the application, and name the module, as in baton worker app"),
    ],
)
def test_the_path_of_a_file_is_answered_with_the_module(given, remedy, tmp_path):
    (tmp_path / "jobs.py").write_text("raise RuntimeError('imported')")

    said = assert_refused(run_baton("worker", given, cwd=tmp_path))

    assert " is the path of a file" in said
    assert said.endswith(remedy)


def test_a_module_that_is_not_there_is_answered_with_the_nearest_file(tmp_path):
    (tmp_path / "jobs.py").write_text("")

    said = assert_refused(run_baton("worker", "job", cwd=tmp_path))

    assert said.endswith("or on Python's path; did you mean 'jobs'?")


SHADOWS = ("queue", "types", "selectors", "code", "logging")
SAYS_WHERE = """
import queue, sys, types, selectors, code, logging
import asyncio.queues, concurrent.futures.thread
import yaml

names = ("queue", "types", "selectors", "code", "logging")
print([name for name in names if "own" in vars(sys.modules[name])], yaml.where, file=sys.stderr)
"""


def console_script(*arguments, cwd, **given):
    """`baton` as pip installs it: unlike `python -m`, it does not put the current directory first by itself."""
    return run_command([str(Path(sys.executable).with_name("baton")), *arguments], cwd=cwd, **given)


@pytest.mark.parametrize("command", [console_script, run_baton])
def test_files_of_the_application_do_not_hide_the_standard_library(command, tmp_path):
    """They hide installed packages, as when Python runs a script: a module of the application is found."""
    # With `python -m` Python itself puts the folder first, and what it imports before the command
    # runs is shadowed.
    shadows = SHADOWS if command is console_script else ["code"]
    for name in shadows:
        (tmp_path / f"{name}.py").write_text("own = True")
    (tmp_path / "yaml.py").write_text("where = 'here'")
    (tmp_path / "app.py").write_text(SAYS_WHERE)

    done = command("worker", "app", cwd=tmp_path)

    assert done.stderr.splitlines()[0] == "[] here"
    assert done.stderr.splitlines()[-1].startswith("baton: module 'app' defines no worker")


@pytest.mark.parametrize(("module", "file"), [("queue", "queue.py"), ("test.workers", "test")])
def test_a_module_that_the_standard_library_hides_is_named(module, file, tmp_path):
    path = tmp_path / module.replace(".", "/")
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".py").write_text("own = True")

    said = assert_refused(console_script("worker", module, cwd=tmp_path))

    root = module.partition(".")[0]
    assert said == f"module {root!r} is Python's own, and hides {tmp_path / file}; give that another name"
