"""What is published works without the checkout: the wheel, in a clean environment, runs a workflow."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
    import asyncio
    import sys
    from pathlib import Path

    import baton
    from baton import Baton, Engine, WorkerPool, result_of, worker

    @worker
    async def double(number: int) -> int:
        return 2 * number

    @worker
    def add(left: int, right: int) -> int:
        return left + right

    async def main() -> None:
        async with Engine(sys.argv[1]) as engine, WorkerPool(engine, queues={"default": 4}):
            run = await (
                Baton.new(workflow_name="from the wheel")
                .add("left", double.new(number=4))
                .add("right", double.new(number=17))
                .add("sum", add.new(left=result_of("left"), right=result_of("right")))
                .insert()
            )
            print(await run.result("sum", timeout=30))
        print(Path(baton.__file__).is_relative_to(sys.prefix))

    asyncio.run(main())
"""


def run(*command, cwd):
    """Run a command away from the checkout and return what it prints; stderr is the failure's message."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(ROOT), cwd=target)
    (built,) = target.glob("*.whl")
    return built


def test_each_dependency_has_an_upper_bound_and_is_tested_within_it():
    """A newer asyncpg or msgspec may behave otherwise: nobody installs one that the tests have not seen."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(line) for line in project["dependencies"]]
    own = [requirement for requirement in needed if requirement.marker is None]
    assert {requirement.name for requirement in own} == {"anyio", "asyncpg", "cronsim", "msgspec"}
    for requirement in own:
        assert any(bound.operator == "<" for bound in requirement.specifier), requirement
        assert version(requirement.name) in requirement.specifier


@pytest.mark.slow
def test_the_wheel_holds_every_sql_file_the_types_marker_and_the_licence(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    sql = {f"baton/{path.relative_to(ROOT)}" for path in (ROOT / "sql").rglob("*.sql")}

    assert sql
    assert sql | {"baton/py.typed"} <= names
    assert any(name.endswith("/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.slow
def test_a_workflow_runs_from_the_wheel_in_a_clean_environment(wheel, empty_database, tmp_path):
    venv.create(tmp_path / "clean", with_pip=True)
    python = str(tmp_path / "clean" / "bin" / "python")
    run(python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", str(wheel), cwd=tmp_path)

    said = run(python, "-c", textwrap.dedent(SCRIPT), empty_database, cwd=tmp_path)

    assert said.split() == ["42", "True"]
