"""The standard library as the census tests use it, and a plain loop that counts it."""

from __future__ import annotations

import ast
import os
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path

# `test` is as large as all the others together, and they are enough.
LEFT_OUT = frozenset({"test", "site-packages", "dist-packages", "__pycache__"})


@dataclass(slots=True)
class Plain:
    """What a plain loop finds."""

    modules: int = 0
    functions: int = 0
    async_functions: int = 0
    classes: int = 0
    lines: int = 0
    longest: int = 0
    unparsed: int = 0


def library_in(folder: Path, pattern: str = "*") -> Path:
    """A folder with links to the packages and modules of the standard library, most of them."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("stdlib")).glob(pattern):
        if path.name not in LEFT_OUT:
            (folder / path.name).symlink_to(path)
    return folder


def counted_plainly(library: Path) -> Plain:
    """Count every file below a folder, one after the other."""
    found = Plain()
    for folder, _, files in os.walk(library, followlinks=True):
        for name in files:
            if name.endswith(".py"):
                add_file(found, Path(folder, name).read_bytes())
    return found


def add_file(found: Plain, source: bytes) -> None:
    try:
        with warnings.catch_warnings(action="ignore"):
            nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        found.unparsed += 1
        return
    functions = [node for node in nodes if type(node) is ast.FunctionDef]
    async_functions = [node for node in nodes if type(node) is ast.AsyncFunctionDef]
    found.modules += 1
    found.lines += len(source.splitlines())
    found.functions += len(functions)
    found.async_functions += len(async_functions)
    found.classes += sum(type(node) is ast.ClassDef for node in nodes)
    lengths = [node.end_lineno - node.lineno + 1 for node in functions + async_functions]
    found.longest = max([found.longest, *lengths])
