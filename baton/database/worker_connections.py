"""Connections that are lent to transactional workers: a pool of their own, apart from the engine's connections."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg

from baton.database.connections import CLOSE_SECONDS, CONNECT_SECONDS, Connector, error_summary

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy
    from asyncpg.transaction import Transaction

    LentConnection = PoolConnectionProxy[asyncpg.Record]

log = logging.getLogger("baton.pool")


class WorkerConnections:
    """Lends connections, each for one transaction. A connection is opened when an attempt first needs it.

    Args:
        size: how many may be lent at once; further attempts wait.
    """

    def __init__(self, connector: Connector, size: int) -> None:
        options = connector.options("worker")
        # The statements are the application's: the limits of its role apply to them, and so does
        # its `jit`.
        for setting in ("statement_timeout", "jit"):
            options.get("server_settings", {}).pop(setting, None)
        self._pool = asyncpg.create_pool(connector.dsn, min_size=0, max_size=size, **options)

    async def open(self) -> None:
        await self._pool

    async def begin(self) -> OpenTransaction:
        """Open a READ COMMITTED transaction, on a connection that belongs to the caller until `give_back`."""
        connection = await self._pool.acquire()
        begun = OpenTransaction(connection, connection.transaction(isolation="read_committed"))
        try:
            # A connection that was idle for long may be half open.
            async with asyncio.timeout(CONNECT_SECONDS):
                await begun.transaction.start()
        except BaseException:
            await self.give_back(begun, is_sound=False)
            raise
        return begun

    async def give_back(self, begun: OpenTransaction, *, is_sound: bool) -> None:
        """Take a connection back. If it is not sound it is closed, with the transaction that is open in it."""
        if not is_sound:
            # A lost connection is back in the pool already, and says so in an error.
            with suppress(asyncpg.InterfaceError):
                begun.connection.terminate()
        try:
            await self._pool.release(begun.connection, timeout=CLOSE_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("a worker's connection was lost when it was given back: %s", error_summary(error))

    async def aclose(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()


class OpenTransaction:
    """A transaction on a lent connection."""

    __slots__ = ("connection", "transaction")

    def __init__(self, connection: LentConnection, transaction: Transaction) -> None:
        self.connection = connection
        self.transaction = transaction

    @property
    def is_lost(self) -> bool:
        """Whether the connection was closed, by either side."""
        try:
            return self.connection.is_closed()
        except asyncpg.InterfaceError:  # it is back in the pool, which takes back lost connections
            return True
