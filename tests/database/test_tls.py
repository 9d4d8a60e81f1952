"""`sslrootcert=system`: the server is verified by the authorities of this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from baton import Engine, InvalidAddress
from baton.database.tls import tls_context

CERTIFICATES = Path(__file__).with_name("certificates")


@asynccontextmanager
async def encrypted(database: str) -> AsyncIterator[int]:
    """Listen on localhost, and lead what comes there, encrypted, to the socket of the real server.

    Most builds of PostgreSQL without OpenSSL could not be tested otherwise.
    """
    query = parse_qs(urlsplit(database).query)
    behind = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
    identity = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    identity.load_cert_chain(CERTIFICATES / "server.pem")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # the request for encryption, which every client makes first
        writer.write(b"S")
        try:
            await writer.start_tls(identity)
        except (OSError, ssl.SSLError):
            return  # the client does not trust us
        theirs, ours = await asyncio.open_unix_connection(behind)
        await asyncio.gather(copied(reader, ours), copied(theirs, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except OSError:
        pass
    writer.close()


@pytest.fixture
async def port(database) -> AsyncIterator[int]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(encrypted(database))


@pytest.fixture(autouse=True)
def _nothing_remembered():
    tls_context.cache_clear()


def address(database: str, host: str, port: int, **parameters: str) -> str:
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    return f"postgresql://postgres@{host}:{port}{urlsplit(database).path}?sslrootcert=system{query}"


async def test_a_server_whose_authority_this_machine_knows_is_trusted(database, port, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))

    async with Engine(address(database, "localhost", port)) as engine:
        assert await engine.queues() == []


async def test_a_server_whose_authority_it_does_not_know_is_refused(database, port):
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer certificate|self-signed"):
        await Engine(address(database, "localhost", port)).__aenter__()


async def test_a_server_under_another_name_is_refused(database, port, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))

    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        await Engine(address(database, "127.0.0.1", port)).__aenter__()


async def test_a_certificate_of_the_client_that_is_not_there_is_an_error(database, port):
    with pytest.raises(InvalidAddress, match="its sslcert or sslkey cannot be read: No such file"):
        await Engine(address(database, "localhost", port, sslcert="/no/such.pem")).__aenter__()


async def test_a_server_without_encryption_is_refused(database):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises((ConnectionError, asyncpg.InterfaceError), match="SSL"):
        await Engine(address(database, "localhost", port)).__aenter__()
    server.close()
