"""Raw connections, and pools played by hand on them."""

from __future__ import annotations

import asyncpg
import pytest

from tests.database.raw_pool import Ear, RawPool, demand_sound


@pytest.fixture
async def connect(database):
    """Open as many plain connections to the test's database as wanted. In the end all counts must be right."""
    opened = []

    async def connect(**settings):
        opened.append(await asyncpg.connect(database, server_settings=settings))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()
    checking = await asyncpg.connect(database)
    try:
        await demand_sound(checking)
    finally:
        await checking.close()


@pytest.fixture
async def pool(connect):
    """A pool played by hand."""
    return await RawPool.register(await connect())


@pytest.fixture
async def other(connect):
    """Another one, on a connection of its own."""
    return await RawPool.register(await connect())


@pytest.fixture
async def psql(connect):
    """Somebody's plain connection: reads, moves rows in time, holds locks."""
    return await connect(search_path="baton")


@pytest.fixture
async def ear(connect):
    """Hears what is notified from now on."""
    ear = Ear(await connect())
    await ear.listen()
    return ear
