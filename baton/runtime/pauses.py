"""Named points at which a test may hold or end the process, to make a race certain. Inert unless a test sets one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# "before the worker", "after the worker" of an attempt; "before claim", "after claim" of a call that carries no outcome,
# and "before settle", "after settle" of one that does, whatever it claims besides.
reached: Callable[[str], Awaitable[None]] | None = None
"""Set by tests: awaited with the name of each point that is passed."""


async def pause(point: str) -> None:
    if reached is not None:
        await reached(point)
