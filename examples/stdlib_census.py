"""A census of Python's standard library: a map with one child a package, each in a worker process, and a step that
joins.

    python examples/stdlib_census.py [another folder of packages]

The database is that of BATON_DATABASE_URL or DATABASE_URL, else the embedded PostgreSQL. `baton demo` does the same
with a progress display.
"""

from __future__ import annotations

import ast
import asyncio
import os
import sys
import sysconfig
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from baton import Baton, Engine, WorkerPool, each, result_of, worker


@dataclass
class Count:
    package: str
    pid: int
    modules: int = 0
    functions: int = 0
    async_functions: int = 0
    classes: int = 0
    lines: int = 0
    longest: tuple[int, str] = (0, "")
    unparsed: int = 0


@worker(queue="census")
def list_packages(library: str) -> list[str]:
    """A package is a folder of the library that has Python files, or a single file."""
    return sorted(str(path) for path in Path(library).iterdir() if files_of(path))


@worker(queue="census", executor="process")
def count(package: str) -> Count:
    counted = Count(Path(package).name, os.getpid())
    for file in files_of(Path(package)):
        count_file(file, counted)
    return counted


@worker(queue="census")
def join(counts: list[Count]) -> list[Count]:
    """The largest package first."""
    return sorted(counts, key=lambda one: -one.lines)


def files_of(package: Path) -> list[Path]:
    if package.is_dir() and package.name not in ("site-packages", "dist-packages", "__pycache__"):
        return sorted(package.rglob("*.py"))
    return [package] if package.suffix == ".py" else []


def count_file(file: Path, counted: Count) -> None:
    source = file.read_bytes()
    try:
        with warnings.catch_warnings(action="ignore"):
            module = ast.parse(source)
    except (SyntaxError, ValueError):  # some files are there to test the parser
        counted.unparsed += 1
        return
    counted.modules += 1
    counted.lines += len(source.splitlines())
    for node in ast.walk(module):
        counted.classes += isinstance(node, ast.ClassDef)
        counted.functions += isinstance(node, ast.FunctionDef)
        counted.async_functions += isinstance(node, ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            counted.longest = max(counted.longest, (node.end_lineno - node.lineno + 1, f"{node.name} in {file.name}"))


def print_report(counts: list[Count], slots: int, seconds: float) -> None:
    figures = ("modules", "functions", "async_functions", "classes", "lines", "unparsed")
    for one in counts[:10]:
        print(f"{one.package:20} {one.modules:5} modules {one.lines:7,} lines, counted by process {one.pid}")
    print(", ".join(f"{sum(getattr(one, figure) for one in counts):,} {figure}" for figure in figures))
    print("the longest function has {} lines: {}".format(*max(one.longest for one in counts)))
    processes = len({one.pid for one in counts})
    print(f"{len(counts)} packages, {processes} of {slots} process(es) at work: {seconds:.1f} s\n")


async def main(library: str) -> None:
    for slots in (1, os.cpu_count() or 2):
        census = (
            Baton.new(workflow_name="census")
            .add("packages", list_packages.new(library))
            .add("counts", count.new(each(result_of("packages"))))
            .add("census", join.new(result_of("counts")))
        )
        async with Engine() as engine, WorkerPool(engine, queues={"census": 2 * slots}, processes=slots):
            began = time.monotonic()
            run = await census.insert()
            print_report(await run.result("census"), slots, time.monotonic() - began)


# The worker processes import this file as well.
if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else sysconfig.get_path("stdlib")))
