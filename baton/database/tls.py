"""How a connection is encrypted where the address says `sslrootcert=system`, which asyncpg does not know."""

from __future__ import annotations

import ssl
from functools import cache
from urllib.parse import parse_qsl, urlsplit

from baton.database.address import SYSTEM_CERTIFICATES
from baton.errors import InvalidAddress


@cache
def tls_context(dsn: str) -> ssl.SSLContext | None:
    """Return what verifies the server by the certificate authorities of this machine, and its host name.

    None if the address does not ask for that: then asyncpg reads from it what to do. A certificate
    of the client, and the lowest version, are those of the address.

    Raises:
        InvalidAddress: the client's certificate or key cannot be read.
    """
    given = dict(parse_qsl(urlsplit(dsn).query))
    if given.get("sslrootcert") != SYSTEM_CERTIFICATES:
        return None
    context = ssl.create_default_context()
    if lowest := given.get("ssl_min_protocol_version"):
        context.minimum_version = ssl.TLSVersion[lowest.replace(".", "_")]
    if certificate := given.get("sslcert"):
        try:
            context.load_cert_chain(certificate, given.get("sslkey"), lambda: given.get("sslpassword", ""))
        except (OSError, ssl.SSLError) as error:
            raise InvalidAddress(f"its sslcert or sslkey cannot be read: {error.strerror or error}") from error
    return context
