"""Workers that end in each way."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from baton import Cancel, Fail, Skip, worker
from baton.core import registry


@pytest.fixture
def ends():
    """Workers by how they end; `registry.isolated` forgets them afterwards."""
    with registry.isolated():

        @worker
        async def scores() -> dict[str, float]:
            return {"score": 0.3}

        @worker(max_attempts=1)
        async def breaks() -> None:
            raise ValueError("no luck")

        @worker(max_attempts=1)
        async def odd_breaks(number: int) -> int:
            if number % 2:
                raise ValueError("odd")
            return number

        @worker
        async def cancels() -> Cancel:
            return Cancel("the order is gone")

        @worker
        async def skips() -> Skip:
            return Skip("nothing to do")

        @worker
        async def fails() -> Fail:
            return Fail("no such article")

        yield SimpleNamespace(**locals())
