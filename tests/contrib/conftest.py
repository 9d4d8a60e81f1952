"""A worker for the requests of an application."""

from __future__ import annotations

from typing import Any

import pytest

from baton import worker


@pytest.fixture
def doubled() -> Any:
    @worker
    async def doubled(number: int) -> int:
        return 2 * number

    return doubled
