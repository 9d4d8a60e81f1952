"""The worker processes, as the campaign sees them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from campaign.tally import Tally

ROOT = Path(__file__).resolve().parents[1]
DRAIN_SECONDS = 30.0


class Workers:
    """A fork server and its children. Leaving it ends them all."""

    def __init__(self, name: str, settings: Mapping[str, Any], environment: Mapping[str, str], tally: Tally) -> None:
        self.name = name
        self.alive: set[int] = set()
        self.stopped: set[int] = set()
        self.unexpected: list[str] = []
        """Ends of processes for which there is no reason."""
        self._settings = dict(settings)
        self._environment = dict(environment)
        self._tally = tally
        self._drained = asyncio.Event()
        self._terminated: set[int] = set()
        self._is_draining = False

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "campaign.fork_server",
            json.dumps(self._settings),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | self._environment,
            cwd=ROOT,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await self._reading

    def choose(self, chance: random.Random) -> int | None:
        """Return one of the processes that run, or None if there is none."""
        running = sorted(self.alive - self.stopped)
        return chance.choice(running) if running else None

    def kill(self, pid: int) -> None:
        self._terminated.add(pid)
        self._order("kill", pid)

    def terminate(self, pid: int) -> None:
        self._terminated.add(pid)
        self._order("terminate", pid)

    def stop(self, pid: int) -> None:
        self.stopped.add(pid)
        self._order("stop", pid)

    def resume(self, pid: int) -> None:
        self.stopped.discard(pid)
        self._order("continue", pid)

    async def drain(self) -> bool:
        """End all processes with SIGTERM and start no more. Return False if they did not end in time."""
        self._is_draining = True
        self._order("drain")
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._drained.wait()
        except TimeoutError:
            return False
        return True

    def _order(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            match line.decode().split():
                case ["started", pid]:
                    self.alive.add(int(pid))
                    self._tally.add("worker processes started")
                case ["ended", pid, status]:
                    self._ended(int(pid), int(status))
                case ["drained"]:
                    self._drained.set()
                case other:
                    self.unexpected.append(f"the fork server of the {self.name} workers wrote {other}")

    def _ended(self, pid: int, status: int) -> None:
        self.alive.discard(pid)
        self.stopped.discard(pid)
        is_asked_for = pid in self._terminated
        self._terminated.discard(pid)
        if status == -9 and not is_asked_for:
            self._tally.add("processes killed by a step")
        elif status not in (0, -9) and not (status == -15 and (is_asked_for or self._is_draining)):
            # -15: the signal came before the process had its handler.
            self.unexpected.append(f"a process of the {self.name} workers ended with status {status}")
