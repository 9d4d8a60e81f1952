"""Which database an engine talks to, and what the addresses people have in their environment mean.

An address is given as an argument, else in BATON_DATABASE_URL, else in DATABASE_URL, else it is that of the
embedded server, when the extra `embedded` is installed. Addresses written for SQLAlchemy, psycopg or PgBouncer are
understood: the driver's name is dropped, and so is every query key that asyncpg would send to the server as a
setting, where it fails.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from baton.errors import InvalidAddress, NoAddress

log = logging.getLogger("baton.database")

ENVIRONMENT = ("BATON_DATABASE_URL", "DATABASE_URL")
_SCHEMES = ("postgres", "postgresql")
# What asyncpg reads from a query itself, and settings every server takes.
_KEPT_KEYS = frozenset(
    {
        *("host", "port", "user", "password", "passfile", "database", "dbname"),
        *("krbsrvname", "gsslib", "target_session_attrs"),
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("application_name", "search_path", "options", "statement_timeout", "lock_timeout", "jit"),
        *("idle_in_transaction_session_timeout", "timezone", "client_encoding"),
    }
)
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_SSL_WORDS = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable", "off": "disable"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


class Server(Protocol):
    """A server that runs as long as it is used."""

    def dsn(self, database: str = ...) -> str: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is, and who said so."""

    dsn: str = field(repr=False)  # for asyncpg; it may hold a password
    source: str  # "the argument", the name of an environment variable, or "the embedded server"
    server: Server | None = None  # the embedded server, if it is ours: call `release` when done with the address

    @property
    def shown(self) -> str:
        """The address without its password, for messages."""
        return without_password(self.dsn)

    def release(self) -> None:
        """Give up our use of the embedded server, if that is what the address leads to. Blocks until it is down."""
        if self.server is not None:
            self.server.stop()


def resolve_address(argument: str | None = None, environment: Mapping[str, str] | None = None) -> Address:
    """Find the database's address, and log which one was taken, without its password.

    Starting the embedded server blocks for up to seconds: where an event loop must go on meanwhile, call this from a
    thread.

    Raises:
        InvalidAddress: the address is not one of PostgreSQL.
        NoAddress: there is none, and no embedded server either.
        EmbeddedServerError: the embedded server does not start.
    """
    environment = os.environ if environment is None else environment
    address = _given_address(argument, environment) or _embedded_address(environment)
    if address is None:
        raise NoAddress
    log.info("using the database %s, from %s", address.shown, address.source)
    return address


def normalised(address: str) -> str:
    """Return the address as asyncpg takes it; what had to be left out is named in a warning.

    Raises:
        InvalidAddress: it is not an address of PostgreSQL.
    """
    parts = _split(address)
    kept, dropped = [], []
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        pair = _query_pair(key, value)
        if pair is None:
            dropped.append(key)
        else:
            kept.append(pair)
    if dropped:
        log.warning(
            "the database address has query keys that mean nothing here and are left out: %s",
            ", ".join(sorted(set(dropped))),
        )
    query = urlencode(kept, quote_via=quote, safe="/")
    return f"postgresql://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")


def without_password(address: str) -> str:
    """The address, with every password in it replaced by stars; safe to log."""
    address = re.sub(r"(?<=://)([^:@/?#]*):.*@", r"\1:***@", address, count=1)
    return re.sub(r"([?&](?:ssl)?password=)[^&#]*", r"\1***", address, flags=re.IGNORECASE)


def _given_address(argument: str | None, environment: Mapping[str, str]) -> Address | None:
    if argument is not None:
        return Address(normalised(argument), "the argument")
    for name in ENVIRONMENT:
        if value := environment.get(name, "").strip():
            return Address(normalised(value), name)
    return None


def _embedded_address(environment: Mapping[str, str]) -> Address | None:
    if (start := _embedded_start(environment)) is None:
        return None
    server = start()
    return Address(server.dsn(), "the embedded server", server)


def _embedded_start(environment: Mapping[str, str]) -> Callable[[], Server] | None:
    """How to start the embedded server; None where it was not asked for, by its extra or its variable."""
    if os.name != "posix":  # file locks, which its lifetime hangs on, are missing elsewhere
        return None
    from baton.embedded.binaries import BIN_VARIABLE, wheel_is_installed
    from baton.embedded.server import EmbeddedServer

    return EmbeddedServer.start if environment.get(BIN_VARIABLE) or wheel_is_installed() else None


def _split(address: str) -> SplitResult:
    scheme, found, _ = address.partition("://")
    if not found or not _SCHEME.fullmatch(scheme):
        raise InvalidAddress("it should look like postgresql://user:password@host:5432/database")
    # The part before "+" is the dialect, the one behind it a driver of SQLAlchemy's, which says nothing to us.
    if scheme.lower().partition("+")[0] not in _SCHEMES:
        raise InvalidAddress(f"it begins with {scheme}://, and Baton needs PostgreSQL: postgresql://...")
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise InvalidAddress("its host cannot be read; an IPv6 address goes in brackets") from error
    # A password with one of these as it is ends too early, and its rest would be taken for a host or a query key,
    # and logged as such.
    if parts.fragment or ("@" not in parts.netloc and "@" in parts.path + parts.query):
        raise InvalidAddress("in a user name or a password, '/', '?' and '#' are written as %2F, %3F and %23")
    return parts


def _query_pair(key: str, value: str) -> tuple[str, str] | None:
    if key == "ssl":  # SQLAlchemy's asyncpg dialect and others write it for sslmode
        mode = _SSL_WORDS.get(value.lower(), value)
        return ("sslmode", mode) if mode in _SSL_MODES else None
    return (key, value) if key in _KEPT_KEYS else None
