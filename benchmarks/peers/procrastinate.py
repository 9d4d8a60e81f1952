"""Procrastinate. Its documentation (howto/production/concurrency, howto/advanced/batch): an async app, `concurrency`
for async tasks, `batch_defer_async` for many; the connection pool must be larger than the concurrency asks for at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import procrastinate

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import Peer

CONCURRENCY = 30
CONNECTIONS = 12


async def noop(number: int) -> None:
    mark(number)


class Adapter(Peer):
    package = "procrastinate"
    configuration = f"psycopg pool of {CONNECTIONS}, `concurrency={CONCURRENCY}`, `batch_defer_async`"
    keeps = "the job and its events; results are dropped"
    jobs = 2_000
    unfinished = "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"

    def __init__(self, address: str) -> None:
        super().__init__(address)
        connector = procrastinate.PsycopgConnector(conninfo=address, min_size=4, max_size=CONNECTIONS)
        self._app = procrastinate.App(connector=connector)
        self._task = self._app.task(name="noop", queue="benchmark")(noop)

    async def install(self) -> None:
        async with self._app.open_async():
            await self._app.schema_manager.apply_schema_async()

    async def __aenter__(self) -> Self:
        await self._app.open_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._app.close_async()

    async def insert(self, number: int) -> None:
        await self._task.defer_async(number=number)

    async def insert_many(self, numbers: range) -> None:
        await self._task.batch_defer_async(*[{"number": number} for number in numbers])

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with self._app.open_async():
            running = asyncio.create_task(
                self._app.run_worker_async(queues=["benchmark"], concurrency=CONCURRENCY, install_signal_handlers=False)
            )
            try:
                yield
            finally:
                running.cancel()
                await asyncio.wait({running}, timeout=5)
