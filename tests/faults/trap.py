"""A trap that waits in a proxy for a call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

Moment = Literal["request", "answer"]


@dataclass(eq=False)
class Trap:
    """Waits for calls whose text has `call` in it, on connections of that purpose, and springs so many times.

    At the request: the server has not seen the call. At the answer: the server has committed it, or refused it, and the
    client does not know. Then the connection is cut; or, if the trap holds, nothing passes until it is released.
    """

    call: str
    at: Moment
    purpose: str | None
    times: int
    holds: bool
    caught: int = 0
    """How many calls have stepped into it."""
    _sprung: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def is_for(self, purpose: str, call: str) -> bool:
        return self.caught < self.times and self.purpose in (None, purpose) and self.call in call

    async def sprung(self, deadline: float = 30) -> None:
        """Return when it has sprung as often as it will."""
        async with asyncio.timeout(deadline):
            await self._sprung.wait()

    def release(self) -> None:
        """Let pass what is held, and what steps into it later."""
        self._released.set()

    async def spring(self) -> bool:
        """Hold, if it holds. Tells whether the connection is to be cut."""
        if self.caught >= self.times:
            self._sprung.set()
        if self.holds:
            await self._released.wait()
        return not self.holds
