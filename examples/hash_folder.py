"""Count and hash every file under a folder: a worker that returns a graph for each folder it meets.

    python examples/hash_folder.py [folder]

How deep the tree is, or how wide, nobody knows before it runs: the step `walk` of a folder becomes a group, with a
child for each folder in it, and these become groups in their turn. The database is that of BATON_DATABASE_URL or
DATABASE_URL, else the embedded PostgreSQL.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from baton import Baton, Engine, WorkerPool, result_of, worker


@dataclass
class Tree:
    """What is under a folder. The hash covers contents and names, however the files lie on the disk."""

    files: int
    bytes: int
    sha256: str


@worker
def walk(folder: str) -> Tree | Baton:
    """Hash the files of a folder; if there are folders in it, return a graph that walks these and joins the results."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    files = [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    here = joined({file.name: hashed(file) for file in files})
    if not folders:
        return here
    below = Baton.new()
    for number, entry in enumerate(folders):
        # Names of folders may have what names of steps may not; numbers have not.
        below.add(f"folder {number}", walk.new(entry.path))
    trees = {entry.name: result_of(f"folder {number}") for number, entry in enumerate(folders)}
    return below.add("join", join.new(here, trees))


@worker
def join(here: Tree, below: dict[str, Tree]) -> Tree:
    return joined({".": here, **below})


def hashed(file: Path) -> Tree:
    content = file.read_bytes()
    return Tree(1, len(content), hashlib.sha256(content).hexdigest())


def joined(parts: dict[str, Tree]) -> Tree:
    digest = hashlib.sha256("".join(f"{name}\0{tree.sha256}\n" for name, tree in sorted(parts.items())).encode())
    return Tree(
        sum(tree.files for tree in parts.values()), sum(tree.bytes for tree in parts.values()), digest.hexdigest()
    )


def plain(folder: Path) -> Tree:
    """The same as plain recursion, to compare with."""
    entries = [path for path in folder.iterdir() if not path.is_symlink()]
    here = joined({path.name: hashed(path) for path in entries if path.is_file()})
    below = {path.name: plain(path) for path in entries if path.is_dir()}
    return joined({".": here, **below}) if below else here


async def main(folder: str) -> None:
    async with Engine() as engine, WorkerPool(engine, queues={"default": 8}):
        began = time.monotonic()
        run = await Baton.new(workflow_name="hash a folder").add("walk", walk.new(folder)).insert()
        tree = await run.result("walk")
        seconds = time.monotonic() - began
        status = await run.status()
    print(f"{tree.files:,} files, {tree.bytes:,} bytes, sha256 {tree.sha256}")
    print(f"{sum(status.counts.values()):,} steps in {seconds:.1f} s; baton show {run.id} draws them")
    same = await asyncio.to_thread(plain, Path(folder))
    print("plain recursion says the same" if same == tree else f"plain recursion says {same}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else sysconfig.get_path("stdlib") + "/json"))
