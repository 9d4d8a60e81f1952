"""A real PostgreSQL for the tests, and a database of its own for each."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest

from baton.database.address import asyncpg_dsn
from baton.embedded.server import EmbeddedServer
from tests.effects import Effects
from tests.held_worker import HeldWorker
from tests.notifications import Notifications
from tests.servers import temporary_server

# A process started under nohup ignores it, and so would every process that the tests start.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TEMPLATE = f"baton_template_{os.getpid()}"
Connect = Callable[..., Awaitable[asyncpg.Connection]]


class TestServer:
    """The server the tests run on: an embedded one, or that of BATON_TEST_DATABASE_URL."""

    __test__ = False

    def __init__(self, maintenance_dsn: str, embedded: EmbeddedServer | None) -> None:
        self.maintenance_dsn = maintenance_dsn
        self.embedded = embedded
        self._connection: psycopg.Connection[Any] | None = None
        """Kept open: to open one for each new database would take longer than to make that."""

    def dsn(self, database: str) -> str:
        return urlunsplit(urlsplit(self.maintenance_dsn)._replace(path=f"/{database}"))

    def execute(self, *statements: str) -> None:
        """Run statements outside any transaction and any test's event loop."""
        for statement in statements:
            try:
                self._maintenance().execute(statement)
            except psycopg.OperationalError:  # a test has restarted the server
                self.close()
                self._maintenance().execute(statement)

    def _maintenance(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(self.maintenance_dsn, autocommit=True)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    @contextmanager
    def database(self, template: str) -> Iterator[str]:
        """A new database, dropped afterwards, even if somebody is still connected to it."""
        name = f"baton_test_{os.getpid()}_{next(_numbers)}"
        self.execute(f"create database {name} template {template}")
        try:
            yield self.dsn(name)
        finally:
            self.execute(f"drop database if exists {name} with (force)")


_numbers = count(1)


def run_apart(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in an event loop of its own: fixtures of the session belong to no test's loop."""
    with asyncio.Runner() as runner:
        runner.run(make())


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The server all tests share. A test that restarts or stops one starts its own."""
    if given := os.environ.get("BATON_TEST_DATABASE_URL"):
        with closing(TestServer(asyncpg_dsn(given), None)) as server:
            yield server
        return
    with (
        temporary_server({"max_connections": "200"}) as embedded,
        closing(TestServer(embedded.dsn(), embedded)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def template(server: TestServer) -> Iterator[str]:
    """The name of a database that has the schema `baton`, to be copied for each test."""
    server.execute(f"drop database if exists {TEMPLATE}", f"create database {TEMPLATE} template template0")
    run_apart(lambda: migrate_template(server.dsn(TEMPLATE)))
    yield TEMPLATE
    server.execute(f"drop database if exists {TEMPLATE} with (force)")


async def migrate_template(dsn: str) -> None:
    from baton.database.migrate import migrate

    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection, schema="baton")
    finally:
        await connection.close()


@pytest.fixture
def database(server: TestServer, template: str) -> Iterator[str]:
    """The address of a new database with the schema `baton`."""
    with server.database(template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(server: TestServer) -> Iterator[str]:
    """The address of a new database with nothing in it."""
    with server.database("template0") as dsn:
        yield dsn


@pytest.fixture
async def connect(database: str) -> AsyncIterator[Connect]:
    """Opens plain connections to the test's database, closed after the test; arguments are server settings."""
    opened: list[asyncpg.Connection] = []

    async def connect(**settings: str) -> asyncpg.Connection:
        opened.append(await asyncpg.connect(database, server_settings=settings))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection to the test's database, with `search_path` at the schema."""
    connection = await asyncpg.connect(database, server_settings={"search_path": "baton"})
    yield connection
    await connection.close()


@pytest.fixture
async def notifications(connect: Connect) -> Notifications:
    """What the schema notifies from now on."""
    return await Notifications.heard_on(await connect())


@pytest.fixture
async def engine(database: str) -> AsyncIterator[Any]:
    """An engine entered on the test's database; the default engine of the test."""
    from baton import Engine

    async with Engine(database) as engine:
        yield engine


@pytest.fixture
def effects(tmp_path: Path) -> Effects:
    """A log of effects that several processes may write."""
    return Effects(tmp_path / "effects.log")


@pytest.fixture(autouse=True)
def own_workers() -> Iterator[None]:
    """Forget, after each test, the workers that it or one of its fixtures defines."""
    from baton.core import registry

    with registry.isolated():
        yield


@pytest.fixture
def quick() -> Any:
    """A worker that returns its argument at once."""
    from baton import worker

    @worker
    async def quick(value: int = 1) -> int:
        return value

    return quick


@pytest.fixture
def held() -> HeldWorker:
    """A worker that begins, and ends when the test allows it."""
    return HeldWorker()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests named after an address in memory, on which two processes that share the tests do not agree."""
    if unstable := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give these parameters an id of their own: {', '.join(unstable)}")
