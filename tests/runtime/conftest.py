"""A running pool, and the calls that pools make."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from baton import Engine, WorkerPool
from baton.runtime import failpoints
from tests.runtime.pool_calls import PoolCalls


@pytest.fixture
async def pool(engine: Engine) -> AsyncIterator[WorkerPool]:
    """A pool that runs from the beginning of the test to its end."""
    async with WorkerPool(engine) as pool:
        yield pool


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> PoolCalls:
    """The calls of the pools of this process, from now on."""
    calls = PoolCalls()
    monkeypatch.setattr(failpoints, "reached", calls.reached)
    return calls
