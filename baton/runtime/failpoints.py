"""Named points at which a test may hold, end or change what a pool does, to make a race certain. Inert unless set.

The points, in their order:

    an attempt                before the worker, after the worker
    a call with outcomes      before settle, after settle; whatever it claims besides
    a call without            before claim, after claim
    an expansion              before expand, between parts of an expansion, after expand
    a transactional attempt   transaction begun, before its settle, before its commit, after its commit

"before the worker" comes before the attempt's time begins. It may swallow a cancellation, as a worker may.
`baton.runtime.attempts.current` is the attempt that passes a point of an attempt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baton.core.outcome import Outcome
    from baton.runtime.attempts import Attempt

reached: Callable[[str], Awaitable[None]] | None = None
"""Awaited with the name of each point that is passed."""

replaced: Callable[[Attempt, Outcome | None], Outcome | None] | None = None
"""Given each attempt that has run, and how it ended; what it returns is settled instead."""


async def reach(point: str) -> None:
    # What is passed by every attempt asks for `reached` first: a coroutine that does nothing takes
    # 0.2 µs.
    if reached is not None:
        await reached(point)
