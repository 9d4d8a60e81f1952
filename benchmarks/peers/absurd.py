"""Absurd. Its documentation (docs/sdks/python.md, docs/storage.md of earendil-works/absurd): an async worker with
`concurrency` and a batch as large, `poll_interval` small where latency counts, since there are no notifications. The
schema is made by `absurdctl init`, which needs psql.

A workflow is code: one task whose steps leave checkpoints, all in the process that claimed it. So a chain's hop is a
checkpoint, and there is no graph to insert.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from absurd_sdk import AsyncAbsurd, AsyncTaskContext

from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import NotMeasured, Peer

CONCURRENCY = 100
POLL_SECONDS = 0.01


async def _step(context: AsyncTaskContext, number: int) -> int:
    async def run() -> int:
        mark(number)
        return number

    return await context.step(str(number), run)


def _register(app: AsyncAbsurd) -> None:
    @app.register_task(name="noop")
    async def noop(params: Any, _context: AsyncTaskContext) -> int:
        mark(params["number"])
        return params["number"]

    @app.register_task(name="chain")
    async def chain(params: Any, context: AsyncTaskContext) -> int:
        total = 0
        for number in range(params["length"]):
            total += await _step(context, number)
        return total

    @app.register_task(name="fan")
    async def fan(params: Any, context: AsyncTaskContext) -> int:
        width = params["width"]
        await _step(context, 0)
        await asyncio.gather(*[_step(context, number) for number in range(1, width + 1)])
        return await _step(context, width + 1)

    @app.register_task(name="diamond")
    async def diamond(params: Any, context: AsyncTaskContext) -> int:
        first = params["first"]
        await _step(context, first)
        await asyncio.gather(_step(context, first + 1), _step(context, first + 2))
        return await _step(context, first + 3)


class Adapter(Peer):
    package = "absurd-sdk"
    also = ("absurdctl",)
    configuration = f"async worker, `concurrency={CONCURRENCY}`, `poll_interval={POLL_SECONDS}`; steps of one task"
    keeps = "the task with its result and checkpoints"
    jobs = 3_000
    bulk = 2_000
    unfinished = "select count(*) from absurd.t_default where state not in ('completed', 'failed', 'cancelled')"

    async def install(self) -> None:
        program = Path(sys.executable).with_name("absurdctl")
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(program), "init", "--database", self.address, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait():
            raise RuntimeError("absurdctl could not make the schema")
        async with self:
            await self._app.create_queue("default")

    async def __aenter__(self) -> Self:
        self._app = AsyncAbsurd(self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._app.close()

    async def insert(self, number: int) -> None:
        await self._app.spawn("noop", {"number": number}, queue="default")

    async def insert_many(self, numbers: range) -> None:
        for number in numbers:  # there is no call for many
            await self.insert(number)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        app = AsyncAbsurd(self.address)
        _register(app)
        running = asyncio.create_task(app.start_worker(concurrency=CONCURRENCY, poll_interval=POLL_SECONDS))
        try:
            yield
        finally:
            app.stop_worker()
            await asyncio.wait({running}, timeout=5)
            await app.close()

    async def insert_chain(self, length: int) -> None:
        await self._app.spawn("chain", {"length": length}, queue="default")

    async def insert_fan_out(self, width: int) -> None:
        await self._app.spawn("fan", {"width": width}, queue="default")

    async def insert_diamonds(self, count: int) -> None:
        for first in range(0, 4 * count, 4):
            await self._app.spawn("diamond", {"first": first}, queue="default")

    async def insert_layers(self, _layers: int, _width: int) -> float:
        raise NotMeasured("a workflow is code: there is no graph to insert")
