"""A PostgreSQL server of our own, for the first hour with the library, for demonstrations and for tests.

It runs with and without root, and listens on a socket in a private directory, not on a network. It ends
with the last process that uses it: each of them holds a shared file lock, and a detached watchdog
(`baton.embedded.watchdog`) stops the server when none is held any more, even after SIGKILL. The first
start takes 0.4 to 0.8 s, joining a running server 0.02 s.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from baton.embedded.binaries import (
    Binaries,
    clean_environment,
    find_binaries,
    server_user,
    within_reach,
)
from baton.embedded.home import (
    PORT,
    SUPERUSER,
    Home,
    Postmaster,
    default_folder,
    holding,
    is_locked,
    open_home,
    private_temporary_folder,
    take_lock,
)
from baton.errors import EmbeddedServerError

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_START_SECONDS = 120.0  # recovery after a crash is part of it
_STOP_SECONDS = 110.0  # the watchdog's patience, and a little more
_POLL_SECONDS = 0.01
# Nothing of a temporary server outlives it, so its data need not survive a crash of the machine.
_TEMPORARY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedServer:
    """The use of an embedded server by one process; begun by `start`, ended by `stop` or with the process.

    A plain context manager, for code with and without an event loop. `start`, `stop` and `restart` block for up to
    seconds: call them from a thread (`anyio.to_thread.run_sync`) where a loop must go on meanwhile.
    """

    def __init__(self, home: Home, binaries: Binaries, *, temporary: bool) -> None:
        self._home = home
        self._binaries = binaries
        self._temporary = temporary
        self._use: int | None = None  # the descriptor that holds the shared lock
        self._watchdog_pid: int | None = None

    @classmethod
    def start(
        cls,
        data_dir: Path | None = None,
        *,
        temporary: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Start the server that lives in `data_dir`, or join it if it runs; return when it accepts connections.

        Any number of processes may do so at once. Left out, `data_dir` is the user's own ($XDG_DATA_HOME/baton, or
        ~/.local/share/baton; as root perhaps /var/lib/baton), and its data stays. With `temporary` the server is a
        new one, and what it stored is deleted with it. `settings` are PostgreSQL's own; they have an effect only
        if this call starts the server.

        Raises:
            EmbeddedServerError: there are no programs for it, or it does not start; the text has the end of its log.
        """
        if temporary and data_dir is not None:
            raise ValueError("a temporary server makes a directory of its own: leave out data_dir, or temporary")
        user = server_user()
        binaries = find_binaries()
        folder = private_temporary_folder(user) if temporary else data_dir
        home = open_home(folder or default_folder(os.environ, binaries.major, user), user)
        server = cls(home, binaries, temporary=temporary)
        try:
            server._join_or_start((_TEMPORARY_SETTINGS if temporary else {}) | dict(settings or {}))
        except BaseException:
            server.stop()
            raise
        return server

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of one of the server's databases, as asyncpg, psycopg and psql take it."""
        folder = quote(str(self._running().socket_folder))
        # The port is named, or PGPORT in the caller's environment would be taken.
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={folder}&port={PORT}"

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._running().pid

    @property
    def bin(self) -> Path:
        """The directory with PostgreSQL's programs."""
        return self._binaries.bin

    @property
    def major(self) -> int:
        """PostgreSQL's major version."""
        return self._binaries.major

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self._home.data

    @property
    def log(self) -> Path:
        """The file the server writes its messages to."""
        return self._home.log

    def halt(self, *, immediate: bool = False) -> None:
        """Take the server down for all its users, until `resume`; returns when its process is gone.

        Immediately means without a checkpoint, as in a crash; what was committed is recovered on resuming.
        """
        pid = self.pid
        self._home.halted.touch()
        os.kill(pid, signal.SIGQUIT if immediate else signal.SIGINT)
        self._wait_until_stopped(pid)

    def resume(self) -> None:
        """Start a halted server again; returns when it accepts connections."""
        self._home.halted.unlink(missing_ok=True)
        self._wait_until_it_answers()

    def restart(self, *, immediate: bool = False) -> None:
        """Halt and resume."""
        self.halt(immediate=immediate)
        self.resume()

    def stop(self) -> None:
        """Stop using the server; if no other process uses it, return when it is gone. A second call does nothing."""
        if self._use is None:
            return
        os.close(self._use)
        self._use = None
        if self._wait_for_the_watchdog() and self._temporary:
            shutil.rmtree(self._home.folder, ignore_errors=True)  # the watchdog did, unless it gave up or was killed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _join_or_start(self, settings: Mapping[str, str]) -> None:
        with holding(self._home.folder / "start.lock", fcntl.LOCK_EX):
            # Waits for a watchdog that is stopping the server: it holds this lock exclusively until
            # all is down.
            self._use = take_lock(self._users_lock, fcntl.LOCK_SH)
            if not self._watchdog_lives():
                self._stop_an_orphan()
                self._start_server(settings)
            self._wait_until_it_answers()

    def _start_server(self, settings: Mapping[str, str]) -> None:
        home = self._home
        home.halted.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            home.log.replace(home.log.with_suffix(".log.old"))
        self._binaries = within_reach(self._binaries, home.user, home.folder)
        home.make_cluster(self._binaries, durable=not self._temporary)
        sockets = home.socket_folder()
        own = {"listen_addresses": "", "port": str(PORT), "unix_socket_directories": str(sockets)}
        command = [str(self._binaries.bin / "postgres"), "-D", str(home.data)]
        for name, value in {**settings, **own}.items():
            command += ["-c", f"{name}={value}"]
        remove = [sockets] if sockets.parent != home.folder else []
        self._watchdog_pid = _start_watchdog(home, command, [*remove, home.folder] if self._temporary else remove)

    def _stop_an_orphan(self) -> None:
        """Stop a server whose watchdog was killed, because nothing else would stop it later."""
        if (postmaster := self._home.answering()) is not None:
            os.kill(postmaster.pid, signal.SIGINT)
            self._wait_until_stopped(postmaster.pid)

    def _wait_until_stopped(self, pid: int) -> None:
        # The server removes this file last. Its process is no sign: an orphan may stay a zombie
        # under the first process of a container.
        deadline = time.monotonic() + _STOP_SECONDS
        while (postmaster := self._home.postmaster()) is not None and postmaster.pid == pid:
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"the embedded server in {self._home.folder} did not stop; see its log")
            time.sleep(_POLL_SECONDS)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self._home.answering() is None:
            if self._watchdog_has_ended() or time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"PostgreSQL {self._binaries.major} of {self._binaries.source} did not start in "
                    f"{self._home.folder}; it said:\n{self._home.log_tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def _running(self) -> Postmaster:
        postmaster = self._home.postmaster() if self._use is not None else None
        if postmaster is None:
            raise EmbeddedServerError(f"the embedded server in {self._home.folder} is stopped: start it again")
        return postmaster

    @property
    def _users_lock(self) -> Path:
        return self._home.folder / "users.lock"

    def _watchdog_lives(self) -> bool:
        return is_locked(self._home.folder / "watchdog.lock", fcntl.LOCK_EX)

    def _wait_for_the_watchdog(self) -> bool:
        """Wait until the watchdog has ended; False if it goes on, because others use the server."""
        deadline = time.monotonic() + _STOP_SECONDS
        while self._watchdog_lives():
            if self._others_use_it():
                return False
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"the embedded server in {self._home.folder} did not stop; see its log")
            time.sleep(_POLL_SECONDS)
        while self._watchdog_pid is not None and not self._watchdog_has_ended():
            time.sleep(_POLL_SECONDS)
        return True

    def _others_use_it(self) -> bool:
        """Return whether other processes use the server. The exclusive lock is held by a watchdog that stops it."""
        watchdog_has_it = is_locked(self._users_lock, fcntl.LOCK_SH)
        return not watchdog_has_it and is_locked(self._users_lock, fcntl.LOCK_EX)

    def _watchdog_has_ended(self) -> bool:
        """Collect the watchdog if it is our child and has ended; always False for the watchdog of another process."""
        if self._watchdog_pid is None:
            return False
        try:
            pid, _ = os.waitpid(self._watchdog_pid, os.WNOHANG)
        except ChildProcessError:  # somebody in this process ignores or collects all children
            return not _is_alive(self._watchdog_pid)
        if pid != 0:
            self._watchdog_pid = None
        return pid != 0


def _start_watchdog(home: Home, command: list[str], remove: list[Path]) -> int:
    account = home.user and [home.user.uid, home.user.gid]
    order = {"home": str(home.folder), "command": command, "account": account, "remove": [str(path) for path in remove]}
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", str(_WATCHDOG), json.dumps(order)],
        clean_environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(home.log), log_flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsigmask=[],
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
