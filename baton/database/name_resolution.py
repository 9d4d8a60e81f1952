"""Host names of databases, resolved in threads of our own.

asyncio resolves names in the event loop's default executor. Steps may fill it, as with `asyncio.to_thread`, and then no
connection could be opened before one of them ends.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import asyncpg

from baton.tasks import in_thread

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection


class OwnResolver:
    """An event loop as asyncpg uses it, which resolves the names of hosts by itself.

    The name stays what it is for TLS: only the address of the socket is another one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        # What a connection asks for in each call is found without `__getattr__`.
        self.create_future = loop.create_future
        self.call_later = loop.call_later
        self.time = loop.time

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop, name)

    async def create_connection(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> Any:
        """Connect to the first address of the host that accepts. Raises OSError, of the last address tried."""
        if options.get("ssl"):
            options.setdefault("server_hostname", host)
        *others, last = await _addresses(host, port)
        for address in others:
            try:
                return await self.loop.create_connection(protocol_factory, address, port, **options)
            except OSError:
                continue
        return await self.loop.create_connection(protocol_factory, last, port, **options)


async def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        found = await in_thread(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM, abandon_on_cancel=True)
        return list(dict.fromkeys(str(info[4][0]) for info in found))


class ResolvedConnection(_Connection):
    """A connection that was opened by an `OwnResolver` and has the event loop itself."""

    # Only the request to cancel a statement, which asyncpg sends over another connection, is
    # resolved by the event loop: asyncpg finds its own tasks by the loop, so that it needs the real
    # one here.

    def __init__(self, protocol: Any, transport: Any, loop: Any, addr: Any, config: Any, params: Any) -> None:
        real_loop = loop.loop if isinstance(loop, OwnResolver) else loop
        super().__init__(protocol, transport, real_loop, addr, config, params)


def resolving_options() -> dict[str, Any]:
    """Return what `asyncpg.connect` and `asyncpg.create_pool` take to resolve names apart.

    Nothing for other event loops than asyncio's: that of uvloop has threads of its own for it.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        return {}
    return {"loop": OwnResolver(loop), "connection_class": ResolvedConnection}
