"""The certificates of an address: `sslrootcert=system`, which asyncpg does not know, and files that cannot be read."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from baton.database.address import SYSTEM_CERTIFICATES
from baton.errors import InvalidAddress

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


@cache
def tls_context(dsn: str) -> ssl.SSLContext | None:
    """Return what verifies the server by the certificate authorities of this machine, and its host name.

    None if the address does not ask for that: then asyncpg reads from it what to do. A certificate
    of the client, and the lowest version, are those of the address.

    Raises:
        InvalidAddress: a file that the address names cannot be read. asyncpg raises FileNotFoundError
            without a name, which looks as if there were no server.
    """
    given = dict(parse_qsl(urlsplit(dsn).query))
    _require_readable(given)
    if given.get("sslrootcert") != SYSTEM_CERTIFICATES:
        return None
    context = ssl.create_default_context()
    if lowest := given.get("ssl_min_protocol_version"):
        context.minimum_version = ssl.TLSVersion[lowest.replace(".", "_")]
    if certificate := given.get("sslcert"):
        try:
            context.load_cert_chain(certificate, given.get("sslkey"), lambda: given.get("sslpassword", ""))
        except (OSError, ssl.SSLError) as error:
            raise InvalidAddress(f"its sslcert and sslkey cannot be used: {error.strerror or error}") from error
    return context


def _require_readable(given: Mapping[str, str]) -> None:
    for name in _FILES:
        if (path := given.get(name, SYSTEM_CERTIFICATES)) != SYSTEM_CERTIFICATES:
            try:
                Path(path).open("rb").close()
            except OSError as error:
                # Without its cause, which names the file: no parameter of an address is printed.
                raise InvalidAddress(f"its {name} cannot be read: {error.strerror}") from None
