"""A trap that waits in a proxy for a call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

Moment = Literal["request", "answer"]


@dataclass(eq=False)
class Trap:
    """Waits for calls with `call` in their text, on connections of a purpose, and springs a number of times.

    At the request the server has not seen the call. At the answer the server has committed or refused it, and the
    client does not know. Then the connection is cut; or, if the trap holds, nothing passes until `release`.
    """

    call: str
    at: Moment
    purpose: str | None
    times: int
    holds: bool
    caught: int = 0
    """How many calls it has caught."""
    _sprung: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def is_for(self, purpose: str, call: str) -> bool:
        return self.caught < self.times and self.purpose in (None, purpose) and self.call in call

    async def sprung(self, deadline: float = 30) -> None:
        """Wait until it has sprung as often as it may."""
        async with asyncio.timeout(deadline):
            await self._sprung.wait()

    def release(self) -> None:
        """Let calls pass: those that are held, and later ones."""
        self._released.set()

    async def spring(self) -> bool:
        """Hold the call, if the trap holds. Return whether the connection has to be cut."""
        if self.caught >= self.times:
            self._sprung.set()
        if self.holds:
            await self._released.wait()
        return not self.holds
