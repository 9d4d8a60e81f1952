"""PgQueuer. Its own benchmark (tools/benchmark.py) and docs/guides/performance-tuning.md of janbjorge/pgqueuer: a large
`batch_size` for short jobs, a connection of its own for the manager, `pgq autovac` after the installation. Durability
stays at "durable", its default. Concurrent inserts share that connection too: with a pool of 20 they were slower.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import Peer

BATCH = 1000


class Adapter(Peer):
    package = "pgqueuer"
    configuration = f"asyncpg, `batch_size={BATCH}`, `pgq autovac` applied, durability at its default"
    keeps = "a line in a log; the job is deleted, its result dropped"
    unfinished = "select count(*) from pgqueuer"

    async def install(self) -> None:
        async with self:
            await self._queries.install()
            await self._queries.optimize_autovacuum()

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self.address)
        self._queries = Queries(AsyncpgDriver(self._connection))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def insert(self, number: int) -> None:
        await self._queries.enqueue("noop", str(number).encode())

    async def insert_many(self, numbers: range) -> None:
        count = len(numbers)
        await self._queries.enqueue(["noop"] * count, [str(number).encode() for number in numbers], [0] * count)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        connection = await asyncpg.connect(self.address)
        queuer = PgQueuer(AsyncpgDriver(connection))

        @queuer.entrypoint("noop")
        async def noop(job: Job) -> None:
            mark(int(job.payload))

        running = asyncio.create_task(queuer.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=30)))
        try:
            yield
        finally:
            queuer.shutdown.set()
            await asyncio.wait({running}, timeout=5)
            await connection.close()
