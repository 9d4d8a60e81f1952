"""Find the database's address, and read the forms of addresses that applications have in their environment.

An address is given as an argument, else in BATON_DATABASE_URL, else in DATABASE_URL, else it is that
of the embedded server, when the extra `embedded` is installed. Addresses written for SQLAlchemy,
psycopg or PgBouncer are understood: the driver's name is dropped, a service is looked up in
pg_service.conf, and every query key is dropped that asyncpg would send to the server as a setting,
where it fails.

No text made here has a password or any other parameter of an address in it, not even of one that
cannot be read: what looks like a host may be the end of a password that was not quoted.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlencode

from baton.database.service_file import service_settings
from baton.errors import InvalidAddress, NoAddress

log = logging.getLogger("baton.database")

ENVIRONMENT = ("BATON_DATABASE_URL", "DATABASE_URL")
SYSTEM_CERTIFICATES = "system"
"""The value of `sslrootcert` that stands for the certificate authorities of this machine."""

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
# The only keys that a warning names: another one may be a piece of a password.
_KNOWN_KEYS = frozenset(
    {
        *("pgbouncer", "connection_limit", "pool_timeout", "pool_size", "max_overflow", "schema", "ssl", "sslaccept"),
        *("connect_timeout", "socket_timeout", "command_timeout", "statement_cache_size", "keepalives"),
        *("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback", "channel_binding"),
        *("gssencmode", "keepalives_idle", "keepalives_interval", "keepalives_count", "fallback_application_name"),
        *("sslnegotiation", "sslcompression", "sslsni", "requirepeer", "load_balance_hosts", "tcp_user_timeout"),
    }
)
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_SSL_VALUES = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable", "off": "disable"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_PIECES = re.compile(r"([^/?#]*)(/[^?#]*)?(?:\?([^#]*))?(#.*)?", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Za-z:.%]+\]|[^\[\]:]*)(?::([0-9]{1,5})?)?")
_PORTS = re.compile(r"[0-9]{1,5}(,[0-9]{1,5})*|")
_EXAMPLE = "it should look like postgresql://user:password@host:5432/database"
_QUOTING = (
    "in a user name, a password, a database's name or a parameter, '/', '?', '#', '@' and '&' are written as %2F, %3F, "
    "%23, %40 and %26"
)


class Server(Protocol):
    """A server that runs as long as it is used."""

    def dsn(self, database: str = ...) -> str: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is, and what named it."""

    dsn: str = field(repr=False)
    """For asyncpg; it may hold a password."""
    source: str
    """"the argument", the name of an environment variable, or "the embedded server"."""
    server: Server | None = None
    """The embedded server, if it is ours: call `release` when done with the address."""

    @property
    def shown(self) -> str:
        """The address without its password and parameters, for messages."""
        return without_password(self.dsn)

    def release(self) -> None:
        """Stop using the embedded server, if the address leads to it. Blocks until it is down."""
        if self.server is not None:
            self.server.stop()


def resolve_address(argument: str | None = None, environment: Mapping[str, str] | None = None) -> Address:
    """Find the database's address, and log which one was taken, without its password.

    Starting the embedded server blocks for up to seconds: where an event loop must go on meanwhile,
    call this from a thread.

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


def asyncpg_dsn(address: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the address as asyncpg takes it. A warning names what had to be left out.

    A service is looked up in the file that `environment` names, or in the user's.

    Raises:
        InvalidAddress: it is not an address of PostgreSQL, or names a service that is not there.
    """
    parts = _split(address)
    parameters, dropped = _kept(parts.parameters)
    if service := dict(parts.parameters).get("service"):
        settings = service_settings(service, os.environ if environment is None else environment)
        known, unknown = _kept(list(settings.items()))
        # What the address says itself goes first.
        parameters = [*[pair for pair in known if not parts.says(pair[0])], *parameters]
        dropped += unknown
    _require_usable(parameters)
    if dropped:
        log.warning("the database address has query keys that mean nothing here and are left out: %s", _named(dropped))
    query = urlencode(parameters, quote_via=quote, safe="/")
    return f"postgresql://{parts.authority}{parts.path}" + (f"?{query}" if query else "")


def without_password(address: str) -> str:
    """Return the address without its password and its parameters; safe to log.

    Of an address that cannot be read nothing is returned, because it is unknown where the password ends.
    """
    try:
        parts = _split(address)
    except InvalidAddress:
        return "(an address that cannot be read)"
    given = dict(parts.parameters)
    user = parts.user or quote(given.get("user", ""))
    password = ":***" if parts.password or "password" in given else ""
    hosts = parts.hosts or given.get("host", "")
    port = f":{given['port']}" if given.get("port") and not parts.hosts else ""
    database = parts.path.removeprefix("/") or given.get("dbname", given.get("database", ""))
    return f"postgresql://{user}{password}{'@' if user or password else ''}{hosts}{port}/{database}"


@dataclass(frozen=True, slots=True)
class _Parts:
    """An address in pieces. User, password, hosts and path are quoted as in a URL, parameters are not."""

    user: str
    password: str = field(repr=False)
    hosts: str
    path: str
    parameters: Sequence[tuple[str, str]] = field(repr=False)

    @property
    def authority(self) -> str:
        if not self.user and not self.password:
            return self.hosts
        return f"{self.user}{':' if self.password else ''}{self.password}@{self.hosts}"

    def says(self, key: str) -> bool:
        """Whether the address has this parameter itself, be it before or behind the question mark."""
        before = {
            "user": self.user,
            "password": self.password,
            "host": self.hosts,
            "port": re.search(r":[0-9]+(,|$)", self.hosts),
            "dbname": self.path.removeprefix("/"),
        }
        names = {"dbname", "database"} if key in ("dbname", "database") else {key}
        return any(before.get(name) or name in dict(self.parameters) for name in names)


def _given_address(argument: str | None, environment: Mapping[str, str]) -> Address | None:
    if argument is not None:
        return Address(asyncpg_dsn(argument, environment), "the argument")
    for name in ENVIRONMENT:
        if value := environment.get(name, "").strip():
            return Address(asyncpg_dsn(value, environment), name)
    return None


def _embedded_address(environment: Mapping[str, str]) -> Address | None:
    if (start := _embedded_start(environment)) is None:
        return None
    server = start()
    return Address(server.dsn(), "the embedded server", server)


def _embedded_start(environment: Mapping[str, str]) -> Callable[[], Server] | None:
    """How to start the embedded server; None unless its extra is installed or its variable is set."""
    if os.name != "posix":  # its lifetime depends on file locks, which are missing elsewhere
        return None
    from baton.embedded.binaries import BIN_VARIABLE, wheel_is_installed
    from baton.embedded.server import EmbeddedServer

    return EmbeddedServer.start if environment.get(BIN_VARIABLE) or wheel_is_installed() else None


def _split(address: str) -> _Parts:
    scheme, found, rest = address.partition("://")
    if not found or not _SCHEME.fullmatch(scheme):
        raise InvalidAddress(_EXAMPLE)
    # The part before "+" is the dialect, the one behind it a driver of SQLAlchemy's, which we do
    # not need.
    if (dialect := scheme.lower().partition("+")[0]) not in _SCHEMES:
        raise InvalidAddress(f"it begins with {dialect}://, and Baton needs PostgreSQL: postgresql://...")
    # Not urlsplit: it takes a bracket in a password for an IPv6 address, and a raw '@' for the end
    # of it.
    authority, path, query, fragment = _PIECES.findall(rest)[0]
    if fragment or "@" in path + query:
        raise InvalidAddress(_QUOTING)
    who, _, hosts = authority.rpartition("@")
    user, _, password = who.partition(":")
    parameters = parse_qsl(query, keep_blank_values=True)
    return _Parts(_quoted(user), _quoted(password), _checked_hosts(hosts), _quoted(path, "/"), parameters)


def _quoted(text: str, safe: str = "") -> str:
    """Quote what was not quoted. A percent sign stays as it is, for most of them begin a quoted character."""
    return quote(text, safe="%!$'()*+,;=-._~" + safe)


def _checked_hosts(hosts: str) -> str:
    """Return the hosts with their ports. Raises `InvalidAddress`."""
    for host in hosts.split(","):
        if (found := _HOST.fullmatch(host)) is None:
            raise InvalidAddress(
                "its host or port cannot be read: a port is a number, an IPv6 address stands in brackets, and in a "
                "user name or a password ':' and '@' are written as %3A and %40"
            )
        if found[2] and int(found[2]) > 65_535:
            raise InvalidAddress("its port is larger than 65535")
    return ",".join(host.removesuffix(":") for host in hosts.split(","))


def _kept(parameters: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the parameters that asyncpg understands, and the keys of the others."""
    kept, dropped = [], []
    for key, value in parameters:
        mode = _SSL_VALUES.get(value.lower(), value)
        if key == "ssl" and mode in _SSL_MODES:  # SQLAlchemy's asyncpg dialect and others write it for sslmode
            kept.append(("sslmode", mode))
        elif key in _KEPT_KEYS:
            kept.append((key, value))
        elif key != "service":
            dropped.append(key)
    return kept, dropped


def _require_usable(parameters: Sequence[tuple[str, str]]) -> None:
    given = dict(parameters)
    if not _PORTS.fullmatch(given.get("port", "")):
        raise InvalidAddress("its parameter port is not a number")
    if given.get("sslmode", "verify-full") not in _SSL_MODES:
        raise InvalidAddress(f"its parameter sslmode is none of {', '.join(sorted(_SSL_MODES))}")
    if given.get("sslrootcert") == SYSTEM_CERTIFICATES and given.get("sslmode", "verify-full") != "verify-full":
        raise InvalidAddress(
            "sslrootcert=system verifies the server's certificate and its host name, so sslmode must be verify-full or "
            "left out"
        )


def _named(keys: Sequence[str]) -> str:
    known = sorted({key for key in keys if key in _KNOWN_KEYS})
    others = len(set(keys)) - len(known)
    return ", ".join([*known, *([f"{others} that are not known here"] if others else [])])
