"""Raw connections, and raw pools on them. After each test the counts of every workflow are checked."""

from __future__ import annotations

import asyncpg
import pytest

from tests.database.raw_pool import RawPool, assert_consistent


@pytest.fixture
async def connect(connect, database):
    """Opens plain connections to the test's database. After the test all counts must be right."""
    yield connect
    checking = await asyncpg.connect(database)
    try:
        await assert_consistent(checking)
    finally:
        await checking.close()


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
