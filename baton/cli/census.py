"""The census of a library: what the demo's steps do, and what they return."""

from __future__ import annotations

import ast
import os
import sysconfig
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baton.cli.failures import CommandError
from baton.core.references import result_of
from baton.core.worker import worker
from baton.core.workflow import Baton

QUEUE = "census"
LEFT_OUT = frozenset({"site-packages", "dist-packages", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest function that was found; the first of several."""

    lines: int
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted in one package, or in several."""

    modules: int = 0
    functions: int = 0
    """Those defined with `def`, methods and inner functions included."""
    async_functions: int = 0
    classes: int = 0
    lines: int = 0
    unparsed: int = 0
    """Files that are not valid Python of this version, some of them on purpose; counted nowhere else."""
    longest: Longest = Longest(0, "", "")

    def __add__(self, other: Count) -> Count:
        return Count(
            self.modules + other.modules,
            self.functions + other.functions,
            self.async_functions + other.async_functions,
            self.classes + other.classes,
            self.lines + other.lines,
            self.unparsed + other.unparsed,
            self.longest if self.longest.lines >= other.longest.lines else other.longest,
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """A package's count, and who made it."""

    package: str
    count: Count
    pid: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Census:
    """The counts of all packages, the one with the most lines first, and their total."""

    packages: list[Counted]
    total: Count


def standard_library() -> Path:
    """Return the folder of the running interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def packages_in(library: Path) -> list[str]:
    """Return the top-level packages (folders) and modules (single files), those with the most source first.

    Raises: CommandError if it is no folder or has none.
    """
    if not library.is_dir():
        raise CommandError(f"{library} is not a folder; name one that has Python source with --library")
    sizes = {path.name: size for path in library.iterdir() if (size := sum(map(_size, _sources(path))))}
    if not sizes:
        raise CommandError(f"{library} has no Python source; name a folder that has some with --library")
    # The largest package takes as long as most of the others together: it should not be the last
    # one to begin.
    return sorted(sizes, key=lambda name: (-sizes[name], name))


def census(library: Path, packages: Sequence[str]) -> Baton:
    """Return the workflow: a step that lists the packages, one for each that counts it, and one that joins them."""
    folder = str(library)
    workflow = Baton.new(workflow_name="census").add("packages", list_packages.new(library=folder))
    for package in packages:
        workflow.add(f"count {package}", count_package.new(library=folder, package=package), deps=["packages"])
    counted = [result_of(f"count {package}") for package in packages]
    return workflow.add("census", join_counts.new(packages=result_of("packages"), counted=counted))


@worker(name="baton demo: list packages", queue=QUEUE, max_attempts=1)
def list_packages(library: str) -> list[str]:
    """List what there is to count."""
    return packages_in(Path(library))


@worker(name="baton demo: count package", queue=QUEUE, max_attempts=3, executor="process")
def count_package(library: str, package: str) -> Counted:
    """Parse every file of a package and count what is in it."""
    began = time.perf_counter()
    total = Count()
    for path in _sources(Path(library) / package):
        total += count_file(path, path.relative_to(library).as_posix())
    return Counted(package, total, os.getpid(), time.perf_counter() - began)


@worker(name="baton demo: join counts", queue=QUEUE, max_attempts=1)
def join_counts(packages: list[str], counted: list[Counted]) -> Census:
    """Sum up the counts, one of each package."""
    by_package: Mapping[str, Counted] = {one.package: one for one in counted}
    if set(by_package) != set(packages):
        raise ValueError(f"the library changed meanwhile: {sorted(by_package.keys() ^ set(packages))}")
    ranked = sorted(counted, key=lambda one: (-one.count.lines, one.package))
    return Census(ranked, sum((one.count for one in ranked), Count()))


def count_file(path: Path, name: str) -> Count:
    """Return the count of one file; `name` is how it is called in the answer."""
    source = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old escapes in the files, which are not ours to mend
            module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Count(unparsed=1)
    functions, async_functions, classes, longest = 0, 0, 0, Longest(0, "", "")
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions += isinstance(node, ast.FunctionDef)
                async_functions += isinstance(node, ast.AsyncFunctionDef)
                if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > longest.lines:
                    longest = Longest(lines, node.name, name)
            case ast.ClassDef():
                classes += 1
            case _:
                pass
    return Count(1, functions, async_functions, classes, len(source.splitlines()), 0, longest)


def _sources(path: Path) -> Iterator[Path]:
    """The files of a top-level package or module, in a stable order; none if it is not one."""
    if path.is_dir() and path.name not in LEFT_OUT:
        yield from sorted(path.rglob("*.py"))
    elif path.suffix == ".py" and path.is_file():
        yield path


def _size(path: Path) -> int:
    return path.stat().st_size
