"""Two versions of the library, each in a folder of its own: an older one, and one that is newer by migrations."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "programs" / "version_pool.py"
SECONDS = 100
NOT_BREAKING = """
alter table steps add column spare text not null default 'spare';
comment on column steps.spare is 'For a test of two versions.';
alter table queue add column spare bigint;
comment on column queue.spare is 'For a test of two versions.';
"""
BREAKING = "alter table queue drop column spare;\n"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with `baton` and `sql` in it."""

    folder: Path

    async def run(self, *arguments: str) -> str:
        """Run the program with this version. Return what it printed, with its errors if it failed."""
        process = await self._started(*arguments)
        async with asyncio.timeout(SECONDS):
            printed, errors = await process.communicate()
        return printed.decode() if process.returncode == 0 else printed.decode() + errors.decode()

    @asynccontextmanager
    async def serving(self, address: str, queue: str) -> AsyncIterator[None]:
        """Run a pool of this version on a queue, which has to end in order."""
        process = await self._started(address, "serve", queue)
        try:
            async with asyncio.timeout(SECONDS):
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
                yield
                printed, errors = await process.communicate(b"")
            assert printed == b"done: serve\n", errors.decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def add_migration(self, name: str, sql: str) -> None:
        """Add a migration with the next number."""
        folder = self.folder / "sql" / "migrations"
        number = len(list(folder.iterdir())) + 1
        (folder / f"{number:04}_{name}.sql").write_text(sql)

    def change(self, file: str, text: str, replacement: str) -> None:
        """Change a file, which has to contain this text."""
        path = self.folder / file
        before = path.read_text()
        assert text in before, f"{file} has no {text!r}"
        path.write_text(before.replace(text, replacement))

    async def _started(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), *arguments),
            # Not the test's folder, whose own `baton` would be imported.
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def copied(folder: Path) -> Checkout:
    """Return a copy of the working tree."""
    for name in ("baton", "sql"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Checkout(folder)


def released(tag: str, folder: Path) -> Checkout:
    """Return the version with this tag."""
    archive = subprocess.run(["git", "archive", tag, "baton", "sql"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return Checkout(folder)


def compatible_releases() -> list[str]:
    """Return the newest tag of a version before this one, if no change that is marked breaking came since."""
    tags = _git("tag", "--list", "v*", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname")
    if not tags:
        return []
    then = set(_git("ls-tree", "--name-only", f"{tags[0]}:sql/migrations"))
    since = {path.name for path in (ROOT / "sql" / "migrations").iterdir()} - then
    return [] if any(name.endswith(".breaking.sql") for name in since) else tags[:1]


def _git(*arguments: str) -> list[str]:
    """Return the lines that git prints; none outside a repository."""
    if shutil.which("git") is None:
        return []
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
