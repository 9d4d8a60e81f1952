"""The shop for its tests: on the database that the tests of Baton's plugin have."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from examples.orders.shop import Shop, opened_shop


@pytest_asyncio.fixture
async def shop(engine: object, baton_address: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setenv("BATON_DATABASE_URL", baton_address)
    async with opened_shop() as shop:
        yield shop


@pytest_asyncio.fixture
async def database(shop: Shop, baton_address: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(baton_address)
    yield connection
    await connection.close()
