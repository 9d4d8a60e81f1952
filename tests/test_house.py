"""The house keeps its own rules: style, types, layers, sizes, and what it exports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import baton

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "baton").rglob("*.py"))
FILE_LINES = 400
BODY_LINES = 60
HOMELESS = {"utils", "helpers", "common", "base", "manager"}


def run(*command):
    """Run a tool in the root of the checkout; what it prints is the failure's message."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def body_lines(function):
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_ruff_finds_nothing():
    run(sys.executable, "-m", "ruff", "check", ".")


def test_ruff_would_format_nothing():
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


@pytest.mark.slow
def test_mypy_finds_nothing_in_strict_mode():
    run(sys.executable, "-m", "mypy")


def test_each_layer_imports_only_lower_ones():
    run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo")


def test_the_package_exports_what_it_says_and_nothing_else():
    public = {
        name
        for name, value in vars(baton).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }

    assert sorted(baton.__all__) == sorted(public)


@pytest.mark.parametrize("name", sorted(baton.__all__))
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
