"""Named points at which a test may hold or end the process, to make a race certain. Inert unless a test sets one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# Of an attempt: "before the worker", "after the worker". Of a call that carries outcomes, whatever it claims besides:
# "before settle", "after settle"; of one that carries none: "before claim", "after claim". Of a transactional attempt,
# around the worker's: "transaction begun"; "before its settle", "before its commit", "after its commit".
reached: Callable[[str], Awaitable[None]] | None = None
"""Set by tests: awaited with the name of each point that is passed."""


async def reach(point: str) -> None:
    # What is passed by every attempt asks for `reached` first: a coroutine that does nothing takes 0.2 µs.
    if reached is not None:
        await reached(point)
