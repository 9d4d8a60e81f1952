"""A TCP proxy in front of PostgreSQL that loses, holds, freezes, delays and counts what passes.

It reads the protocol, so a fault hits one certain call, before the server has seen it or after the server has
committed it. A request is recognised by its text. An answer is complete when the server is ready for the next query,
which it says after the commit.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from tests.faults.link import Link
from tests.faults.trap import Moment, Trap

LOCALHOST = "127.0.0.1"


class Proxy:
    """Listens on localhost; `dsn` is the address of the same database through it.

    Links, the connections through the proxy, have a purpose: the client's application name without "baton ", which
    is "pool", "pool apart", "heartbeat", "maintenance", "listener" or "engine" for the library's own. A fault without a
    purpose hits all links.
    """

    def __init__(self, dsn: str) -> None:
        self.latency_seconds = 0.0
        """The delay of each message, in each direction."""
        self.round_trips = 0
        """How often a client has waited for an answer: round trips."""
        self.links: set[Link] = set()
        self._behind = dsn
        self._traps: list[Trap] = []
        self._frozen: set[str | None] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOCALHOST, 0)
        self._port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def dsn(self) -> str:
        """The address of the database through this proxy, without encryption."""
        parts = urlsplit(self._behind)
        query = {key: values[0] for key, values in parse_qs(parts.query).items() if key not in ("host", "port")}
        user, at, _ = parts.netloc.rpartition("@")
        netloc = f"{user}{at}{LOCALHOST}:{self._port}"
        return urlunsplit(parts._replace(netloc=netloc, query=urlencode(query | {"sslmode": "disable"})))

    def retarget(self, dsn: str) -> None:
        """Send new connections to another server from now on; existing ones stay until they are cut."""
        self._behind = dsn

    def trap(self, call: str, at: Moment, *, purpose: str | None = None, times: int = 1, holds: bool = False) -> Trap:
        """Set a trap for the next calls whose text has `call` in it (see `Trap`)."""
        trap = Trap(call, at, purpose, times, holds)
        self._traps.append(trap)
        return trap

    def cut(self, purpose: str | None = None) -> int:
        """Close the links of this purpose without a message, and return their number."""
        cut = [link for link in self.links if purpose in (None, link.purpose)]
        for link in cut:
            link.cut()
        return len(cut)

    def freeze(self, purpose: str | None = None, *, newcomers: bool = False) -> int:
        """Stop forwarding without closing, as half-open connections do, and return the number of links.

        With `newcomers`, connections of this purpose that are opened later freeze too.
        """
        frozen = [link for link in self.links if purpose in (None, link.purpose)]
        for link in frozen:
            link.flows.clear()
        if newcomers:
            self._frozen.add(purpose)
        return len(frozen)

    def thaw(self) -> None:
        """Forward again, first what was held up."""
        self._frozen.clear()
        for link in self.links:
            link.flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self, (reader, writer), self._behind)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.links.add(link)
        try:
            await link.run()
        finally:
            self.links.discard(link)
            self._tasks.discard(task)

    # What a link calls on its proxy.

    def is_frozen_for(self, link: Link) -> bool:
        return not self._frozen.isdisjoint((None, link.purpose))

    def trap_for(self, link: Link, call: str) -> Trap | None:
        """Return the trap that is set for this call, if there is one."""
        trap = next((trap for trap in self._traps if trap.is_for(link.purpose, call)), None)
        if trap is not None:
            trap.caught += 1
        return trap
