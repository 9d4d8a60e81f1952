"""The pytest plugin in projects of its users: each a folder of its own, in which pytest runs as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
WORKERS = """
    from baton import Baton, result_of, worker

    @worker
    async def charge(order: int) -> str:
        return f"receipt {order}"

    @worker
    async def ship(receipt: str) -> str:
        return f"shipped for {receipt}"

    def fulfilment(order):
        return (
            Baton.new(workflow_id=f"order-{order}")
            .add("charge", charge.new(order=order))
            .add("ship", ship.new(receipt=result_of("charge")).with_options(schedule_in=86400))
        )
"""
TESTS = """
    import pytest
    from datetime import timedelta
    from shop import charge, fulfilment

    MARK

    @pytest.mark.parametrize("number", [1, 2, 3])
    async def test_an_order_is_shipped_after_a_day(engine, drain, stub, number):
        stub(charge, lambda order: f"fake {order}")
        run = await fulfilment(7).insert()
        assert run.is_new
        await drain(advance=timedelta(days=1))
        assert await run.result("ship", timeout=5) == "shipped for fake 7"
"""
PLUGINS = {"asyncio": "pytest_asyncio.plugin", "anyio": "anyio.pytest_plugin"}


class Project:
    """A project that uses Baton, with its tests."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self._address = address

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text))

    def pytest(self, *arguments: str, plugins: tuple[str, ...] = ("asyncio",), asks: bool = True) -> str:
        """Run the tests and return what pytest prints; `asks` says whether the server may be asked for anything."""
        loaded = [word for name in plugins for word in ("-p", PLUGINS.get(name, name))]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "baton.testing.plugin",
                "-p",
                "no:cacheprovider",
                *loaded,
                *arguments,
            ],
            cwd=self.folder,
            env=os.environ
            | {
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.folder)]),
                "BATON_TEST_DATABASE_URL": self._address if asks else "postgresql://nobody@127.0.0.1:1/nowhere",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout


@pytest.fixture
def project(tmp_path, empty_database):
    made = Project(tmp_path, empty_database)
    made.write("shop.py", WORKERS)
    return made


@pytest.mark.parametrize("mode", ["auto", "strict"])
async def test_tests_run_with_pytest_asyncio(project, mode):
    """And each one finds an empty schema: the three insert the same id."""
    project.write("test_shop.py", TESTS.replace("MARK", "pytestmark = pytest.mark.asyncio"))

    assert "3 passed" in project.pytest("-o", f"asyncio_mode={mode}")


async def test_tests_run_with_anyios_plugin(project):
    project.write("test_shop.py", TESTS.replace("MARK", "pytestmark = pytest.mark.anyio"))
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'")

    assert "3 passed" in project.pytest(plugins=("anyio",))


async def test_both_plugins_may_be_there(project):
    """As in most projects: anyio's comes with anyio."""
    project.write("test_shop.py", TESTS.replace("MARK", "pytestmark = pytest.mark.anyio"))
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'")

    assert "3 passed" in project.pytest("-o", "asyncio_mode=strict", plugins=("anyio", "asyncio"))


async def test_trio_is_refused_in_a_sentence(project):
    project.write("test_shop.py", TESTS.replace("MARK", "pytestmark = pytest.mark.anyio"))
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef anyio_backend():\n    return 'trio'")

    assert "Baton runs on asyncio, and this test on trio" in project.pytest(plugins=("anyio",))


async def test_a_missing_event_loop_is_named(project):
    project.write("test_shop.py", "def test_it(engine): ...")

    assert "install pytest-asyncio, or mark the test" in project.pytest(plugins=())


async def test_each_process_of_xdist_has_its_own_schema(project, connect):
    project.write(
        "test_shop.py", TESTS.replace("MARK", "pytestmark = pytest.mark.asyncio").replace("[1, 2, 3]", "range(20)")
    )

    assert "20 passed" in project.pytest("-n", "2", plugins=("asyncio", "xdist.plugin", "xdist.looponfail"))


async def test_an_applications_own_database_is_used(project, server):
    """With a schema from the application's migrations, and an engine that the application's code names itself."""
    project.write("test_shop.py", TESTS.replace("MARK", "pytestmark = pytest.mark.asyncio"))
    project.write(
        "conftest.py",
        """
        import asyncio, os
        import asyncpg, pytest
        from baton.database.migrate import migrate

        @pytest.fixture(scope="session")
        def baton_address():
            return os.environ["BATON_TEST_DATABASE_URL"]

        @pytest.fixture(scope="session")
        def baton_schema(baton_address):
            asyncio.run(migrated(baton_address))
            return "jobs"

        async def migrated(address):
            connection = await asyncpg.connect(address)
            await connection.execute("create table articles (name text)")
            await migrate(connection, schema="jobs")
            await connection.close()

        @pytest.fixture(autouse=True)
        def checked(engine):
            assert engine.schema == "jobs"
        """,
    )

    assert "3 passed" in project.pytest()


async def test_without_use_the_plugin_does_nothing(project):
    """No server is asked for anything, and what workers need is not imported."""
    project.write(
        "test_shop.py",
        """
        import sys

        def test_it():
            assert "baton.runtime" not in sys.modules
            assert "baton.testing.harness" not in sys.modules
        """,
    )

    assert "1 passed" in project.pytest(asks=False)


async def test_a_planned_crash_that_never_happened_fails_the_test(project):
    project.write(
        "test_shop.py",
        """
        import pytest
        pytestmark = pytest.mark.asyncio

        async def test_forgotten(crash_before, drain):
            crash_before("chrage")
            await drain()
        """,
    )

    printed = project.pytest()

    assert re.search(r"NeverReached: crash_before\('chrage'\) had no effect", printed)
