"""What is drawn: in colour on a terminal where `rich` is installed, else plain."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

from baton import Baton
from tests.cli.command import DEADLINE_SECONDS, assert_succeeded, baton, environment
from tests.programs.shared_workers import noted

ESCAPE = "\x1b["
WITHOUT_RICH = "import sys; sys.modules['rich'] = None; from baton.cli.main import main; sys.exit(main(sys.argv[1:]))"


def on_terminal(*arguments, database, cwd):
    """What a command writes to a terminal."""
    terminal, end = os.openpty()
    written = b""
    given = environment(database, TERM="xterm-256color", COLUMNS="100")
    with subprocess.Popen([sys.executable, *arguments], cwd=cwd, env=given, stdout=end, stdin=end) as process:
        os.close(end)
        with suppress(OSError):  # how Linux says that the other end is closed
            while piece := os.read(terminal, 65_536):
                written += piece
        os.close(terminal)
        assert process.wait(DEADLINE_SECONDS) == 0
    return written.decode()


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
