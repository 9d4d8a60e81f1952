"""What a file in this folder holds: a class `Adapter`, a `Peer`, that knows how one library inserts and runs jobs.

All that is measured is measured by the same code (`benchmarks.peers.measures`), in a process of its own:

    python -m benchmarks.peers NAME MEASURE --address ADDRESS [--processes N]

which prints one line of JSON: `{"values": {...}}`, or `{"not_measured": "why"}`. The database at the address is new
for each measurement, with the library's tables in it (`NAME install`).

A job is a number, and all it does is `mark(number)` and to return the number. Every library gets uvloop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar, Self

import asyncpg


class NotMeasured(Exception):  # noqa: N818 - it is an answer
    """Raised when a library has nothing to measure here; the text says why."""


NO_DEPENDENCIES = "no dependencies between jobs"


class Peer(ABC):
    """One library, in its recommended fast configuration. Entered, it is a client: it can insert."""

    package: ClassVar[str]
    """Its name on the package index."""
    also: ClassVar[tuple[str, ...]] = ()
    """What else has to be installed."""
    configuration: ClassVar[str]
    """A sentence for the results; the file names the source."""
    keeps: ClassVar[str]
    """What is left of a finished job, for the results."""
    jobs: ClassVar[int] = 40_000
    """How many a drain runs: enough for some seconds, less for a slow library."""
    bulk: ClassVar[int] = 10_000
    """How many are inserted together; less where there is no call for many."""
    unfinished: ClassVar[str]
    """A query that counts the jobs that are not finished."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    async def install(self) -> None:
        """Create the library's tables; not entered."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    @abstractmethod
    async def insert(self, number: int) -> None:
        """Insert one job; committed on return."""

    async def open_for(self, _callers: int, /) -> None:
        """Prepare for inserts of this many tasks at once, as the library recommends; entered."""
        return

    @abstractmethod
    async def insert_many(self, numbers: range) -> None:
        """Insert them in the way the library recommends for many."""

    @abstractmethod
    def working(self) -> AbstractAsyncContextManager[object]:
        """Run jobs in this process while it is entered; the peer itself is not."""

    async def insert_chain(self, _length: int, /) -> None:
        """Insert `length` steps, each of which waits for the one before and takes its result."""
        raise NotMeasured(NO_DEPENDENCIES)

    async def insert_fan_out(self, _width: int, /) -> None:
        """Insert step 0, `width` steps that take its result, and one that waits for all of them."""
        raise NotMeasured(NO_DEPENDENCIES)

    async def insert_diamonds(self, _count: int, /) -> None:
        """Insert workflows of four steps each: n and n + 3, and between them n + 1 and n + 2."""
        raise NotMeasured(NO_DEPENDENCIES)

    async def insert_layers(self, _layers: int, _width: int, /) -> float:
        """Insert one workflow, layers of steps with three dependencies each, and return how long building it took."""
        raise NotMeasured(NO_DEPENDENCIES)

    async def count_unfinished(self) -> int:
        connection = await asyncpg.connect(self.address)
        try:
            return int(await connection.fetchval(self.unfinished))
        finally:
            await connection.close()


def layered(layers: int, width: int) -> list[tuple[int, list[int]]]:
    """Steps by number with their dependencies: each but those of the first layer waits for three of the layer before.

    100 layers of 100 are 10,000 steps and 29,700 edges.
    """
    return [
        (layer * width + place, [(layer - 1) * width + (place + other) % width for other in range(3)] if layer else [])
        for layer in range(layers)
        for place in range(width)
    ]
