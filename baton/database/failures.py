"""What an error of a database call means for whoever made it."""

from __future__ import annotations

from enum import Enum

import asyncpg


class Failure(Enum):
    """What to do about a failed engine call."""

    PASSING = "send it again: the connection was lost, the server is away, or the transaction lost a race"
    LOCKED = "a row stayed locked by somebody else, or the call took longer than a timeout of the server allows"
    DATA = "something in the call cannot be stored"
    LASTING = "sending it again will not help"


# 40: lost a race. 08, 57, 58: the connection or the server. 53: out of something. 25006: a standby, during failover.
# 25P: the server ended a transaction or a session for the time it took.
_PASSING = ("08", "40", "53", "57", "58", "25006", "25P")
_DATA = ("22", "23", "54")


def classify(error: BaseException) -> Failure:
    """Say what a failed call means. After a passing failure nobody knows whether the call had committed."""
    match error:
        case asyncpg.LockNotAvailableError() | asyncpg.QueryCanceledError():
            return Failure.LOCKED
        case asyncpg.PostgresError():
            return _by_code(error.sqlstate or "")
        case asyncpg.InternalClientError():
            # What asyncpg says of a connection whose server has just said goodbye ("another operation is in progress").
            return Failure.PASSING
        case asyncpg.InterfaceError() | OSError() | TimeoutError() | EOFError():
            return Failure.PASSING
        case ValueError() | TypeError() | OverflowError():
            # asyncpg refuses to encode what does not fit a parameter's type.
            return Failure.DATA
        case _:
            return Failure.LASTING


def _by_code(code: str) -> Failure:
    if code.startswith(_PASSING):
        return Failure.PASSING
    if code.startswith(_DATA):
        return Failure.DATA
    return Failure.LASTING
