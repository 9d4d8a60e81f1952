"""A worker that holds its steps until the test lets them end."""

from __future__ import annotations

import asyncio

from baton import worker


class HeldWorker:
    """A worker that begins, and ends when `may_end` is set. `worker` returns its number."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.cancelled = asyncio.Event()
        """Set once an attempt was cancelled."""
        self.numbers: list[int] = []
        """The argument of each attempt that began."""
        self._began = asyncio.Semaphore(0)

        @worker(name="held")
        async def held(number: int = 0) -> int:
            self.numbers.append(number)
            self._began.release()
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
            return number

        self.worker = held

    async def has_begun(self, times: int = 1) -> None:
        """Wait until `times` more attempts have begun."""
        async with asyncio.timeout(10):
            for _ in range(times):
                await self._began.acquire()
