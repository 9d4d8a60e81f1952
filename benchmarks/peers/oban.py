"""Oban for Python, the free part. Its documentation (Oban, CLI): a pool, a limit for the queue, `enqueue_many`.
Bulk inserts and acknowledgements, and workflows, are in Oban Pro, which is sold.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from oban import Oban, worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import Peer

LIMIT = 100


@worker(queue="default")
class Noop:
    async def process(self, job) -> None:
        mark(job.args["number"])


class Adapter(Peer):
    package = "oban"
    configuration = f"psycopg pool of 10, `queues={{'default': {LIMIT}}}`, `enqueue_many`; without Oban Pro"
    keeps = "the job for a day; results are dropped"
    jobs = 4_000
    unfinished = "select count(*) from oban_jobs where state in ('available', 'executing', 'scheduled', 'retryable')"

    def _pool(self) -> AsyncConnectionPool:
        return AsyncConnectionPool(self.address, min_size=4, max_size=10, open=False)

    async def install(self) -> None:
        async with self._pool() as pool:
            await install(pool)

    async def __aenter__(self) -> Self:
        self._opened = self._pool()
        await self._opened.open()
        self._oban = Oban(pool=self._opened, name="client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._opened.close()

    async def insert(self, number: int) -> None:
        await self._oban.enqueue(Noop.new({"number": number}))

    async def insert_many(self, numbers: range) -> None:
        await self._oban.enqueue_many([Noop.new({"number": number}) for number in numbers])

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with self._pool() as pool, Oban(pool=pool, queues={"default": LIMIT}):
            yield
