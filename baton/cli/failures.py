"""What ended a command, in one sentence that names the remedy."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import socket
import sys

import asyncpg

from baton.cli.text import visible
from baton.database.address import ENVIRONMENT, without_password
from baton.errors import BatonError

_OUTPUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Errors of writing to a file, which a socket of the database never raises."""


class CommandError(Exception):
    """Ends a command with exit code 1. Its text is a sentence for the user."""


def report(error: Exception, arguments: argparse.Namespace) -> bool:
    """Print the sentence on stderr, or log it where the command logs JSON. Returns False for a fault of our own."""
    if not isinstance(error, BatonError | CommandError | asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
        return False
    said = visible(" ".join(sentence(error, getattr(arguments, "address", None)).split()))
    if getattr(arguments, "log", None) == "json":
        logging.getLogger("baton").critical(said)
    else:
        print(f"baton: {said}", file=sys.stderr)
    return True


def sentence(error: Exception, address: str | None) -> str:
    """Say in one sentence what ended a command; `address` is the one given on the command line."""
    match error:
        case BatonError() | CommandError():
            return str(error)
        case asyncpg.PostgresError() if (error.sqlstate or "").startswith(("28", "3D", "42501", "53300")):
            return f"the database {_named(address)} refuses: {error}"
        case asyncpg.PostgresError():
            return f"the database {_named(address)} reports an error ({error.sqlstate}): {error}"
        case OSError(errno=number) if number in _OUTPUT:
            return f"the output cannot be written: {error.strerror}"
        case TimeoutError():
            return f"the database {_named(address)} does not answer; is the address right, and the server up?"
        case socket.gaierror():
            return f"the database {_named(address)} cannot be reached: its host is not known; is the address right?"
        case ConnectionError() | FileNotFoundError():
            return f"the database {_named(address)} cannot be reached: nothing answers there; is the server running?"
        case _:
            return f"the database {_named(address)} cannot be reached: {error}"


def _named(address: str | None) -> str:
    """Return the address without its password, and where it came from."""
    if address is not None:
        return without_password(address)
    for name in ENVIRONMENT:
        if given := os.environ.get(name, "").strip():
            return f"{without_password(given)} (from {name})"
    return "of the embedded server"
