"""What is drawn: in colour on a terminal where `rich` is installed, else plain."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from baton import Baton, WorkerPool
from baton.cli.text import cells
from tests.cli.command import DEADLINE_SECONDS, assert_succeeded, baton, environment
from tests.programs.shared_workers import failing, noted

ESCAPE = "\x1b["
WITHOUT_RICH = "import sys; sys.modules['rich'] = None; from baton.cli.main import main; sys.exit(main(sys.argv[1:]))"


def on_terminal(*arguments, database, cwd, columns=100):
    """What a command writes to a terminal."""
    terminal, end = os.openpty()
    written = b""
    given = environment(database, TERM="xterm-256color", COLUMNS=str(columns))
    with subprocess.Popen([sys.executable, *arguments], cwd=cwd, env=given, stdout=end, stdin=end) as process:
        os.close(end)
        with suppress(OSError):  # how Linux says that the other end is closed
            while piece := os.read(terminal, 65_536):
                written += piece
        os.close(terminal)
        assert process.wait(DEADLINE_SECONDS) in (0, 1)
    return written.decode()


def drawn(said):
    """The lines on the screen, without their colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()


async def test_states_are_coloured_on_a_terminal(database, engine, tmp_path):
    await Baton.new(workflow_id="one").add("<bold>a", noted.new()).insert()

    said = on_terminal("-m", "baton", "show", "one", database=database, cwd=tmp_path)

    assert f"<bold>a  {ESCAPE}36mavailable " in said


async def test_nothing_is_coloured_where_no_terminal_is(database, engine, tmp_path):
    await Baton.new(workflow_id="one").add("a", noted.new()).insert()

    assert ESCAPE not in assert_succeeded(baton("show", "one", database=database, cwd=tmp_path))


async def test_without_rich_a_terminal_gets_plain_text(database, engine, tmp_path):
    await Baton.new(workflow_id="one").add("a", noted.new()).insert()

    said = on_terminal("-c", WITHOUT_RICH, "show", "one", database=database, cwd=tmp_path)

    assert ESCAPE not in said
    assert "a  available" in said


def test_the_demo_draws_its_progress_on_a_terminal(database, tmp_path):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "small.py").write_text("def f():\n    return 1\n")

    said = on_terminal(
        "-m", "baton", "demo", "--library", "library", "--address", database, database=database, cwd=tmp_path
    )

    assert "━" in said
    assert "small.py" in said
    assert max(len(line) for line in said.splitlines() if line.startswith("small.py")) <= 80


HOSTILE = "\x1b[31m\u202eexe\x07日本" + "x" * 150
SHOWN = "\\x1b[31m\\u202eexe\\x07日本"


@pytest.fixture
async def hostile(engine, connection):
    """A workflow whose names came through SQL, with characters that a terminal obeys."""
    async with WorkerPool(engine):
        flow = Baton.new(workflow_id="one").add("a", failing.new()).add("b", noted.new(), deps=["a"])
        await (await flow.add("c", failing.new()).insert()).wait(timeout=30)
    await Baton.new(workflow_id="two").add("d", noted.new()).insert()
    await connection.execute("update workflows set name = $1, id = id || $1", HOSTILE)
    await connection.execute("update steps set name = name || $1, worker = $1, queue = $1, reason = $1", HOSTILE)
    await connection.execute("update queue set queue = $1", HOSTILE)
    await connection.execute("insert into queue_settings (queue, paused_at) values ($1, now())", f"p{HOSTILE}")


COMMANDS = {
    "list": ["list"],
    "show": ["show", f"one{HOSTILE}"],
    "show a step": ["show", f"one{HOSTILE}", f"a{HOSTILE}"],
    "show what nobody can run": ["show", f"two{HOSTILE}"],
    "queues": ["queues"],
    "doctor": ["doctor"],
}


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("command", COMMANDS)
async def test_no_name_steers_a_terminal(command, columns, hostile, database, tmp_path):
    """Nor does one make a line of a table or a tree wider than the terminal."""
    said = on_terminal("-m", "baton", *COMMANDS[command], database=database, cwd=tmp_path, columns=columns)

    lines = drawn(said)
    assert SHOWN in "".join(lines)
    assert "".join(lines).isprintable()
    if command in ("list", "queues"):
        assert max(map(cells, lines)) == columns
    if command == "show":
        assert max(map(cells, lines[2 : lines.index("", 2)])) == columns
    if command == "doctor":
        assert "->" in "".join(lines)


@pytest.mark.parametrize("command", COMMANDS)
async def test_no_name_steers_a_terminal_that_shows_a_file(command, hostile, database, tmp_path):
    said = baton(*COMMANDS[command], database=database, cwd=tmp_path).stdout

    assert SHOWN in said
    assert said.replace("\n", "").isprintable()
    if command == "queues":
        assert all(HOSTILE[-100:] in line for line in said.splitlines()[1:])


async def test_an_error_that_names_what_was_given_is_escaped(database, engine, tmp_path):
    done = baton("show", "one", "--schema", HOSTILE[:40], database=database, cwd=tmp_path)

    assert done.stderr.replace("\n", "").isprintable()


async def test_findings_are_wrapped_below_one_another(database, engine, tmp_path):
    await noted.new().with_options(queue="a queue with a name of some length").insert()

    lines = drawn(on_terminal("-m", "baton", "doctor", database=database, cwd=tmp_path, columns=80))

    begin = next(place for place, line in enumerate(lines) if "a queue with" in line)
    assert lines[begin].startswith("problem  queues        queue 'a queue with a name")
    assert lines[begin + 1].startswith(" " * 23)
    assert max(map(cells, lines)) <= 80
