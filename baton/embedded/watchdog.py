"""Keeps one embedded PostgreSQL server running for as long as a process uses it.

A program of its own, started detached by `baton.embedded.server`. It uses only the standard library,
because it must start in a few milliseconds and outlive the process that started it. Every process that
uses the server holds a shared lock on one file, which the operating system releases when the process
ends, SIGKILL included. The watchdog waits for the exclusive lock; once it has it, it stops the server
before it lets another process use it.

A server that ends by itself is started again, unless the file `halted` says that it is meant to be down.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

# Fast shutdown first; a session that does not end then is cut off, and at last the server is
# killed.
STOPPING = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 20.0), (signal.SIGKILL, 20.0))
EARLY_SECONDS = 2.0
EARLY_ENDS = 5
PAUSE_SECONDS = 0.2


class Watchdog:
    def __init__(self, home: Path, command: list[str], account: list[int] | None, remove: list[str]) -> None:
        self._home = home
        self._command = command
        self._account = account
        self._remove = remove
        self._server: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Start the server, keep it while it has users, then stop it and remove what was to be removed."""
        held = [lock(self._home / "watchdog.lock")]
        signal.signal(signal.SIGTERM, lambda *_: self._close_in_background())
        threading.Thread(target=self._close_after_the_last_user, args=(held,), daemon=True).start()
        self._supervise()
        self._ended.set()
        if self._closing:  # else the server failed to start, and its log is what its user reads next
            for path in self._remove:
                shutil.rmtree(path, ignore_errors=True)
        for descriptor in held:
            os.close(descriptor)

    def _supervise(self) -> None:
        early_ends = 0
        while not self._closing and early_ends < EARLY_ENDS:
            started = time.monotonic()
            self._start_server().wait()
            if self._wait_while_halted():
                early_ends = 0
            elif not self._closing:
                early_ends = early_ends + 1 if time.monotonic() - started < EARLY_SECONDS else 0
                # Sessions of a postmaster that was killed hold its shared memory for a moment, and
                # a new one refuses to start beside them.
                time.sleep(PAUSE_SECONDS)

    def _start_server(self) -> subprocess.Popen[bytes]:
        user, group = self._account or (None, None)
        server = subprocess.Popen(
            self._command, cwd="/", user=user, group=group, extra_groups=None if user is None else []
        )
        self._server = server
        if self._closing:  # closed while the server was being started, so this one got no signal
            server.send_signal(self._stopping()[0][0])
        return server

    def _wait_while_halted(self) -> bool:
        halted = self._home / "halted"
        was_halted = halted.exists()
        while halted.exists() and not self._closing:
            time.sleep(0.02)
        return was_halted

    def _close_after_the_last_user(self, held: list[int]) -> None:
        held.append(lock(self._home / "users.lock"))
        self._close()

    def _close_in_background(self) -> None:
        # A signal handler runs in the thread that waits for the server, which must go on waiting.
        threading.Thread(target=self._close, daemon=True).start()

    def _close(self) -> None:
        self._closing = True
        for how, patience_seconds in self._stopping():
            if self._server is not None:
                self._server.send_signal(how)
            if self._ended.wait(patience_seconds):
                return

    def _stopping(self) -> tuple[tuple[signal.Signals, float], ...]:
        # Data that is deleted afterwards needs no orderly shutdown.
        return STOPPING[1:] if str(self._home) in self._remove else STOPPING


def lock(path: Path) -> int:
    """Wait for the exclusive lock on a file, and return the descriptor that holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def main() -> None:
    os.setsid()
    os.chdir("/")
    order = json.loads(sys.argv[1])
    Watchdog(Path(order["home"]), order["command"], order["account"], order["remove"]).run()


if __name__ == "__main__":
    main()
