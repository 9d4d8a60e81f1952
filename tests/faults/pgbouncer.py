"""A real PgBouncer in transaction mode, from PATH or from Debian's package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

LOCALHOST = "127.0.0.1"
START_SECONDS = 30.0
APT_SECONDS = 300.0
UNPRIVILEGED = "nobody"

CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_addr = {localhost}
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_login_retry = 1
default_pool_size = 10
max_client_conn = 200
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
"""


def find_pgbouncer(folder: Path) -> Path:
    """Return the program on PATH, or else that of Debian's package, unpacked into `folder` and not installed.

    The test is skipped only where there is neither; if apt is there and fails, that is an error.
    """
    if found := shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"):
        return Path(found)
    if shutil.which("apt-get") is None:
        pytest.skip("there is no pgbouncer on PATH, and no apt-get to fetch it with")
    _fetch_packages(folder)
    (program,) = folder.glob("usr/sbin/pgbouncer")
    return program


def _fetch_packages(folder: Path) -> None:
    """Download the package and the dependencies that this machine lacks, and install nothing."""
    lists = folder / "lists"
    for private in (lists / "partial", folder / "archives" / "partial"):
        private.mkdir(parents=True)
    own = ["-o", f"Dir::Cache={folder}", "-o", f"Dir::Cache::archives={folder}/archives", "-o", "Debug::NoLocking=1"]
    # As root, apt downloads as another user, which cannot write here.
    own += ["-o", "APT::Sandbox::User="]
    install = ["install", "-y", "--no-install-recommends", "--download-only", "pgbouncer"]
    if _apt(*own, *install) != 0:
        # Images of containers often come without lists of packages.
        own += ["-o", f"Dir::State::lists={lists}"]
        assert _apt(*own, "update") == 0, "apt-get update failed"
        assert _apt(*own, *install) == 0, "apt-get could not download pgbouncer"
    for package in sorted(folder.glob("archives/*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True, timeout=APT_SECONDS)


def _apt(*arguments: str) -> int:
    return subprocess.run(
        ["apt-get", "-q", *arguments], stdin=subprocess.DEVNULL, check=False, timeout=APT_SECONDS
    ).returncode


@contextmanager
def pgbouncer(program: Path, dsn: str) -> Iterator[str]:
    """Run PgBouncer in transaction mode in front of a server that listens on TCP; yield the address through it."""
    folder = Path(tempfile.mkdtemp(prefix="pgb-"))
    behind = urlsplit(dsn)
    with socket.socket() as free:
        free.bind((LOCALHOST, 0))
        port: int = free.getsockname()[1]
    configuration = folder / "pgbouncer.ini"
    facts = {"host": behind.hostname, "port": behind.port, "user": behind.username, "folder": folder}
    configuration.write_text(CONFIGURATION.format(localhost=LOCALHOST, listen_port=port, **facts))
    process = subprocess.Popen(
        [str(program), *_as_another_user(folder), str(configuration)],
        env=os.environ | {"LD_LIBRARY_PATH": _libraries(program)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_answers(port, process, folder / "pgbouncer.log")
        netloc = f"{behind.username}@{LOCALHOST}:{port}"
        yield urlunsplit(behind._replace(netloc=netloc, query="sslmode=disable"))
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _as_another_user(folder: Path) -> list[str]:
    """PgBouncer refuses to run as root."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, UNPRIVILEGED)
    folder.chmod(0o755)
    return ["-u", UNPRIVILEGED]


def _libraries(program: Path) -> str:
    """The folders with an unpacked program's own libraries; an installed program finds its libraries by itself."""
    root = program.parents[2]
    return ":".join(str(folder) for folder in root.glob("usr/lib/*-linux-*")) if root != Path("/") else ""


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((LOCALHOST, port), timeout=1).close()
            return
        except OSError:
            said = log.read_text() if log.exists() else "nothing"
            assert process.poll() is None, f"pgbouncer ended; it said:\n{said}"
            assert time.monotonic() < deadline, f"pgbouncer does not answer; it said:\n{said}"
            time.sleep(0.05)
