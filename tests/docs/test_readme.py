"""What the README shows is true: its Python runs, its SQL is answered, its commands are understood."""

from __future__ import annotations

import ast
import bisect
import heapq
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import baton
from baton import Baton, WorkerPool, result_of, worker
from baton.cli.main import parser
from tests.cli.command import ROOT, assert_succeeded, environment, python
from tests.programs.shared_workers import failing

TEXT = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_first_workflow_runs(database, tmp_path):
    """As it stands, and without a network: what it fetches are files."""
    (tmp_path / "first.py").write_text(blocks("python")[0])

    said = assert_succeeded(python("first.py", cwd=tmp_path, database=database))

    shared = set(Path(bisect.__file__).read_text().split()) & set(Path(heapq.__file__).read_text().split())
    assert said == f"{len(shared)} words are on both pages (attempt 1)\n"


async def test_a_trip_that_fails_is_undone_and_closed(engine):
    """The workflow of "Graphs that can fail", with workers that note what they do."""

    @worker(name="readme quote")
    async def quote(city: str) -> dict[str, int]:
        return {"price": 150}

    def noting(name: str, *, fails: bool = False):
        @worker(name=f"readme {name}", max_attempts=1)
        async def noted(*_given: object) -> str:
            done.append(name)
            if fails:
                raise ValueError(name)
            return name

        return noted

    done: list[str] = []
    names = {"Baton": Baton, "result_of": result_of, "quote": quote, "pay": noting("pay", fails=True)}
    for name in ("book", "cancel_booking", "upgrade", "page_someone", "close_session"):
        names[name] = noting(name)
    (source,) = [block for block in blocks("python") if "undo=" in block]
    exec(source, names)
    async with WorkerPool(engine):
        run = await names["trip"].insert()
        assert await run.wait(timeout=30) == "failed"

    assert sorted(done) == ["book", "cancel_booking", "close_session", "page_someone", "pay", "upgrade"]
    assert done.index("cancel_booking") < done.index("close_session")


def test_the_lifespan_begins_and_ends(database, tmp_path):
    use = """
        import asyncio

        async def main():
            async with app.router.lifespan_context(app):
                print("begun")

        asyncio.run(main())
    """
    (source,) = [block for block in blocks("python") if "FastAPI" in block]
    (tmp_path / "app.py").write_text(source + textwrap.dedent(use))

    assert assert_succeeded(python("app.py", cwd=tmp_path, database=database)) == "begun\n"


@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.split("\n")[0])
def test_python_is_python_and_uses_names_that_are_exported(source):
    imported = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module == "baton"
    ]

    assert {alias.name for node in imported for alias in node.names} <= set(baton.__all__)


async def test_the_queries_are_answered(engine, connection):
    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="order-4711").add("ship", failing.new()).insert()
        await run.wait(timeout=30)
        answers = [await connection.fetch(query) for query in blocks("sql")]

    steps, failures, _waiting, _executing, pools = answers
    assert [(row["name"], row["state"], row["attempt"]) for row in steps] == [("ship", "discarded", 2)]
    assert failures[0]["trace"].endswith("ValueError: the disk is\nfull\n")
    assert len(pools) == 1


def test_the_commands_are_understood():
    commands = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    ours = [shlex.split(command)[1:] for command in commands if command.startswith("baton ")]

    assert [parser().parse_args(command).module for command in ours] == ["app"]


def test_every_command_is_in_the_table():
    helped = subprocess.run(
        [sys.executable, "-m", "baton", "--help"], env=environment(), capture_output=True, text=True, check=True
    )
    commands = re.findall(r"^    ([\w-]+)(?: |$)", helped.stdout, re.MULTILINE)

    assert commands == re.findall(r"^\| `baton ([\w-]+)", TEXT, re.MULTILINE)


def test_every_link_into_the_repository_leads_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)

    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
