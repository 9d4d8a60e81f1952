"""What went wrong, in one sentence that names the remedy."""

from __future__ import annotations

import os
import socket

import asyncpg

from baton.database.address import ENVIRONMENT, without_password
from baton.errors import BatonError


class CommandError(Exception):
    """Ends a command with exit code 1. Its text is a sentence for the user."""


def sentence(error: Exception, address: str | None) -> str:
    """Say in one sentence what ended a command; `address` is the one given on the command line."""
    match error:
        case BatonError() | CommandError():
            return str(error)
        case asyncpg.PostgresError() if (error.sqlstate or "").startswith(("28", "3D", "42501", "53300")):
            return f"the database {_named(address)} refuses: {error}"
        case asyncpg.PostgresError():
            return f"the database {_named(address)} reports an error ({error.sqlstate}): {error}"
        case TimeoutError():
            return f"the database {_named(address)} does not answer; is the address right, and the server up?"
        case socket.gaierror():
            return f"the database {_named(address)} cannot be reached: its host is not known; is the address right?"
        case ConnectionError() | FileNotFoundError():
            return f"the database {_named(address)} cannot be reached: nothing answers there; is the server running?"
        case _:
            return f"the database {_named(address)} cannot be reached: {error}"


def _named(address: str | None) -> str:
    """The address without its password, and who said so."""
    if address is not None:
        return without_password(address)
    for name in ENVIRONMENT:
        if given := os.environ.get(name, "").strip():
            return f"{without_password(given)} (from {name})"
    return "of the embedded server"
