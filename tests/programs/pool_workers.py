"""Workers at the top of a module: what another process can import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from baton import Context, worker


@worker
async def double(number: int) -> int:
    return 2 * number


@worker(executor="process")
def process_id() -> int:
    return os.getpid()


@worker(executor="process")
def die() -> None:
    os._exit(9)


@worker(executor="process")
def write_pid_and_hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(120)


@worker(executor="process")
def write_pid_and_compute(path: str) -> None:
    """Compute for minutes in one call that lets no other thread run."""
    Path(path).write_text(str(os.getpid()))
    sum(range(10**14))


@worker(executor="process")
def exits() -> None:
    sys.exit(5)


@worker(executor="process")
def prints() -> str:
    print("by print")  # noqa: T201  # what is tried here
    subprocess.run([sys.executable, "-c", "print('by a process of its own')"], check=True)
    return "printed"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@worker(executor="process")
def described(ctx: Context, number: int) -> dict[str, Any]:
    return {"step": ctx.step, "attempt": ctx.attempt, "results": dict(ctx.results), "number": number}


@worker(executor="process")
def attached_as_seen_elsewhere(ctx: Context) -> Any:
    return ctx.meta
