"""A proxy in front of the test's database, and a pool that takes over what others leave behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import Proxy


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the test's database."""
    async with Proxy(database) as proxy:
        yield proxy
