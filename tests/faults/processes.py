"""Real worker processes, to be killed, stopped and continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from baton import Run
from tests.effects import Effects
from tests.programs.fault_workers import EFFECTS
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process that runs `tests.programs.fault_pool`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, deadline: float = 60) -> int:
        """Wait for its end; return its exit code, negative if a signal ended it."""
        await eventually(lambda: self.process.poll() is not None, deadline=deadline)
        assert self.process.returncode is not None
        return self.process.returncode

    async def has_logged(self, text: str, deadline: float = 30) -> None:
        """Wait until its log contains this text."""
        await eventually(lambda: text in self.log.read_text(), deadline=deadline)

    async def is_stopped(self) -> None:
        """Wait until a signal has stopped it."""
        status = Path(f"/proc/{self.pid}/status")
        await eventually(lambda: "stopped" in status.read_text(), deadline=30)

    async def registered(self, connection: asyncpg.Connection, but: int = -1) -> int:
        """Wait until it has a living pool, another than `but`; return the pool's number."""
        query = "select id from baton.pools where pid = $1 and dead_at is null and id <> $2"
        return await eventually(lambda: connection.fetchval(query, self.pid, but), deadline=60)


@contextmanager
def worker_process(database: str, effects: Effects, **settings: Any) -> Iterator[WorkerProcess]:
    """A worker process with a lease of a second; killed in the end if it still runs."""
    log = effects.path.with_name(f"worker{next(_numbers)}.log")
    command = [sys.executable, "-m", "tests.programs.fault_pool", json.dumps({"lease": 1} | settings)]
    environment = os.environ | {"BATON_DATABASE_URL": database, EFFECTS: str(effects.path)}
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
    try:
        yield WorkerProcess(process, log)
    finally:
        process.kill()
        process.wait()


async def expire_lease(connection: asyncpg.Connection, pid: int) -> None:
    """Make the lease of a killed process expire now."""
    await connection.execute("update baton.pools set expires_at = clock_timestamp() where pid = $1", pid)


async def make_retries_due(connection: asyncpg.Connection) -> bool:
    """Make every retry due now. Return False if none was waiting."""
    done = await connection.execute(
        "update baton.queue set scheduled_at = clock_timestamp() where state = 'retryable' and scheduled_at > now()"
    )
    return done != "UPDATE 0"


async def is_completed(run: Run, connection: asyncpg.Connection) -> bool:
    """Make every retry due now, and return whether the run is completed."""
    await make_retries_due(connection)
    return (await run.status()).state == "completed"
