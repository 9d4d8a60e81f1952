"""Workers that run in an executor of the application, named "elsewhere"."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from baton import Context, Skip, worker
from baton.client.engine_in_use import engine_in_use


@dataclass
class Point:
    x: int
    y: int


@worker(name="elsewhere add", executor="elsewhere")
def add(left: int, right: int) -> int:
    return left + right


@worker(name="elsewhere where", executor="elsewhere")
def where() -> list[int]:
    return [os.getpid(), threading.get_ident()]


@worker(name="elsewhere typed", executor="elsewhere")
def typed(ctx: Context, point: Point) -> Point:
    return Point(point.x + ctx.attempt, point.y + len(ctx.results))


@worker(name="elsewhere raising", executor="elsewhere", max_attempts=1)
def raising() -> None:
    raise ValueError("as it happens")


@worker(name="elsewhere skipping", executor="elsewhere")
def skipping() -> Skip:
    return Skip("not today")


@worker(name="elsewhere held", executor="elsewhere")
def held(folder: str, timeout: float = 60) -> str:
    """Make the file `began` in a folder, and wait for the file `go`."""
    (Path(folder) / "began").touch()
    ends = time.monotonic() + timeout
    while not (Path(folder) / "go").exists() and time.monotonic() < ends:
        time.sleep(0.01)
    return "gone on"


@worker(name="elsewhere deadly", executor="elsewhere", backoff=0)
def deadly(folder: str) -> str:
    """Kill its process in the first attempt."""
    if not (marker := Path(folder) / "killed").exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@worker(name="elsewhere schema", executor="elsewhere")
def schema() -> str | None:
    engine = engine_in_use()
    return None if engine is None else engine.schema
