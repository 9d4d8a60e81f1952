"""A replica of an embedded server that can take its place."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from baton.embedded.binaries import clean_environment, server_user
from baton.embedded.home import private_temporary_folder
from baton.embedded.server import EmbeddedServer
from tests.conftest import run_apart
from tests.waiting import eventually

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Standby:
    """A server that follows another one."""

    folder: Path
    bin: Path

    def dsn(self, primary_dsn: str) -> str:
        """The address of the same database here."""
        query = f"host={quote(str(self.folder / 'socket'))}&port=5432"
        return urlunsplit(urlsplit(primary_dsn)._replace(query=query))

    def promote(self) -> None:
        """Promote it, and return when it accepts writes."""
        self.run("pg_ctl", "promote", "-w", "-D", str(self.folder / "data"))

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self.account(),
        )
        assert done.returncode == 0, done.stdout

    def account(self) -> dict[str, Any]:
        """The arguments with which the server's programs are started as another user than root."""
        user = server_user()
        account: dict[str, Any] = {"cwd": "/", "env": clean_environment()}
        if user is not None:
            account |= {"user": user.uid, "group": user.gid, "extra_groups": []}
        return account


@contextmanager
def standby_of(primary: EmbeddedServer) -> Iterator[Standby]:
    """Copy a server and follow it: from now on each commit there waits until it is stored here too."""
    user = server_user()
    standby = Standby(private_temporary_folder(user), primary.bin)
    for name in ("data", "socket"):
        folder = standby.folder / name
        folder.mkdir(mode=0o700)
        if user is not None:
            shutil.chown(folder, user.uid, user.gid)
    try:
        standby.run(
            "pg_basebackup", "-D", str(standby.folder / "data"), "-d", primary.dsn(), "-R", "-c", "fast", "--no-sync"
        )
        with _running(standby):
            run_apart(lambda: _until_it_follows(primary.dsn()))
            yield standby
    finally:
        shutil.rmtree(standby.folder, ignore_errors=True)


@contextmanager
def _running(standby: Standby) -> Iterator[None]:
    settings = {"listen_addresses": "", "unix_socket_directories": str(standby.folder / "socket"), "fsync": "off"}
    command = [str(standby.bin / "postgres"), "-D", str(standby.folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (standby.folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **standby.account()
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


async def _until_it_follows(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("alter system set synchronous_standby_names = '*'")
        await connection.execute("select pg_reload_conf()")
        follows = "select count(*) = 1 from pg_stat_replication where sync_state = 'sync'"
        await eventually(lambda: connection.fetchval(follows), deadline=START_SECONDS, every=0.1)
    finally:
        await connection.close()
