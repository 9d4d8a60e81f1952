"""docs/getting-started.md, done as a reader does it: the files written, the commands run, the worker in a process."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.cli.command import ROOT, environment, python, run_command
from tests.waiting import eventually

TEXT = (ROOT / "docs" / "getting-started.md").read_text()
FILES = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
_CONSOLE = "\n".join(re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[1:])


def commands(console):
    """Each command with the lines that it prints."""
    found = []
    for line in filter(None, console.split("\n")):
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


COMMANDS = commands(_CONSOLE)


def run(command, folder, database):
    program, *arguments = shlex.split(command)
    if program == "baton":
        return python("-m", "baton", *arguments, cwd=folder, database=database)
    assert program == "python", command
    if arguments[0] == "-m":
        # Named, as this checkout may be older than what is installed; else each plugin is loaded by itself.
        loaded = ["-p", "baton.testing.plugin", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider"]
        settings = {"BATON_TEST_DATABASE_URL": database, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return run_command([sys.executable, *arguments, *loaded], cwd=folder, database=database, **settings)
    return python(*arguments, cwd=folder, database=database)


@pytest.mark.slow
async def test_the_commands_say_what_the_page_says(database, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    worker = None
    try:
        for command, expected in COMMANDS:
            if command.startswith("baton worker"):
                worker = start_worker(command, tmp_path, database)
            elif command.startswith(("baton show", "baton explain")):
                await assert_says_in_the_end(command, expected, tmp_path, database)
            else:
                done = run(command, tmp_path, database)
                assert done.returncode == 0, (command, done.stdout, done.stderr)
                assert all(line in done.stdout for line in expected), (command, done.stdout)
    finally:
        if worker is not None:
            worker.kill()
            worker.wait()


async def assert_says_in_the_end(command, expected, folder, database):
    """What the worker process does takes its time."""
    printed = ""

    def says():
        nonlocal printed
        done = run(command, folder, database)
        printed = done.stdout + done.stderr
        return all(line in printed for line in expected)

    with suppress(AssertionError):
        await eventually(says, deadline=30, every=0.2)
    assert [line for line in expected if line not in printed] == [], f"{command} printed\n{printed}"


def start_worker(command, folder, database):
    return subprocess.Popen(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=folder,
        env=environment(database),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
