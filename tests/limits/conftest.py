"""Raw connections, raw pools on them, and queues with limits."""

from __future__ import annotations

import pytest

from baton.core.queue_limits import queue_limits
from baton.database.queue_limits import LimitStore
from tests.database.raw_pool import RawPool
from tests.limits.running import Running

NOTHING = dict.fromkeys(
    ("running", "starts", "per", "burst", "lane_running", "lane_starts", "lane_per", "lane_burst"), None
)


@pytest.fixture
async def pool(connect):
    """A raw pool: it does what the test calls, and nothing else."""
    return await RawPool.register(await connect())


@pytest.fixture
async def other(connect):
    """Another one, on a connection of its own."""
    return await RawPool.register(await connect())


@pytest.fixture
async def psql(connect):
    """A plain connection that reads, moves rows in time and holds locks."""
    return await connect(search_path="baton")


@pytest.fixture
async def limit(connect):
    """Sets the limits of the queue `default`, or of another one."""
    store = LimitStore(await connect(), "baton")

    async def limit(queue: str = "default", **given):
        return await store.put(queue, queue_limits(queue, **{**NOTHING, **given}))

    return limit


@pytest.fixture
def running():
    """Counts the attempts that run in this process, by lane and in all."""
    return Running()
