"""`baton migrate`, `cancel`, `retry`, and how any command ends."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys

import pytest

import baton.cli as baton_cli
from baton import Baton, WorkerPool, each
from baton.cli import commands
from baton.cli.main import COMMANDS, parser
from tests.cli.command import assert_refused, assert_succeeded, baton, environment, python
from tests.programs.shared_workers import failing, noted


def test_migrate_creates_the_schema_and_says_when_there_is_nothing_to_do(empty_database, tmp_path):
    first = assert_succeeded(baton("migrate", cwd=tmp_path, database=empty_database))
    second = assert_succeeded(baton("migrate", cwd=tmp_path, database=empty_database))

    assert first.startswith("created schema 'baton' at version ")
    assert second.startswith("schema 'baton' is at version ")
    assert second.endswith(" already\n")


async def test_migrate_takes_any_schema_name_and_an_address(empty_database, tmp_path):
    import asyncpg

    assert_succeeded(baton("migrate", "--schema", 'Odd "name"', "--address", empty_database, cwd=tmp_path))

    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("select count(*) from pg_namespace where nspname = $1", 'Odd "name"') == 1
    await connection.close()


async def test_migrate_grants_a_role_its_part(empty_database, tmp_path):
    import asyncpg

    connection = await asyncpg.connect(empty_database)
    await connection.execute("create role baton_granted_by_command")
    try:
        said = assert_succeeded(
            baton("migrate", "--grant", "viewer=baton_granted_by_command", cwd=tmp_path, database=empty_database)
        )
        assert "role 'baton_granted_by_command' may do what a viewer does" in said
        assert await connection.fetchval(
            "select has_table_privilege('baton_granted_by_command', 'baton.steps_view', 'select')"
        )
    finally:
        await connection.execute("drop owned by baton_granted_by_command; drop role baton_granted_by_command")
        await connection.close()


def test_a_grant_that_names_no_part_is_a_usage_error(tmp_path):
    done = baton("migrate", "--grant", "boss=somebody", cwd=tmp_path)

    assert done.returncode == 2
    assert (
        "'boss=somebody' is not of the form PART=ROLE, with one of worker, client, operator, viewer, debug as part"
        in done.stderr
    )


async def test_cancel_ends_a_workflow_and_says_so(database, engine, tmp_path):
    run = await Baton.new(workflow_id="one").add("a", noted.new()).add("b", noted.new(), deps=["a"]).insert()

    said = assert_succeeded(baton("cancel", "one", "--reason", "enough", cwd=tmp_path, database=database))

    assert said == "cancelled 2 steps of workflow 'one', which is now cancelled\n"
    assert {(step.state, step.reason) for step in await run.steps()} == {("cancelled", "enough")}


async def test_cancel_of_named_steps_leaves_the_others(database, engine, tmp_path):
    run = await Baton.new(workflow_id="one").add("a", noted.new()).add("b", noted.new()).insert()

    said = assert_succeeded(baton("cancel", "one", "b", cwd=tmp_path, database=database))

    assert said == "cancelled 1 step of workflow 'one', which is now executing\n"
    assert [step.state for step in await run.steps()] == ["available", "cancelled"]

    said = assert_succeeded(baton("cancel", "one", "a", "--as-skipped", cwd=tmp_path, database=database))

    assert said.startswith("skipped 1 step of workflow 'one'")
    assert [step.state for step in await run.steps()] == ["skipped", "cancelled"]


async def test_retry_opens_what_failed(database, engine, tmp_path):
    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="one").add("a", failing.new()).add("b", noted.new(), deps=["a"]).insert()
        assert await run.wait(timeout=30) == "failed"

    said = assert_succeeded(baton("retry", "one", cwd=tmp_path, database=database))

    assert said == "opened 2 steps of workflow 'one', which is now executing\n"
    assert [(step.state, step.attempt) for step in await run.steps()] == [("available", 0), ("suspended", 0)]


async def test_a_step_that_is_not_there_gets_a_suggestion_and_changes_nothing(database, engine, tmp_path):
    run = await Baton.new(workflow_id="one").add("charge", noted.new()).add("other", noted.new()).insert()

    for command in ("cancel", "retry"):
        said = assert_refused(baton(command, "one", "other", "chrage", cwd=tmp_path, database=database))

        assert said == "workflow 'one' has no step 'chrage'; did you mean 'charge'?"
    assert {step.state for step in await run.steps()} == {"available"}


@pytest.mark.parametrize("command", ["show", "cancel", "retry"])
def test_a_workflow_that_is_not_there_is_one_sentence(command, database, tmp_path):
    said = assert_refused(baton(command, "nothing", cwd=tmp_path, database=database))

    assert said == "there is no workflow 'nothing'; it was never committed, or it was pruned"


@pytest.mark.parametrize("command", [["migrate"], ["show", "x"], ["worker", "tests.programs.shared_workers"]])
def test_a_server_that_is_not_there_is_one_sentence_without_the_password(command, tmp_path):
    done = baton(*command, "--address", "postgresql://me:secret@127.0.0.1:1/app", cwd=tmp_path)

    assert done.returncode == 1
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "baton: the database postgresql://me:***@127.0.0.1:1/app cannot be reached: nothing answers there; "
        "is the server running?"
    )


def test_where_an_address_in_the_environment_came_from_is_said(tmp_path):
    said = assert_refused(baton("show", "x", cwd=tmp_path, database="postgresql://127.0.0.1:1/app"))

    assert said.startswith("the database postgresql://127.0.0.1:1/app (from BATON_DATABASE_URL) cannot be reached")


def test_a_database_that_is_not_there_is_one_sentence(server, tmp_path):
    said = assert_refused(baton("show", "x", "--address", server.dsn("no_such_database"), cwd=tmp_path))

    assert said.endswith('refuses: database "no_such_database" does not exist')


def test_an_address_of_something_else_is_one_sentence(tmp_path):
    said = assert_refused(baton("show", "x", "--address", "mysql://localhost/app", cwd=tmp_path))

    assert "begins with mysql://, and Baton needs PostgreSQL" in said


@pytest.mark.parametrize(
    "arguments", [[], ["shwo"], ["show"], ["demo", "--slots", "0"], ["worker", "m", "--lease", "x"]]
)
def test_a_command_line_that_makes_no_sense_ends_with_2(arguments, tmp_path):
    done = baton(*arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: baton")


def test_the_version_is_printed(tmp_path):
    assert assert_succeeded(baton("--version", cwd=tmp_path)).startswith("baton ")


async def test_a_retry_of_a_group_in_which_nothing_failed_says_why(database, engine, effects, tmp_path, monkeypatch):
    monkeypatch.setenv("EFFECTS", str(effects.path))
    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="one").add("m", noted.new(seconds=each([0.0, 0.0]))).insert()
        assert await run.wait(timeout=30) == "completed"

    said = assert_succeeded(baton("retry", "one", "m", cwd=tmp_path, database=database))

    assert said == (
        "opened nothing of workflow 'one', which is completed: 'm' is a group in which nothing failed; name the steps "
        "in it that are to run again\n"
    )
    assert assert_succeeded(baton("retry", "one", "m[0]", cwd=tmp_path, database=database)).startswith("opened 2 steps")


async def test_a_retry_of_a_workflow_in_which_nothing_failed_says_why(database, engine, tmp_path):
    await Baton.new(workflow_id="one").add("a", noted.new()).insert()

    said = assert_succeeded(baton("retry", "one", cwd=tmp_path, database=database))

    assert said == "opened nothing: no step is discarded or cancelled in workflow 'one', which is executing\n"


LISTS_MODULES = """
import sys
import baton
before = set(sys.modules)
from baton.cli.main import main
try:
    main({arguments})
finally:
    print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_imports_no_command_and_nothing_that_only_one_needs(arguments, tmp_path):
    done = python("-c", LISTS_MODULES.format(arguments=arguments), cwd=tmp_path)

    imported = set(done.stderr.splitlines()[-1].split())
    assert {name for name in imported if name.startswith("baton.")} == {
        "baton.cli",
        "baton.cli.main",
        "baton.cli.quiet_parser",
        "baton.cli.standard_streams",
    }
    assert not imported & {"asyncpg", "email", "http", "importlib.metadata", "rich", "zipfile"}


def test_a_command_imports_no_other(tmp_path):
    done = python("-c", LISTS_MODULES.format(arguments=["cancel", "--help"]), cwd=tmp_path)

    commands = [name for name in done.stderr.splitlines()[-1].split() if name.startswith("baton.cli.commands.")]
    assert commands == ["baton.cli.commands.cancel"]


def test_every_command_is_a_file_and_every_file_a_command():
    files = {module.name for module in pkgutil.iter_modules(commands.__path__)}

    assert files == {name.replace("-", "_") for name in COMMANDS}
    described = re.findall(r"^    ([\w-]+) ", baton_cli.__doc__, re.MULTILINE)
    assert set(described) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        parser(only=command).parse_args([command, "--help"])

    said = capsys.readouterr().out
    assert said.startswith(f"usage: baton {command} ")
    assert len(said.split("\n\n")[1].split()) >= 5
    assert all(len(line) <= 80 for line in said.splitlines())


def test_a_reader_that_has_seen_enough_is_no_error(database, tmp_path):
    command = f"{sys.executable} -m baton migrate | true"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env=environment(database),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
