"""Awa, the Python bindings. Its documentation (docs/getting-started-python.md, docs/configuration.md of hardbyte/awa,
and the package's own page): the queue storage that is made for new databases, `enqueue_many_copy` for many, a limit of
workers for the queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from awa import AsyncClient

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import Peer

WORKERS = 500
POLL_MILLISECONDS = 50


@dataclass
class Noop:
    number: int


class Adapter(Peer):
    package = "awa-pg"
    configuration = f"queue storage, {WORKERS} workers, `poll_interval_ms={POLL_MILLISECONDS}`, `enqueue_many_copy`"
    keeps = "the job for a day; results are dropped"
    jobs = 10_000
    unfinished = "select count(*) from awa.jobs where state not in ('completed', 'failed', 'cancelled')"

    def __init__(self, address: str) -> None:
        super().__init__(address)
        # Its driver needs a host in the address, although it takes the socket's folder from the
        # query.
        self._url = address.replace("@/", "@localhost/", 1)

    async def install(self) -> None:
        async with AsyncClient(self._url) as client:
            await client.migrate()
            await client.install_queue_storage()

    async def __aenter__(self) -> Self:
        self._client = AsyncClient(self._url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.close()

    async def insert(self, number: int) -> None:
        await self._client.insert(Noop(number))

    async def insert_many(self, numbers: range) -> None:
        await self._client.enqueue_many_copy([Noop(number) for number in numbers])

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with AsyncClient(self._url) as client:

            @client.task(Noop, queue="default")
            async def noop(job) -> None:
                mark(job.args.number)

            await client.start([("default", WORKERS)], poll_interval_ms=POLL_MILLISECONDS)
            try:
                yield
            finally:
                await client.shutdown(timeout_ms=1000)
