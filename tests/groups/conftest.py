"""A running pool, and a worker that hands its argument on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from baton import Engine, WorkerPool, worker


@pytest.fixture
async def pool(engine: Engine) -> AsyncIterator[WorkerPool]:
    """A pool that runs from the beginning of the test to its end."""
    async with WorkerPool(engine, poll=0.5) as pool:
        yield pool


@pytest.fixture
def give() -> Any:
    """A worker that returns its first argument, whatever it is."""

    @worker
    async def give(value: Any = None, other: Any = None) -> Any:
        return value

    return give
