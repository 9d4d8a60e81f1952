"""An HTTP endpoint that inserts a job for each request, and the load on it: the same for every library."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.peers.protocol import Peer

CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Load:
    seconds: float
    latencies: list[float]
    """Of each request, in seconds, ascending."""


async def serve(peer: Peer) -> None:
    """Serve `POST /jobs/N`, which inserts job N, until this process is killed; print the port first."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/jobs/{number}", status_code=201)
    async def insert(number: int) -> dict[str, int]:
        await peer.insert(number)
        return {"number": number}

    async with peer:
        await peer.open_for(CONNECTIONS)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
        running = asyncio.ensure_future(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        print(f"port {server.servers[0].sockets[0].getsockname()[1]}", flush=True)
        await running


@asynccontextmanager
async def served(name: str, peer: Peer) -> AsyncIterator[int]:
    """Run the endpoint in a process of its own; gives its port."""
    command = [sys.executable, "-m", "benchmarks.peers", name, "serve", "--address", peer.address]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        while not (line := await process.stdout.readline()).startswith(b"port "):
            if not line:
                raise RuntimeError("the endpoint ended at once")
        yield int(line.split()[1])
    finally:
        process.kill()
        await process.wait()


async def load(port: int, requests: int) -> Load:
    """Send this number of requests, each connection the next one when it has its answer."""
    numbers = iter(range(requests))
    latencies: list[float] = []
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_send(port, numbers, latencies))
    return Load(time.monotonic() - began, sorted(latencies))


async def _send(port: int, numbers: Iterator[int], latencies: list[float]) -> None:
    # Not a client library: its processor time would be most of what is measured.
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        sent = time.monotonic()
        writer.write(b"POST /jobs/%d HTTP/1.1\r\nHost: benchmark\r\nContent-Length: 0\r\n\r\n" % number)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        latencies.append(time.monotonic() - sent)
        if b" 201 " not in head.splitlines()[0] + b" ":
            raise RuntimeError(f"the endpoint answered {head.splitlines()[0].decode()}")
    writer.close()
