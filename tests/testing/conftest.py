"""A harness on the test's engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from baton import Engine
from baton.testing import Harness


@pytest.fixture
async def harness(engine: Engine) -> AsyncIterator[Harness]:
    async with Harness(engine) as harness:
        yield harness
