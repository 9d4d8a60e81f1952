"""What is stored of workflows, counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import asyncpg
import pytest


@pytest.fixture
def stored(connection: asyncpg.Connection) -> Callable[[], Awaitable[list[int]]]:
    """Returns how many rows of workflows, steps and queue entries there are."""

    async def stored() -> list[int]:
        tables = ("workflows", "steps", "queue")
        return [await connection.fetchval(f"select count(*) from baton.{table}") for table in tables]

    return stored
