"""The pytest plugin. Installed with Baton, it does nothing until a test asks for one of its fixtures.

    async def test_the_reminder_is_sent_after_two_days(engine, drain, stub):
        sent = []
        stub(send_mail, lambda to: sent.append(to))
        run = await reminder(to="ada@example.org").insert()

        await drain(advance=timedelta(days=2))

        assert sent == ["ada@example.org"]

Async tests run with pytest-asyncio or with anyio's plugin, whichever the test uses. Each process of pytest-xdist has a
schema of its own. An application's own database is used by overriding `baton_address` in its conftest.py.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

# Whatever is needed only by a test that asks for it is imported there: pytest loads this module in
# every project where Baton is installed.
if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.runtime.resources import Provider
    from baton.testing.harness import Harness

ADDRESS_VARIABLE = "BATON_TEST_DATABASE_URL"
_ASYNCIO_PLUGINS = ("asyncio", "pytest_asyncio", "pytest_asyncio.plugin")


@pytest.fixture(scope="session")
def baton_address() -> Iterator[str]:
    """The address of the database in which the tests' schema is made.

    That in BATON_TEST_DATABASE_URL; without it an embedded server, which is started for the tests and deleted after
    them. To be overridden by an application that has a database for its tests.
    """
    if given := os.environ.get(ADDRESS_VARIABLE):
        yield given
        return
    from baton.embedded.server import EmbeddedServer

    with EmbeddedServer.start(temporary=True, settings={"synchronous_commit": "off"}) as server:
        yield server.dsn()


@pytest.fixture(scope="session")
def baton_schema(baton_address: str) -> str:
    """The schema of the tests, made anew for each run: `baton_test`, with the name of the xdist process behind it.

    Overridden to return the name of a schema that the application's own migrations have made. All workflows in it are
    deleted before each test that asks for `engine`.
    """
    import asyncio

    process = os.environ.get("PYTEST_XDIST_WORKER")
    schema = "baton_test" if process is None else f"baton_test_{process}"
    with asyncio.Runner() as runner:
        runner.run(_made_anew(baton_address, schema))
    return schema


@pytest.fixture
def baton_provide() -> Sequence[Provider]:
    """What workers are provided with, as `WorkerPool(provide=...)` takes it; nothing, unless overridden."""
    return ()


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Harness:
    """The `Harness` of the test, with an empty schema; open as long as the test runs."""
    opened: Harness = request.getfixturevalue(_opener(request))
    return opened


@pytest.fixture
def engine(harness: Harness) -> Engine:
    """An engine on an empty schema, entered: the default engine of the test."""
    return harness.engine


@pytest.fixture
def drain(harness: Harness) -> Callable[..., Any]:
    """`await drain(advance=...)`: see `Harness.drain`."""
    return harness.drain


@pytest.fixture
def stub(harness: Harness) -> Callable[..., None]:
    """`stub(worker, function)`, until the test ends: see `Harness.stub`."""
    return harness.stub


@pytest.fixture
def crash_before(harness: Harness) -> Callable[..., None]:
    """`crash_before("step")`: see `Harness.crash_before`."""
    return harness.crash_before


@pytest.fixture
def crash_after(harness: Harness) -> Callable[..., None]:
    """`crash_after("step")`: see `Harness.crash_after`."""
    return harness.crash_after


@pytest.fixture
def runs_twice(harness: Harness) -> Callable[..., None]:
    """`runs_twice("step")`: see `Harness.runs_twice`."""
    return harness.runs_twice


@pytest.fixture
def inserted(harness: Harness) -> Callable[..., Any]:
    """`await inserted(worker, **arguments)`: see `Harness.inserted`."""
    return harness.inserted


@pytest.fixture
def context_for() -> Callable[..., Any]:
    """`context_for(worker, ...)`: see `baton.testing.context_for`."""
    from baton.testing.contexts import context_for

    return context_for


@asynccontextmanager
async def _open_harness(address: str, schema: str, provide: Sequence[Provider]) -> AsyncIterator[Harness]:
    from baton.client.engine import Engine
    from baton.testing.harness import Harness

    async with Engine(address, schema=schema) as engine, Harness(engine, provide=provide) as harness:
        # The first time in this process the schema may be somebody else's.
        await harness.empty(even_if_in_use=(address, schema) in _emptied)
        _emptied.add((address, schema))
        yield harness


_emptied: set[tuple[str, str]] = set()


@pytest.fixture
async def _baton_harness_anyio(
    baton_address: str, baton_schema: str, baton_provide: Sequence[Provider]
) -> AsyncIterator[Harness]:
    async with _open_harness(baton_address, baton_schema, baton_provide) as harness:
        yield harness


try:
    from pytest_asyncio import fixture as asyncio_fixture
except ImportError:
    pass
else:

    @asyncio_fixture
    async def _baton_harness_asyncio(
        baton_address: str, baton_schema: str, baton_provide: Sequence[Provider]
    ) -> AsyncIterator[Harness]:
        async with _open_harness(baton_address, baton_schema, baton_provide) as harness:
            yield harness


def _opener(request: pytest.FixtureRequest) -> str:
    """Return the name of the fixture that opens the harness in the event loop of this test."""
    if "anyio_backend" in request.fixturenames:
        if (backend := request.getfixturevalue("anyio_backend_name")) != "asyncio":
            pytest.fail(
                f"Baton runs on asyncio, and this test on {backend}: "
                f"@pytest.mark.parametrize('anyio_backend', ['asyncio'])"
            )
        return "_baton_harness_anyio"
    if any(request.config.pluginmanager.hasplugin(name) for name in _ASYNCIO_PLUGINS):
        return "_baton_harness_asyncio"
    pytest.fail("an engine needs an event loop: install pytest-asyncio, or mark the test with @pytest.mark.anyio")


async def _made_anew(address: str, schema: str) -> None:
    import asyncpg

    from baton.database.address import asyncpg_dsn
    from baton.database.migrate import migrate, quoted

    connection = await asyncpg.connect(asyncpg_dsn(address))
    try:
        await connection.execute(f"drop schema if exists {quoted(schema)} cascade")
        await migrate(connection, schema)
    finally:
        await connection.close()
