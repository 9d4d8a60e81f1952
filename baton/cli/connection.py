"""How a command that needs no more than a session reaches the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from baton.database.address import resolve_address
from baton.database.connections import Connector, close

if TYPE_CHECKING:
    from baton.database.connections import Connection


@asynccontextmanager
async def connected(address: str | None, purpose: str, *, is_pooled: bool = False) -> AsyncIterator[Connection]:
    """Yield a session with the database. `is_pooled`: ask for no settings, as a transaction pooler demands."""
    resolved = await asyncio.to_thread(resolve_address, address)
    try:
        connection = await Connector(resolved.dsn, is_pooled=is_pooled).connect(purpose)
        try:
            yield connection
        finally:
            await close(connection)
    finally:
        await asyncio.to_thread(resolved.release)
