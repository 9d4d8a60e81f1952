"""The health endpoint of a worker process: answers over HTTP for probes, and for Prometheus.

    GET /healthz   200 while the process lives and its event loop answers
    GET /readyz    200 while it starts steps, else 503
    GET /metrics   what Prometheus scrapes

The body of the first two is a JSON object with the facts. It speaks as much HTTP as a probe does: one request a
connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
from argparse import ArgumentTypeError
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus

from baton.cli.failures import CommandError
from baton.contrib.metric_families import CONTENT_TYPE
from baton.runtime.health import Health
from baton.tasks import Tasks

log = logging.getLogger("baton.health")

REQUEST_SECONDS = 5.0
REQUEST_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen; port 0 for any that is free, which is then logged."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    facts: Mapping[str, object]
    metrics: str | None = None
    """In place of the facts, the text that Prometheus reads."""


def parse_listening(text: str) -> Listening:
    """Read `HOST:PORT`, as in 127.0.0.1:8081, [::1]:8081, or :8081 for every address.

    Raises: ArgumentTypeError.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ArgumentTypeError(f"{text!r} is not of the form HOST:PORT, as in 127.0.0.1:8081")
    return Listening(host.removeprefix("[").removesuffix("]"), int(port))


def facts_of(health: Health) -> dict[str, object]:
    """Return the health of a pool, as it stands in the answers."""
    facts = asdict(health) | {"lease_seconds": round(health.lease_seconds, 3)}
    return {"ready": health.is_ready, "faults": list(health.faults), **facts}


def answer(request_line: str, facts: Mapping[str, object]) -> Answer:
    """Return the answer to a request; `facts["ready"]` decides what /readyz says."""
    match request_line.split(" "):
        case ["GET" | "HEAD", path, version] if version.startswith("HTTP/1."):
            match path.partition("?")[0]:
                case "/healthz":
                    return Answer(HTTPStatus.OK, facts)
                case "/readyz":
                    return Answer(HTTPStatus.OK if facts["ready"] else HTTPStatus.SERVICE_UNAVAILABLE, facts)
                case _:
                    return Answer(HTTPStatus.NOT_FOUND, {"error": "ask for /healthz, /readyz or /metrics"})
        case [_, _, version] if version.startswith("HTTP/1."):
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "ask with GET"})
        case _:
            return Answer(HTTPStatus.BAD_REQUEST, {"error": "ask in HTTP/1.1"})


@asynccontextmanager
async def endpoint(
    listening: Listening | None,
    facts: Callable[[], Mapping[str, object]],
    metrics: Callable[[], Awaitable[str]] | None = None,
) -> AsyncIterator[None]:
    """Answer probes while inside, with what `facts` and `metrics` return. Without an address, do nothing.

    Raises: CommandError if nothing can listen there.
    """
    if listening is None:
        yield
        return
    tasks = Tasks()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.start(_serve(reader, writer, facts, metrics), name="baton health")

    try:
        server = await asyncio.start_server(
            connected, listening.host or None, listening.port, limit=REQUEST_BYTES, reuse_address=True
        )
    except OSError as error:
        where = f"{listening.host}:{listening.port}"
        raise CommandError(
            f"the health endpoint cannot listen at {where}: {error.strerror}; name another address with --health"
        ) from error
    try:
        host, port = server.sockets[0].getsockname()[:2]
        log.info(
            "health endpoint: http://%s:%d/healthz, /readyz and /metrics", f"[{host}]" if ":" in host else host, port
        )
        yield
    finally:
        server.close()
        await tasks.aclose()


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    facts: Callable[[], Mapping[str, object]],
    metrics: Callable[[], Awaitable[str]] | None,
) -> None:
    # The client may be gone, silent, or speak something else than HTTP.
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                request_line = head.partition(b"\r\n")[0].decode("latin-1")
                answered = answer(request_line, facts())
                if answered.status is HTTPStatus.NOT_FOUND and metrics is not None and _asks_for_metrics(request_line):
                    answered = Answer(HTTPStatus.OK, {}, await metrics())
                writer.write(_response(answered, is_head=request_line.startswith("HEAD ")))
                await writer.drain()
        finally:
            writer.close()


def _asks_for_metrics(request_line: str) -> bool:
    return request_line.split(" ")[1].partition("?")[0] == "/metrics"


def _response(answer: Answer, *, is_head: bool) -> bytes:
    if answer.metrics is None:
        kind, body = "application/json", json.dumps(answer.facts, ensure_ascii=False, default=str).encode() + b"\n"
    else:
        kind, body = CONTENT_TYPE, answer.metrics.encode()
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else body)
