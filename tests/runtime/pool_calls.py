"""The calls to the database that the pools of this process make, seen from the failpoints that they pass."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.waiting import eventually


class PoolCalls:
    """Counts calls that settle and claim."""

    def __init__(self) -> None:
        self.answered = 0
        self._open: set[asyncio.Task[Any] | None] = set()

    async def reached(self, point: str) -> None:
        """The failpoint: a call that is sent again after a failure stays open."""
        if point in ("before claim", "before settle"):
            self._open.add(asyncio.current_task())
        elif point in ("after claim", "after settle"):
            self._open.discard(asyncio.current_task())
            self.answered += 1

    async def idle(self, pools: int = 1) -> None:
        """Wait until `pools` calls were answered and none is open.

        A pool whose queues were empty makes no other call by itself.
        """
        await eventually(lambda: self.answered >= pools and not self._open)
