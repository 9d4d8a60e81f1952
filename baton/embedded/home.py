"""The directory of an embedded server: what is in it, who owns it, and how it is made.

    start.lock    held while a process starts or joins the server
    users.lock    shared by all processes that use it; the watchdog waits for the exclusive lock
    watchdog.lock   held by the watchdog for as long as it lives
    halted        exists while the server is meant to be down
    server.log    what the server and its watchdog print
    binaries-18/  a copy of the programs, only where the server's user cannot reach the original
    data/         the data directory
    socket/       the socket's directory, unless its path would be too long

The home belongs to us. If we are root, only `data` and `socket` belong to the server's user: a process
that runs as that user cannot make us open or remove a file elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from baton.embedded.binaries import (
    Binaries,
    ServerUser,
    clean_environment,
    reachable,
)
from baton.errors import EmbeddedServerError

SUPERUSER = "postgres"
PORT = 5432  # names the socket file; nothing listens on the network
_SOCKET_PATH_BYTES = 99
_LOG_TAIL_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What a running server wrote about itself."""

    pid: int
    socket_folder: Path
    is_ready: bool


@dataclass(frozen=True, slots=True)
class Home:
    """The home of one embedded server; its directory exists and is ours."""

    folder: Path
    user: ServerUser | None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def halted(self) -> Path:
        return self.folder / "halted"

    def postmaster(self) -> Postmaster | None:
        """Read what the server wrote about itself, which may be out of date; None if it wrote nothing."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < 8:  # the server is still writing it
            return None
        return Postmaster(int(lines[0]), Path(lines[4]), lines[7].strip() == "ready")

    def answering(self) -> Postmaster | None:
        """Return the server if it runs and accepts connections."""
        postmaster = self.postmaster()
        if postmaster is None or not postmaster.is_ready:
            return None
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(postmaster.socket_folder / f".s.PGSQL.{PORT}"))
            except OSError:
                return None
        return postmaster

    def log_tail(self) -> str:
        with suppress(OSError):
            return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
        return ""

    def make_cluster(self, binaries: Binaries, *, durable: bool) -> None:
        """Create the data directory unless it exists. A crash meanwhile leaves no incomplete one.

        Raises:
            EmbeddedServerError: it cannot be created, or another major version made the one that is there.
        """
        for leftover in self.folder.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not self.data.exists():
            self._initialise(binaries, durable=durable)
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(binaries.major):
            raise EmbeddedServerError(
                f"the data in {self.folder} was made by PostgreSQL {made_by}, and {binaries.source} is PostgreSQL "
                f"{binaries.major}: set BATON_PG_BIN to programs of version {made_by}, or choose another directory"
            )

    def socket_folder(self) -> Path:
        """Make a directory for the socket that only the server's user and we can enter; its path is short enough."""
        folder = self.folder / "socket"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}.lock")) > _SOCKET_PATH_BYTES:
            folder = private_temporary_folder(self.user)
        folder.mkdir(exist_ok=True)
        self._hand_over(folder)
        return folder

    def _initialise(self, binaries: Binaries, *, durable: bool) -> None:
        unfinished = Path(tempfile.mkdtemp(dir=self.folder, prefix="data.new-"))
        self._hand_over(unfinished)
        options = f"--username={SUPERUSER} --encoding=UTF8 --locale=C --auth-local=trust --auth-host=reject"
        command = [str(binaries.bin / "initdb"), "--pgdata", str(unfinished), *options.split(), "--no-instructions"]
        user = self.user
        done = subprocess.run(
            command if durable else [*command, "--no-sync"],
            cwd="/",
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else [],
        )
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace").strip()
            raise EmbeddedServerError(f"initdb of {binaries.source} failed in {self.folder}:\n{said}")
        unfinished.rename(self.data)

    def _hand_over(self, folder: Path) -> None:
        folder.chmod(0o700)
        if self.user is not None:
            os.chown(folder, self.user.uid, self.user.gid)


def open_home(folder: Path, user: ServerUser | None) -> Home:
    """Make `folder` the home of a server, or take it as the home it is.

    Raises:
        EmbeddedServerError: it belongs to somebody else, holds something else, or the server cannot reach it.
    """
    folder = folder.expanduser().absolute()
    try:
        _make_folders(folder, user)
        holds_something_else = any(folder.iterdir()) and not (folder / "start.lock").exists()
        owner = folder.stat().st_uid
    except OSError as error:
        raise EmbeddedServerError(
            f"{folder} cannot hold the embedded server ({error.strerror}): choose another directory, or set "
            "XDG_DATA_HOME to one that you may write to"
        ) from error
    if holds_something_else or owner != os.geteuid():
        why = "holds other files" if holds_something_else else "belongs to another user"
        raise EmbeddedServerError(f"{folder} {why}: choose a new or an empty directory for the embedded server")
    if user is not None and not _passable(folder, user):
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, and the user {user.name!r}, as whom it runs instead, cannot reach "
            f"{folder}: choose a directory below one that everybody may enter, /var/lib for example"
        )
    return Home(folder, user)


def default_folder(environment: Mapping[str, str], major: int, user: ServerUser | None) -> Path:
    """Return the directory of the user's own embedded server, one per major version of PostgreSQL.

    It is in XDG_DATA_HOME or ~/.local/share; for root in /var/lib, if the server's user cannot enter root's home.
    """
    data = Path(environment.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser())
    if user is not None and not _passable(data, user):
        data = Path("/var/lib")
    return data / "baton" / f"postgres-{major}"


def private_temporary_folder(user: ServerUser | None) -> Path:
    """Make a new directory of ours that the server's user can reach and others cannot read."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if user is None or _passable(Path(parent), user):
            folder = Path(tempfile.mkdtemp(prefix="baton-", dir=parent))
            folder.chmod(_mode(user))
            return folder
    raise EmbeddedServerError(
        "no directory for temporary files can be reached by the server's user: set TMPDIR to one that everybody may "
        "enter"
    )


@contextmanager
def holding(path: Path, operation: int) -> Iterator[None]:
    """Wait for a lock on a file, and hold it while the block runs."""
    descriptor = take_lock(path, operation)
    try:
        yield
    finally:
        os.close(descriptor)


def take_lock(path: Path, operation: int) -> int:
    """Take a lock on a file, created if necessary. The descriptor holds it until it is closed, also by SIGKILL.

    Raises:
        BlockingIOError: another process holds it, and `operation` says not to wait.
        FileNotFoundError: the directory is gone.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            # The whole home may have been removed meanwhile: a lock on a file without a name
            # excludes nobody.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def is_locked(path: Path, against: int) -> bool:
    """Return whether a lock is held that excludes the kind of lock `against`; False if there is no file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, against | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _make_folders(folder: Path, user: ServerUser | None) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent, user)
    # It appears with its mode: between mkdir and chmod, processes that start at the same time could
    # not enter it.
    made = Path(tempfile.mkdtemp(prefix=".baton-", dir=folder.parent))
    made.chmod(_mode(user))
    try:
        made.rename(folder)
    except OSError:  # another process was faster, and its directory has something in it
        made.rmdir()


def _mode(user: ServerUser | None) -> int:
    # A server that runs as another user must be able to pass through it, but not to list or read
    # it.
    return 0o700 if user is None else 0o711


def _passable(folder: Path, user: ServerUser) -> bool:
    return reachable(folder / "data", user)
