"""A proxy in front of the test's database, and one effects log for the test and the processes that it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.effects import Effects
from tests.faults.proxy import Proxy
from tests.programs.fault_workers import EFFECTS


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the test's database."""
    async with Proxy(database) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def _effects_of_this_process(effects: Effects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that run in a pool of the test itself write to the same log."""
    monkeypatch.setenv(EFFECTS, str(effects.path))
