"""`baton demo`: the census is right, shows who did the work, and leaves nothing behind."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import asyncpg
import pytest

from baton.cli.census import count_file, packages_in, standard_library
from tests.cli.command import baton, environment, refused, succeeded


def counted_plainly(library):
    """What the census should find: modules, functions, async functions, classes, lines and files that do not parse."""
    modules = functions = async_functions = classes = lines = longest = unparsed = 0
    for path in library.glob("*/**/*.py"):
        try:
            with warnings.catch_warnings(action="ignore"):
                nodes = list(ast.walk(ast.parse(path.read_bytes())))
        except (SyntaxError, ValueError):
            unparsed += 1
            continue
        modules += 1
        lines += len(path.read_bytes().splitlines())
        classes += sum(type(node) is ast.ClassDef for node in nodes)
        functions += sum(type(node) is ast.FunctionDef for node in nodes)
        async_functions += sum(type(node) is ast.AsyncFunctionDef for node in nodes)
        bodies = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        longest = max([longest, *[node.end_lineno - node.lineno + 1 for node in bodies]])
    return [modules, functions, async_functions, classes, lines, longest, unparsed]


def without_its_tests(library):
    """The folders of the standard library, except the one that is as large as all others together."""
    library.mkdir()
    for path in standard_library().iterdir():
        if path.is_dir() and path.name not in ("test", "site-packages", "dist-packages", "__pycache__"):
            (library / path.name).symlink_to(path)
    # Single files are counted as packages too, and rglob over links to folders does not find them.
    for path in standard_library().glob("*.py"):
        (library / path.stem).mkdir(exist_ok=True) if not (library / path.stem).exists() else None
        if not (library / path.stem).is_symlink():
            (library / path.stem / path.name).symlink_to(path)
    return library
