"""Find the engine that is meant where none is named: that of the running attempt, else one that was entered.

A process may have several engines: a pool in each of two event loops, a test client beside the application, a plain
worker that opens its own in its thread. The order is the one in which they are nearest to the caller:

1. the engine of the attempt that is running, or the one that the attempt itself has entered since;
2. the engine entered last in this event loop;
3. the engine entered last, in whatever event loop.

An engine that was left, or that belongs to another event loop, is passed over as long as there is one that can be used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from msgspec import Struct

from baton.errors import NoEngine

if TYPE_CHECKING:
    from baton.client.engine import Engine
    from baton.database.messages import Claimed


# One is made for every attempt: a dataclass takes 0.8 µs to make, a struct 0.2.
class RunningAttempt(Struct, frozen=True, gc=False):
    """The attempt that the code at hand belongs to, its tasks and its threads included."""

    engine: Engine
    """The engine of the worker pool that runs it."""
    claimed: Claimed
    lease_seconds: float
    """The pool's lease."""


DEFAULT_SCHEMA = "baton"

running_attempt: ContextVar[RunningAttempt | None] = ContextVar("baton running attempt", default=None)
"""Set by the worker pool for each attempt. Threads started with a copy of the context see it as well."""

_entered_by_attempt: ContextVar[tuple[Engine, ...]] = ContextVar("baton engines of the attempt", default=())
# Process-wide and not a context variable: what a lifespan sets in its context reaches no request
# handler.
_entered: list[Engine] = []


def add_entered(engine: Engine) -> None:
    """Let this engine be the one in use until it is left."""
    _entered.append(engine)
    if running_attempt.get() is not None:
        _entered_by_attempt.set((*[one for one in _entered_by_attempt.get() if one.loop is not None], engine))


def remove_entered(engine: Engine) -> None:
    """Forget an engine that is being left."""
    _entered.remove(engine)


def engine_in_use() -> Engine | None:
    """Return the engine meant here, or None if no engine is entered.

    It may belong to another event loop; using it raises `WrongEventLoop` then.
    """
    loop = _running_loop()
    candidates = list(_candidates())
    return next((one for one in candidates if loop is None or one.loop is loop), candidates[0] if candidates else None)


def default_engine() -> Engine:
    """Return the engine meant where none is named.

    Raises: NoEngine if none is entered.
    """
    if (engine := engine_in_use()) is None:
        raise NoEngine
    return engine


def schema_of(engine: Engine | None) -> str:
    """Return the schema of an engine, or the usual one where none is entered."""
    return engine.schema if engine else DEFAULT_SCHEMA


def _candidates() -> Iterator[Engine]:
    """The engines that are open, the nearest first."""
    attempt = running_attempt.get()
    if attempt is not None:
        for engine in (*reversed(_entered_by_attempt.get()), attempt.engine):
            if engine.loop is not None:
                yield engine
    # A copy: other threads enter and leave engines meanwhile.
    yield from reversed(tuple(_entered))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
