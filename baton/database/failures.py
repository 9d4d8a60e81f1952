"""What an error of a database call means for the code that made the call."""

from __future__ import annotations

from enum import Enum

import asyncpg


class Failure(Enum):
    """What to do about a failed engine call."""

    TRANSIENT = "send it again: the connection was lost, the server is away, or the transaction lost a race"
    LOCKED = "a row stayed locked by another session, or the call took longer than a timeout of the server allows"
    DATA = "something in the call cannot be stored"
    PERMANENT = "sending it again will not help"


# 40: lost a race. 08, 57, 58: the connection or the server. 53: out of something. 25006: a standby,
# during failover. 25P: the server ended a transaction or a session for the time it took.
_TRANSIENT = ("08", "40", "53", "57", "58", "25006", "25P")
_DATA = ("22", "23", "54")


def failure_of(error: BaseException) -> Failure:
    """Return what a failed call means. After a transient failure it is unknown whether the call had committed."""
    match error:
        case asyncpg.LockNotAvailableError() | asyncpg.QueryCanceledError():
            return Failure.LOCKED
        case asyncpg.PostgresError():
            return _by_code(error.sqlstate or "")
        case asyncpg.InternalClientError():
            # asyncpg raises it on a connection whose server has just ended it ("another operation
            # is in progress").
            return Failure.TRANSIENT
        case asyncpg.InterfaceError() | OSError() | TimeoutError() | EOFError():
            return Failure.TRANSIENT
        case ValueError() | TypeError() | OverflowError():
            # asyncpg refuses to encode a value that does not fit its parameter's type.
            return Failure.DATA
        case _:
            return Failure.PERMANENT


def _by_code(code: str) -> Failure:
    if code.startswith(_TRANSIENT):
        return Failure.TRANSIENT
    if code.startswith(_DATA):
        return Failure.DATA
    return Failure.PERMANENT
