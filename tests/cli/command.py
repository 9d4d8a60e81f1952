"""Running the command line as a user does: in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60


def environment(database: str | None = None, **variables: str) -> dict[str, str]:
    """This process's environment, in which only `database` says where the database is."""
    kept = {name: value for name, value in os.environ.items() if name not in ("BATON_DATABASE_URL", "DATABASE_URL")}
    if database is not None:
        kept["BATON_DATABASE_URL"] = database
    return kept | {"PYTHONPATH": str(ROOT)} | variables


def python(*arguments: str, cwd: Path, **given: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def baton(*arguments: str, cwd: Path, database: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `baton` to its end."""
    return python("-m", "baton", *arguments, cwd=cwd, database=database)


def assert_succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed; a failure's message is what it said instead."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_refused(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one sentence of a command that failed as it should."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("baton: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("baton: ").removesuffix("\n")


@contextmanager
def worker_process(module: str, *arguments: str, cwd: Path, **given: str) -> Iterator[subprocess.Popen[str]]:
    """A `baton worker` that is killed in the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "baton", "worker", module, *arguments],
        cwd=cwd,
        env=environment(**given),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def terminated(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Send SIGTERM; return the exit code and what the process logged."""
    process.send_signal(signal.SIGTERM)
    _, logged = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, logged


def free_port() -> int:
    """A port nobody listens at; somebody may before we do, which is unlikely."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def asked(port: int, path: str) -> tuple[int, dict[str, Any]] | None:
    """What a worker's health endpoint answers: status and facts; None while nobody does."""
    async with httpx.AsyncClient() as client:
        try:
            response = await client.get(f"http://127.0.0.1:{port}{path}")
        except httpx.TransportError:
            return None
    return response.status_code, response.json()


async def status_is(port: int, status: int) -> bool:
    """Whether a worker's readiness endpoint answers with this status."""
    answered = await asked(port, "/readyz")
    return answered is not None and answered[0] == status
