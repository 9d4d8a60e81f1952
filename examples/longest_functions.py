"""The longest function of each package of the standard library: a map of a map, packages and then the files of each.

    python examples/longest_functions.py [another folder of packages]

The outer map has a child for each package, and each of these returns a graph with a map over the package's files: how
many there are is known only when it runs. The database is that of BATON_DATABASE_URL or DATABASE_URL, else the embedded
PostgreSQL.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path

from baton import Baton, Engine, WorkerPool, each, result_of, worker


@dataclass
class Function:
    lines: int
    name: str
    file: str


@worker
def list_packages(library: str) -> list[str]:
    return sorted(str(path) for path in Path(library).iterdir() if (path / "__init__.py").exists())


@worker
def look_into(package: str) -> Baton:
    files = sorted(str(path) for path in Path(package).rglob("*.py"))
    return (
        Baton.new()
        .add("files", longest_in_file.new(each(files)).with_options(concurrency=4))
        .add("longest", longest_of.new(Path(package).name, result_of("files")))
    )


@worker(executor="process", max_attempts=1)
def longest_in_file(file: str) -> Function | None:
    with warnings.catch_warnings(action="ignore"):
        module = ast.parse(Path(file).read_bytes())
    found = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    sizes = [Function(node.end_lineno - node.lineno + 1, node.name, file) for node in found]
    return max(sizes, key=lambda function: function.lines, default=None)


@worker
def longest_of(package: str, functions: list[Function | None]) -> tuple[str, Function | None]:
    known = [function for function in functions if function is not None]
    return package, max(known, key=lambda function: function.lines, default=None)


@worker
def rank(packages: list[tuple[str, Function | None]] | None = None) -> list[tuple[str, Function]]:
    """The packages whose files could all be parsed: some of the library's own are there to be refused."""
    known = [(package, function) for package, function in packages or [] if function is not None]
    return sorted(known, key=lambda one: -one[1].lines)


async def main(library: str) -> None:
    flow = (
        Baton.new(workflow_name="longest functions")
        .add("packages", list_packages.new(library))
        .add("longest", look_into.new(each(result_of("packages"))))
        .add("rank", rank.new(result_of("longest")), ignore_discarded=True)
    )
    async with Engine() as engine, WorkerPool(engine, queues={"default": 16}):
        run = await flow.insert()
        for package, function in (await run.result("rank"))[:10]:
            print(f"{package:20} {function.lines:5} lines: {function.name} in {Path(function.file).name}")
        counts = (await run.status()).counts
        print(", ".join(f"{count:,} steps {state}" for state, count in counts.items()))
        print(f"baton show {run.id} draws them")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else sysconfig.get_path("stdlib")))
