"""The PostgreSQL that is measured: its own, with default durability, and a new database for each measurement."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from baton.embedded.server import EmbeddedServer

SETTINGS = {
    # A temporary server would do without; default durability is what is measured.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "400",
    "shared_preload_libraries": "pg_stat_statements",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; databases are made from templates."""

    embedded: EmbeddedServer

    def address(self, database: str) -> str:
        return self.embedded.dsn(database)

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.address("template1"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, database: str, template: str = "template1") -> str:
        """Make a database, and return its address."""
        await self.drop(database)
        await self.execute(f'create database "{database}" template "{template}"')
        return self.address(database)

    async def drop(self, database: str) -> None:
        await self.execute(f'drop database if exists "{database}" with (force)')


@contextmanager
def started(**settings: str) -> Iterator[Server]:
    """Start the server; its programs are found by those that need them (absurdctl calls psql)."""
    with EmbeddedServer.start(temporary=True, settings=SETTINGS | settings) as embedded:
        before = os.environ.get("PATH", "")
        os.environ["PATH"] = f"{embedded.bin}{os.pathsep}{before}"
        try:
            yield Server(embedded)
        finally:
            os.environ["PATH"] = before


def machine(server: Server, python: str | None = None) -> str:
    """What it was measured on, in a line that does not name the machine."""
    memory = ""
    if Path("/proc/meminfo").exists():
        kibibytes = int(Path("/proc/meminfo").read_text().split()[1])
        memory = f", {kibibytes / 2**20:.0f} GiB of memory"
    return (
        f"{os.cpu_count()} cores{memory}, {platform.system()} on {platform.machine()}, "
        f"PostgreSQL {server.embedded.major} on the same machine with fsync on and its default settings, "
        f"Python {python or '.'.join(map(str, sys.version_info[:3]))}"
    )
