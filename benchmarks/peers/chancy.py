"""Chancy. Its documentation (Queue, Worker, WorkflowPlugin): async jobs in the async executor, `eager_polling` for jobs
that are short, `push_many` for many, and the worker's attribute `send_outgoing_interval`, after which outcomes are
written (a second unless it is set); a chain's hop waits for it. A queue polls once a second at most; notifications
come in between. Workflows go on only at the leader, which is elected every minute unless configured otherwise: here
every second.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from chancy import Chancy, Job, Queue, Worker, job
from chancy.plugins.leadership import Leadership
from chancy.plugins.workflow import Workflow, WorkflowPlugin

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import Peer, layered

CONCURRENCY = 500
SECONDS_BETWEEN_WRITES = 0.01


@job()
async def noop(*, number: int) -> None:
    mark(number)


def _job(number: int) -> Job:
    return noop.job.with_kwargs(number=number)


class Adapter(Peer):
    package = "chancy"
    configuration = (
        f"async executor, `concurrency={CONCURRENCY}`, `eager_polling`, "
        f"`send_outgoing_interval = {SECONDS_BETWEEN_WRITES}`, a leader elected every second"
    )
    keeps = "the job; results are dropped"
    jobs = 4_000
    unfinished = "select count(*) from chancy_jobs where state in ('pending', 'running', 'retrying')"

    async def install(self) -> None:
        async with Chancy(self.address) as chancy:
            await chancy.migrate()
            await chancy.declare(
                Queue(
                    name="default",
                    concurrency=CONCURRENCY,
                    executor=Chancy.Executor.Async,
                    polling_interval=1,
                    eager_polling=True,
                ),
                upsert=True,
            )

    async def __aenter__(self) -> Self:
        self._chancy = Chancy(self.address)
        await self._chancy.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._chancy.__aexit__(kind, error, traceback)

    async def insert(self, number: int) -> None:
        await self._chancy.push(_job(number))

    async def insert_many(self, numbers: range) -> None:
        async for _ in self._chancy.push_many([_job(number) for number in numbers]):
            pass

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with Chancy(self.address, plugins=[Leadership(poll_interval=1, timeout=10), WorkflowPlugin()]) as chancy:
            worker = Worker(chancy, register_signal_handlers=False, shutdown_timeout=1)
            worker.send_outgoing_interval = SECONDS_BETWEEN_WRITES
            async with worker:
                yield

    async def insert_chain(self, length: int) -> None:
        chain = Workflow("chain")
        for number in range(length):
            chain.add(str(number), _job(number), [str(number - 1)] if number else [])
        await WorkflowPlugin.push(self._chancy, chain)

    async def insert_fan_out(self, width: int) -> None:
        middle = [(str(number), _job(number)) for number in range(1, width + 1)]
        fan = Workflow("fan").add("0", _job(0)).add_group(middle, ["0"])
        await WorkflowPlugin.push(self._chancy, fan.add("end", _job(width + 1), [name for name, _ in middle]))

    async def insert_diamonds(self, count: int) -> None:
        for first in range(0, 4 * count, 4):
            top, left, right, bottom = [str(number) for number in range(4)]
            await WorkflowPlugin.push(
                self._chancy,
                Workflow("diamond")
                .add(top, _job(first))
                .add(left, _job(first + 1), [top])
                .add(right, _job(first + 2), [top])
                .add(bottom, _job(first + 3), [left, right]),
            )

    async def insert_layers(self, layers: int, width: int) -> float:
        began = time.monotonic()
        graph = Workflow("layers")
        for number, dependencies in layered(layers, width):
            graph.add(str(number), _job(number), [str(other) for other in dependencies])
        building = time.monotonic() - began
        await WorkflowPlugin.push(self._chancy, graph)
        return building
