"""A TCP proxy in front of PostgreSQL that makes the network slow, and counts how often a client waits for it.

    python -m benchmarks.proxy ADDRESS --seconds 0.001

It runs in a process of its own, so that it takes no time from what is measured. It prints its port; then, for each
line that it reads, the round trips so far as JSON, by the application name of the connection. It uses threads: the
timers of an event loop have a resolution of a millisecond, which is the delay to be added.

A round trip is counted when a client sends something after the server has answered: no protocol is read for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import parse_qs, quote, urlsplit

CHUNK = 1 << 18
LOCALHOST = "127.0.0.1"


class Link:
    """One connection through the proxy: each direction delayed by `seconds`, in order."""

    def __init__(self, client: socket.socket, behind: str, seconds: float, trips: Counter[str]) -> None:
        self._client = client
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(behind)
        self._seconds = seconds
        self._trips = trips
        self._name = ""
        self._is_answered = True

    def start(self) -> None:
        self._pump(self._client, self._server, self._asked)
        self._pump(self._server, self._client, self._answered)

    def _asked(self, data: bytes) -> None:
        if not self._name:
            self._name = _application_name(data)
        if self._is_answered:
            self._trips[self._name] += 1
        self._is_answered = False

    def _answered(self, _data: bytes) -> None:
        self._is_answered = True

    def _pump(self, source: socket.socket, target: socket.socket, seen: Callable[[bytes], None]) -> None:
        passing: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

        def receive() -> None:
            with suppress(OSError):
                while data := source.recv(CHUNK):
                    seen(data)
                    passing.put((time.monotonic() + self._seconds, data))
            passing.put((0.0, b""))

        def send() -> None:
            with suppress(OSError):
                while (late := passing.get())[1]:
                    time.sleep(max(0.0, late[0] - time.monotonic()))
                    target.sendall(late[1])
                target.shutdown(socket.SHUT_WR)

        for run in (receive, send):
            threading.Thread(target=run, daemon=True).start()


def _application_name(startup: bytes) -> str:
    _, _, after = startup.partition(b"application_name\0")
    return after.partition(b"\0")[0].decode(errors="replace")


@asynccontextmanager
async def proxied(address: str, milliseconds: float) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Start a proxy that delays each direction by half of `milliseconds`; yield its address and itself."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.proxy", address, "--seconds", str(milliseconds / 2000)]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        port = int(await process.stdout.readline())
        yield _address_at(address, port), process
    finally:
        process.kill()
        await process.wait()


async def round_trips(proxy: asyncio.subprocess.Process) -> Counter[str]:
    """By application name, so far."""
    proxy.stdin.write(b"\n")
    return Counter(json.loads(await proxy.stdout.readline()))


def _address_at(address: str, port: int) -> str:
    parts = urlsplit(address)
    user = parts.netloc.rpartition("@")[0]
    return f"postgresql://{user}@{LOCALHOST}:{port}/{quote(parts.path.lstrip('/'))}?sslmode=disable"


def _socket_of(address: str) -> str:
    query = parse_qs(urlsplit(address).query)
    return str(Path(query["host"][0], f".s.PGSQL.{query['port'][0]}"))


def _accept(listening: socket.socket, behind: str, seconds: float, trips: Counter[str]) -> None:
    while True:
        client, _ = listening.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Link(client, behind, seconds, trips).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address")
    parser.add_argument("--seconds", type=float, required=True, help="that each direction takes longer")
    given = parser.parse_args()
    listening = socket.create_server((LOCALHOST, 0))
    trips: Counter[str] = Counter()
    accepting = (listening, _socket_of(given.address), given.seconds, trips)
    threading.Thread(target=_accept, args=accepting, daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(json.dumps(trips), flush=True)


if __name__ == "__main__":
    main()
