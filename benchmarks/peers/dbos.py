"""DBOS. Its documentation (Python: queue tutorial, DBOS client, configuration): async workflows, a queue that is polled
often since workers are not notified of it, a `DBOSClient` to enqueue from outside.

A workflow is code whose steps leave checkpoints, in the process that dequeued it. So a chain's hop is a checkpoint, and
there is no graph to insert.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from dbos import DBOS, DBOSClient, DBOSConfig

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import NotMeasured, Peer

POLL_SECONDS = 0.01
WORKER_CONCURRENCY = 100
CONNECTIONS = 20
VERSION = "1"


@DBOS.workflow(name="noop")
async def noop(number: int) -> int:
    mark(number)
    return number


@DBOS.step()
async def step(number: int, taken: int = 0) -> int:
    mark(number)
    return number + taken


@DBOS.workflow(name="chain")
async def chain(length: int) -> int:
    taken = 0
    for number in range(length):
        taken = await step(number, taken)
    return taken


@DBOS.workflow(name="fan")
async def fan(width: int) -> int:
    first = await step(0)
    taken = await asyncio.gather(*[step(number, first) for number in range(1, width + 1)])
    return await step(width + 1, sum(taken))


@DBOS.workflow(name="diamond")
async def diamond(first: int) -> int:
    top = await step(first)
    left, right = await asyncio.gather(step(first + 1, top), step(first + 2, top))
    return await step(first + 3, left + right)


class Adapter(Peer):
    package = "dbos"
    configuration = (
        f"async workflows, a queue with `worker_concurrency={WORKER_CONCURRENCY}`, "
        f"`polling_interval_sec={POLL_SECONDS}`, `sys_db_pool_size={CONNECTIONS}`; steps of one workflow"
    )
    keeps = "the workflow with its result, and each step's"
    jobs = 1_000
    bulk = 2_000
    unfinished = "select count(*) from dbos.workflow_status where status in ('ENQUEUED', 'PENDING', 'DELAYED')"

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._config = DBOSConfig(
            name="benchmark",
            system_database_url=address,
            sys_db_pool_size=CONNECTIONS,
            application_version=VERSION,
            console_log_level="CRITICAL",
        )

    async def install(self) -> None:
        async with self.working():
            pass

    async def __aenter__(self) -> Self:
        self._client = await asyncio.to_thread(DBOSClient, system_database_url=self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._client.destroy)

    async def insert(self, number: int) -> None:
        await self._enqueue("noop", number)

    async def insert_many(self, numbers: range) -> None:
        await self._enqueue_all("noop", numbers)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        DBOS(config=self._config)
        await asyncio.to_thread(DBOS.launch)
        await DBOS.register_queue_async(
            "benchmark", worker_concurrency=WORKER_CONCURRENCY, polling_interval_sec=POLL_SECONDS
        )
        try:
            yield
        finally:
            await asyncio.to_thread(DBOS.destroy)

    async def insert_chain(self, length: int) -> None:
        await self._enqueue("chain", length)

    async def insert_fan_out(self, width: int) -> None:
        await self._enqueue("fan", width)

    async def insert_diamonds(self, count: int) -> None:
        await self._enqueue_all("diamond", range(0, 4 * count, 4))

    async def insert_layers(self, _layers: int, _width: int) -> float:
        raise NotMeasured("a workflow is code: there is no graph to insert")

    async def _enqueue(self, workflow: str, argument: int) -> None:
        options = {"queue_name": "benchmark", "workflow_name": workflow, "app_version": VERSION}
        await self._client.enqueue_async(options, argument)

    async def _enqueue_all(self, workflow: str, arguments: range) -> None:
        waiting = iter(arguments)

        async def enqueue_some() -> None:
            for argument in waiting:
                await self._enqueue(workflow, argument)

        # There is no call for many.
        await asyncio.gather(*[enqueue_some() for _ in range(8)])
