"""Waiting for a condition, with a deadline: what tests do instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(condition: Callable[[], Awaitable[T]], deadline: float = 10, every: float = 0.01) -> T: ...
@overload
async def eventually(condition: Callable[[], T], deadline: float = 10, every: float = 0.01) -> T: ...


async def eventually(condition: Callable[[], object], deadline: float = 10, every: float = 0.01) -> object:
    """Return the first true value of `condition`, plain or async; fail if `deadline` seconds bring none."""
    ends = time.monotonic() + deadline
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < ends, f"{deadline} s brought no true value, the last one was {value!r}"
        await asyncio.sleep(every)
