"""How the library reaches its database: connections of its own, all opened in the same way, never lent to steps."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import asyncpg

from baton.database.failures import Failure, failure_of
from baton.database.name_resolution import resolving_options
from baton.database.tls import tls_context
from baton.tasks import Tasks

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Record: TypeAlias = asyncpg.Record
    Connection: TypeAlias = asyncpg.Connection[Record] | PoolConnectionProxy[Record]

T = TypeVar("T")

log = logging.getLogger("baton")

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 5.0
CALL_SECONDS = 60.0
"""A call without an answer after this time will never get one: the server is frozen, or the network loses packets."""
IDLE_SECONDS = 60.0
"""If the next call of a transaction does not come within this time, the calling process is lost or frozen."""
APPLICATION_CALL_SECONDS = 600.0
"""The same for calls of the application: to cancel a workflow of a million steps takes minutes."""


class Calls(Protocol):
    """Something that runs a statement and returns its rows."""

    async def fetch(self, query: str, *args: Any) -> list[Record]: ...


Password = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A password, or a function that is asked for one whenever a connection is opened."""


@dataclass(frozen=True, slots=True)
class Connector:
    """How to open a connection."""

    dsn: str = field(repr=False)
    is_pooled: bool = False
    """The address is a transaction pooler: no prepared statements, no settings at connect."""
    password: Password | None = field(default=None, repr=False)
    """Goes before a password in the address; None for that of the address."""

    async def connect(self, purpose: str) -> asyncpg.Connection[Record]:
        """Open a connection that works for the engine whatever the defaults of the role or database are."""
        connection: asyncpg.Connection[Record] = await asyncpg.connect(self.dsn, **self.options(purpose))
        if not self.is_pooled:
            try:
                await lift_transaction_timeout(connection)
            except BaseException:
                connection.terminate()
                raise
        return connection

    def options(self, purpose: str) -> dict[str, Any]:
        """Return what `asyncpg.connect` and `asyncpg.create_pool` take besides the address."""
        options: dict[str, Any] = {"timeout": CONNECT_SECONDS, "password": self.password, "ssl": tls_context(self.dsn)}
        options |= resolving_options()
        if self.is_pooled:
            return options | {"statement_cache_size": 0}
        return options | {"server_settings": {"application_name": f"baton {purpose}"} | _SESSION_SETTINGS}


_SESSION_SETTINGS = {
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    # A default is made for the queries of an application. If it is shorter than the engine's own
    # limit on waiting for a lock, one locked workflow ends whole rounds of upkeep.
    "statement_timeout": "0",
    # The listener and pools without work are idle for long. They would be opened again and again.
    "idle_session_timeout": "0",
    # In large tables the planner overestimates the cost of reading one workflow, and would compile
    # the query. That takes a thousand times as long as running it. The engine's functions have this
    # setting themselves.
    "jit": "off",
}


async def lift_transaction_timeout(connection: Connection) -> None:
    """Switch off a limit that only servers from version 17 on know; an older one would refuse the connection."""
    if connection.get_server_version().major >= 17:
        await connection.execute("set transaction_timeout = 0")


class ReconnectingConnection:
    """One connection that opens itself when it is used and again after it was lost.

    For one caller at a time. A call that fails or is cancelled leaves no connection behind whose
    state is unknown, and no statement that goes on in the server.
    """

    def __init__(self, connector: Connector, purpose: str) -> None:
        self._connector = connector
        self._purpose = purpose
        self._connection: asyncpg.Connection[Record] | None = None
        self._closing = Tasks()

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        connection = await self._open()
        try:
            # asyncpg's own limit: one of asyncio around it takes a tenth of what Python does for a
            # call.
            return await connection.fetch(query, *args, timeout=CALL_SECONDS)
        except BaseException as error:
            self._drop_if_lost(error)
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Make the calls inside one transaction. An error rolls it back, and so does the server if nothing comes."""
        connection = await self._open()
        try:
            async with connection.transaction():
                # A process that is frozen would keep the lock of a workflow, and with it all of its
                # steps.
                await connection.execute(f"set local idle_in_transaction_session_timeout = '{IDLE_SECONDS:.0f}s'")
                yield
        except BaseException as error:
            self._drop_if_lost(error)
            raise

    async def _open(self) -> asyncpg.Connection[Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connector.connect(self._purpose)
        return self._connection

    def _drop_if_lost(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError | TimeoutError):
            self._abandon()
        elif failure_of(error) in (Failure.TRANSIENT, Failure.PERMANENT):
            self.terminate()

    def _abandon(self) -> None:
        """Drop the connection, and have the server stop what it does for it, without waiting for that."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._closing.start(close(connection), name="baton abandoned call")

    def terminate(self) -> None:
        """Drop the connection at once: `close` would wait for a peer that may be frozen."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def aclose(self) -> None:
        """Close the connection, but do not wait long for an answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)
        await self._closing.ended()


async def close(connection: asyncpg.Connection[Record]) -> None:
    """Close a connection within a few seconds, even if the server does not answer; cancel a running statement first."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


class Connections:
    """A few connections for the calls of an application: inserts, reads, cancels."""

    def __init__(self, connector: Connector, size: int) -> None:
        self._pool = asyncpg.create_pool(
            connector.dsn,
            min_size=0,
            max_size=size,
            # Our calls leave nothing behind in a session, and asyncpg's own reset costs a round
            # trip after each call.
            reset=_no_reset,
            max_queries=2**31,
            init=None if connector.is_pooled else lift_transaction_timeout,
            **connector.options("engine"),
        )
        self._releasing = Tasks()

    async def open(self) -> None:
        await self._pool

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Lend a connection to the engine's own code. A connection that fails meanwhile is dropped."""
        connection = await self._pool.acquire()
        try:
            yield connection
        except asyncio.CancelledError:
            # The server is asked to stop what it does for us; the caller need not wait until it
            # has.
            self._releasing.start(self._release(connection), name="baton abandoned call")
            raise
        except BaseException as error:
            if failure_of(error) in (Failure.TRANSIENT, Failure.PERMANENT):
                # A lost connection is back in the pool already; the error that says so would hide
                # this one.
                with suppress(asyncpg.InterfaceError):
                    connection.terminate()
            await self._pool.release(connection, timeout=CLOSE_SECONDS)
            raise
        await self._pool.release(connection, timeout=CLOSE_SECONDS)

    async def _release(self, connection: PoolConnectionProxy[Record]) -> None:
        # It failed already for the one who used it; asyncpg drops a connection that does not come
        # to an end.
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._pool.release(connection, timeout=CLOSE_SECONDS)

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        async with asyncio.timeout(APPLICATION_CALL_SECONDS), self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def aclose(self) -> None:
        await self._releasing.ended()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()


async def _no_reset(_connection: Connection) -> None:
    return


@dataclass(frozen=True, slots=True)
class RetryingCalls:
    """Makes calls again after transient failures. Only for calls that can be replayed, as all of the engine's can."""

    calls: Calls
    seconds: float = 30.0
    """How long calls are made again before the failure reaches the caller."""

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        return await with_retries(lambda: self.calls.fetch(query, *args), self.seconds)


async def with_retries(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Make a call, and again with growing pauses while it fails with a transient failure, for at most `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    attempt = 0
    while True:
        try:
            return await call()
        except Exception as error:
            pause = pause_before(attempt)
            is_final = failure_of(error) not in (Failure.TRANSIENT, Failure.LOCKED)
            if is_final or asyncio.get_running_loop().time() + pause > deadline:
                raise
            log.warning("a call to the database failed and is sent again in %.2f s: %s", pause, error_summary(error))
            await asyncio.sleep(pause)
            attempt += 1


def pause_before(attempt: int) -> float:
    """Return the seconds to wait before a call is sent again: 0.05 s doubling to 5 s, less up to half of it."""
    return min(5.0, 0.05 * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)


def error_summary(error: BaseException) -> str:
    """Return an error in one line for the log: its type and code, but no text of a query or of its arguments."""
    code = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' ({code})' if code else ''}: {str(error).splitlines()[0] if str(error) else ''}"
