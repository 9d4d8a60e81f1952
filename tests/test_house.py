"""The house keeps its own rules: style, types, layers, sizes, and what it exports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import get_origin

import pytest

import baton

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "baton").rglob("*.py"))
FILE_LINES = 400
BODY_LINES = 60
HOMELESS = {"utils", "helpers", "common", "base", "manager"}
TEST_NAME = 70

# Riddling or archaic words that may not come back, also in names. Plain ones: sent, reported,
# received, lost, anyone, forever, as many, manually, without success, says whether.
UNPLAIN = re.compile(
    r"(?<![a-z])(?:told|beaten|ticked|doomed|whoever|for[ _]ever|so[ _]many|by[ _]hand|in[ _]vain|tells?[ _]whether"
    r"|cannot be had|what is no(?! longer)|nobody's business|of asyncpg's)(?![a-z])",
    re.IGNORECASE,
)
FOLDERS = ("baton", "benchmarks", "campaign", "docs", "examples", "sql", "tests")
TEXTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")))
    if path.suffix in {".py", ".sql", ".md"} and path != Path(__file__)
)
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def complaints_of(*command):
    """Run a tool in the root of the checkout; return what it prints if it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout if done.returncode else ""


def body_lines(function):
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_ruff_finds_nothing():
    assert complaints_of(sys.executable, "-m", "ruff", "check", ".") == ""


def test_ruff_would_format_nothing():
    assert complaints_of(sys.executable, "-m", "ruff", "format", "--check", ".") == ""


@pytest.mark.slow
def test_mypy_finds_nothing_in_strict_mode():
    assert complaints_of(sys.executable, "-m", "mypy") == ""


def test_each_layer_imports_only_lower_ones():
    assert complaints_of(str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo") == ""


def test_the_package_exports_what_it_says_and_nothing_else():
    public = {
        name
        for name, value in vars(baton).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }

    assert sorted(baton.__all__) == sorted(public)


@pytest.mark.parametrize("name", sorted(name for name in baton.__all__ if get_origin(getattr(baton, name)) is None))
def test_every_exported_name_promises_something(name):
    exported = getattr(baton, name)

    assert getattr(exported, "__doc__", None), f"{name} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_can_be_read_in_one_go(path):
    text = path.read_text()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert text.count("\n") <= FILE_LINES
    assert [function.name for function in functions if body_lines(function) > BODY_LINES] == []
    assert path.stem not in HOMELESS


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_english_is_plain(path):
    lines = path.read_text().splitlines()
    found = [f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if UNPLAIN.search(line)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_tests_name_fits_on_a_line(path):
    """The circumstances belong into its docstring."""
    nodes = ast.walk(ast.parse(path.read_text()))
    names = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert [name for name in names if name.startswith("test_") and len(name) > TEST_NAME] == []
