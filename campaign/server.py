"""The campaign's own PostgreSQL server, and a connection to it that the nemesis spares."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import asyncpg

from baton.embedded.server import EmbeddedServer
from tests.servers import temporary_server

SETTINGS = {
    "max_connections": "300",
    # Shorter than the engine's lock timeout: else a deadlock would end as a lock timeout and stay
    # unnoticed.
    "deadlock_timeout": "200ms",
    "log_lock_waits": "off",
    "shared_buffers": "256MB",
}
"""Without fsync: an immediate restart ends only processes, and what they wrote stays in the machine's memory."""

PATIENCE_SECONDS = 30.0
_LOST = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


class Admin:
    """Queries the server, and repeats a query after a restart. Calls of several tasks run one after the other."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        async with self._turn:
            ends = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    if self._connection is None or self._connection.is_closed():
                        settings = {"application_name": "campaign", "search_path": "baton"}
                        self._connection = await asyncpg.connect(self._dsn, server_settings=settings, timeout=5)
                    return await self._connection.fetch(query, *args, timeout=PATIENCE_SECONDS)
                except _LOST:
                    if time.monotonic() > ends:
                        raise
                    await asyncio.sleep(0.1)

    async def value(self, query: str, *args: Any) -> Any:
        """Return the only column of the only row."""
        return (await self.fetch(query, *args))[0][0]


def start_server() -> EmbeddedServer:
    return temporary_server(SETTINGS)


def problems_in_log(server: EmbeddedServer) -> list[str]:
    """Return the deadlocks, serialization failures and panics in the server's log, with their counts."""
    found: dict[str, int] = {}
    for line in server.log.read_text(errors="replace").splitlines():
        for sign in ("deadlock detected", "could not serialize", "PANIC", "TRAP:"):
            if sign in line and "recover" not in line:
                found[sign] = found.get(sign, 0) + 1
    return [f"the server's log says {sign!r} {count} times" for sign, count in found.items()]
