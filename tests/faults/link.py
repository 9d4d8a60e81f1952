"""One client's connection through the proxy, and the one to the server behind it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

from tests.faults.wire import Calls, Frame, Frames, application_name

if TYPE_CHECKING:
    from tests.faults.proxy import Proxy
    from tests.faults.trap import Trap

CHUNK = 1 << 18
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """Forwards what both sides send, until one of them closes or the link is cut."""

    def __init__(self, proxy: Proxy, client: Streams, behind: str) -> None:
        self.purpose = ""
        """The client's application name without "baton ", once the client has sent it."""
        self.flows = asyncio.Event()
        """While it is cleared, nothing passes."""
        self.flows.set()
        self._proxy = proxy
        self._client = client
        self._behind = Behind.of(behind)
        self._calls = Calls()
        self._trap: Trap | None = None
        self._task = asyncio.current_task()
        self._is_cut = False

    def cut(self) -> None:
        """Close both connections without a message."""
        self._is_cut = True
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Forward everything until the link ends."""
        writers = [self._client[1]]
        with suppress(OSError, asyncio.CancelledError):
            server = await self._behind.open()
            writers.append(server[1])
            await self._first_to_end(self._requests(server[1]), self._answers(server[0]))
        for writer in writers:
            if self._is_cut:
                writer.transport.abort()
            else:
                writer.close()

    async def _first_to_end(self, *pumps: Coroutine[None, None, None]) -> None:
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _requests(self, to_server: asyncio.StreamWriter) -> None:
        reader, to_client = self._client
        outlet, frames = Outlet(to_server, self._proxy), Frames(is_open=False)
        while data := await reader.read(CHUNK):
            for frame in frames.split(data):
                if frame.kind == "encryption":
                    to_client.write(b"N")
                else:
                    await self._look_at_request(frame)
                    await self.flows.wait()
                    outlet.write(frame.raw)
            await to_server.drain()
        await outlet.emptied()

    async def _look_at_request(self, frame: Frame) -> None:
        if frame.kind == "startup":
            self.purpose = application_name(frame).removeprefix("baton ")
            if self._proxy.is_frozen_for(self):
                self.flows.clear()
        self._proxy.round_trips += frame.awaits_an_answer
        call = self._calls.begun_by(frame)
        trap = None if call is None else self._proxy.trap_for(self, call)
        if trap is not None and trap.at == "request":
            await self._spring(trap)
        else:
            self._trap = trap or self._trap

    async def _answers(self, reader: asyncio.StreamReader) -> None:
        outlet, frames = Outlet(self._client[1], self._proxy), Frames(is_open=True)
        while data := await reader.read(CHUNK):
            arrived = frames.split(data)
            # The server is ready for the next query, so the call has committed.
            if self._trap is not None and any(frame.kind == "Z" for frame in arrived):
                trap, self._trap = self._trap, None
                await self._spring(trap)
            await self.flows.wait()
            outlet.write(b"".join(frame.raw for frame in arrived))
            await self._client[1].drain()
        await outlet.emptied()

    async def _spring(self, trap: Trap) -> None:
        if await trap.spring():
            self.cut()
            await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Behind:
    """The server's address; the host may be the directory of its socket."""

    host: str
    port: int

    @classmethod
    def of(cls, dsn: str) -> Self:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        host = parts.hostname or query.get("host", ["127.0.0.1"])[0]
        return cls(host, parts.port or int(query.get("port", ["5432"])[0]))

    async def open(self) -> Streams:
        if self.host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self.host}/.s.PGSQL.{self.port}")
        return await asyncio.open_connection(self.host, self.port)


class Outlet:
    """Writes at once, or after the proxy's latency; the delays of several pieces overlap."""

    def __init__(self, writer: asyncio.StreamWriter, proxy: Proxy) -> None:
        self._writer = writer
        self._proxy = proxy
        self._late: deque[bytes] = deque()

    def write(self, data: bytes) -> None:
        if self._proxy.latency_seconds or self._late:
            self._late.append(data)
            asyncio.get_running_loop().call_later(self._proxy.latency_seconds, self._write_next)
        else:
            self._writer.write(data)

    async def emptied(self) -> None:
        """Wait until everything is written."""
        while self._late:  # noqa: ASYNC110  # the last piece is due by then
            await asyncio.sleep(self._proxy.latency_seconds)

    def _write_next(self) -> None:
        data = self._late.popleft()
        if not self._writer.is_closing():
            self._writer.write(data)
