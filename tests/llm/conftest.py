"""A running pool for the tests about language models."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from baton import Engine, WorkerPool


@pytest.fixture
async def pool(engine: Engine) -> AsyncIterator[WorkerPool]:
    """A pool that runs from the beginning of the test to its end."""
    async with WorkerPool(engine, poll=0.5) as pool:
        yield pool
