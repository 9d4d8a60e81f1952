"""Keeps a number of worker processes running. They are forked from this process, which has imported everything once.

Run with a JSON object of settings. Reads commands from its standard input, one a line, and ends, with all its children,
when that is closed:

    kill PID, stop PID, continue PID, terminate PID   send that signal to a child, if it lives
    drain                                             terminate all and start no more

and writes what happens to its standard output: `started PID`, `ended PID STATUS`, `drained`.
Signals go through this process, so that none can reach another process that has the id of a child that ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tests.programs.group_workers
import tests.programs.random_workers  # noqa: F401  # their workers are registered in every child
from baton import Engine, WorkerPool
from baton.database.failures import Failure, classify
from campaign import hooks
from tests.effects import Effects

SIGNALS = {
    "kill": signal.SIGKILL,
    "stop": signal.SIGSTOP,
    "continue": signal.SIGCONT,
    "terminate": signal.SIGTERM,
}
POLL_SECONDS = 0.01
ORPHAN_SECONDS = 0.5


@dataclass(slots=True)
class ForkServer:
    settings: dict[str, Any]
    children: set[int] = field(default_factory=set)
    started: int = 0
    is_draining: bool = False

    def run(self) -> None:
        try:
            while self._read_commands() and not (self.is_draining and not self.children):
                self._reap()
                while len(self.children) < self.settings["processes"] and not self.is_draining:
                    self._start()
            report("drained")
        finally:
            for pid in self.children:
                os.kill(pid, signal.SIGKILL)

    def _read_commands(self) -> bool:
        """Carry out the commands that have arrived; return False when standard input was closed."""
        ready, _, _ = select.select([0], [], [], POLL_SECONDS)
        if not ready:
            return True
        asked = os.read(0, 1 << 16).decode()
        for line in asked.splitlines():
            match line.split():
                case ["drain"]:
                    self._drain()
                case [order, pid] if int(pid) in self.children:
                    os.kill(int(pid), SIGNALS[order])
        return bool(asked)

    def _drain(self) -> None:
        self.is_draining = True
        for pid in self.children:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self.children.discard(pid)
            report(f"ended {pid} {os.waitstatus_to_exitcode(status)}")

    def _start(self) -> None:
        number = self.started
        self.started += 1
        if (pid := os.fork()) == 0:
            run_worker_process(self.settings, number)
        self.children.add(pid)
        report(f"started {pid}")


def run_worker_process(settings: dict[str, Any], number: int) -> None:
    """Run a worker pool in a child process, and never return."""
    status = 1
    try:
        addresses = settings["addresses"]
        asyncio.run(serve(settings, addresses[number % len(addresses)]))
        status = 0
    except BaseException:
        logging.getLogger("campaign").critical("a worker process failed", exc_info=True)
    finally:
        logging.shutdown()
        os._exit(status)


async def serve(settings: dict[str, Any], address: str) -> None:
    _end_with(os.getppid())
    hooks.misbehave()
    observers = [hooks.logged_to(Effects(Path(settings["effects"])))]
    while True:
        try:
            async with (
                Engine(address, schema=settings["schema"]) as engine,
                WorkerPool(engine, keep=None, observers=observers, **settings["pool"]) as pool,
            ):
                await pool.serve()
            return
        except Exception as error:
            if classify(error) not in (Failure.PASSING, Failure.LOCKED):
                raise
            # A fault came before the pool was ready; a supervisor would start the process again.
            logging.getLogger("campaign").warning("a worker process could not start: %r", error)
            await asyncio.sleep(0.2)


def _end_with(parent: int) -> None:
    """End this process soon after its parent has ended."""
    if os.getppid() != parent:
        os._exit(1)
    asyncio.get_running_loop().call_later(ORPHAN_SECONDS, _end_with, parent)


def report(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    logging.basicConfig(
        filename=given["log"], level=logging.WARNING, format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )
    ForkServer(given).run()
