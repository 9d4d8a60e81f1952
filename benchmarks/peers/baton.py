"""Baton itself, as the documentation shows it: results are stored and passed on, leases and fences are on, and
nothing is tuned but the number of steps at once (docs/performance.md).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from baton import Baton, Engine, WorkerPool, insert_many, result_of, worker
from benchmarks.peers.marks import mark
from benchmarks.peers.protocol import Peer, layered

AT_ONCE = 400


@worker
async def noop(number: int) -> int:
    mark(number)
    return number


@worker
async def after(number: int, taken: int) -> int:
    mark(number)
    return number + taken


@worker
async def join(number: int, taken: list[int]) -> int:
    mark(number)
    return number + sum(taken)


class Adapter(Peer):
    package = "baton-workflows"
    configuration = f"`WorkerPool(queues={{'default': {AT_ONCE}}})`; all else as it comes"
    keeps = "the step with its result, for seven days"
    unfinished = "select count(*) from baton.workflows where finished_at is null"

    async def install(self) -> None:
        async with Engine(self.address):
            pass

    async def __aenter__(self) -> Self:
        self._engine = Engine(self.address)
        await self._engine.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._engine.__aexit__(kind, error, traceback)

    async def insert(self, number: int) -> None:
        await noop.new(number=number).insert()

    async def insert_many(self, numbers: range) -> None:
        await insert_many([noop.new(number=number) for number in numbers], using=self._engine)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with Engine(self.address), WorkerPool(queues={"default": AT_ONCE}):
            yield

    async def insert_chain(self, length: int) -> None:
        chain = Baton.new().add("0", noop.new(number=0))
        for number in range(1, length):
            chain.add(str(number), after.new(number=number, taken=result_of(str(number - 1))))
        await chain.insert()

    async def insert_fan_out(self, width: int) -> None:
        fan = Baton.new().add("0", noop.new(number=0))
        middle = [str(number) for number in range(1, width + 1)]
        for name in middle:
            fan.add(name, after.new(number=int(name), taken=result_of("0")))
        fan.add("end", join.new(number=width + 1, taken=[result_of(name) for name in middle]))
        await fan.insert()

    async def insert_diamonds(self, count: int) -> None:
        await insert_many([_diamond(4 * number) for number in range(count)], using=self._engine)

    async def insert_layers(self, layers: int, width: int) -> float:
        began = time.monotonic()
        graph = Baton.new()
        for number, dependencies in layered(layers, width):
            graph.add(str(number), noop.new(number=number), deps=[str(other) for other in dependencies])
        building = time.monotonic() - began
        await graph.insert()
        return building


def _diamond(first: int) -> Baton:
    left, right = (after.new(number=first + side, taken=result_of("top")) for side in (1, 2))
    return (
        Baton.new()
        .add("top", noop.new(number=first))
        .add("left", left)
        .add("right", right)
        .add("bottom", join.new(number=first + 3, taken=[result_of("left"), result_of("right")]))
    )
