"""Connections that are lent to transactional workers: a pool of their own, and never the engine's."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg

from baton.database.connections import CLOSE_SECONDS, CONNECT_SECONDS, Connector, describe

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy
    from asyncpg.transaction import Transaction

    Lent = PoolConnectionProxy[asyncpg.Record]

log = logging.getLogger("baton.pool")


class WorkerConnections:
    """Lends connections, each for one transaction. One is opened when it is wanted: nobody who wants none pays for it.

    Args:
        size: how many may be lent at once; whoever comes later waits.
    """

    def __init__(self, dialing: Connector, size: int) -> None:
        options = dialing.options("worker")
        # The statements are the application's: a limit that its role has on them holds, and so does its `jit`.
        for setting in ("statement_timeout", "jit"):
            options.get("server_settings", {}).pop(setting, None)
        self._pool = asyncpg.create_pool(dialing.dsn, min_size=0, max_size=size, **options)

    async def open(self) -> None:
        await self._pool

    async def begin(self) -> OpenTransaction:
        """Open a transaction that is READ COMMITTED, on a connection that is the caller's until `give_back`."""
        connection = await self._pool.acquire()
        begun = OpenTransaction(connection, connection.transaction(isolation="read_committed"))
        try:
            # One that lay unused may be half open.
            async with asyncio.timeout(CONNECT_SECONDS):
                await begun.transaction.start()
        except BaseException:
            await self.give_back(begun, is_sound=False)
            raise
        return begun

    async def give_back(self, begun: OpenTransaction, *, is_sound: bool) -> None:
        """Take a connection back; one that is not sound is closed, and with it whatever is open in it."""
        if not is_sound:
            # One that was lost is the pool's again already, and says so in an error.
            with suppress(asyncpg.InterfaceError):
                begun.connection.terminate()
        try:
            await self._pool.release(begun.connection, timeout=CLOSE_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("a worker's connection was lost when it was given back: %s", describe(error))

    async def aclose(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()


class OpenTransaction:
    """A transaction on a lent connection."""

    __slots__ = ("connection", "transaction")

    def __init__(self, connection: Lent, transaction: Transaction) -> None:
        self.connection = connection
        self.transaction = transaction

    @property
    def is_lost(self) -> bool:
        """Whether the connection was closed, by whomever."""
        try:
            return self.connection.is_closed()
        except asyncpg.InterfaceError:  # it is the pool's again, which takes back what was lost
            return True
