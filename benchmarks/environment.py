"""The virtual environment of the compared libraries: made once, with each of them that can be installed.

Baton is in it too, so that all run on one interpreter: the newest there is, since some libraries need it.
PEERS_PYTHON names another one.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "peers"
PYTHON = FOLDER / "bin" / "python"
NOT_PEERS = {"__init__", "__main__", "endpoint", "marks", "measures", "protocol"}
OURS, BARE = "baton", "bare"


@dataclass(frozen=True, slots=True)
class Library:
    """A file of `benchmarks.peers`, and its facts; without a version it could not be installed."""

    name: str
    package: str
    configuration: str = ""
    keeps: str = ""
    version: str | None = None
    fault: str = ""
    """Why it is not measured; empty if it is."""


def libraries(wanted: set[str] | None = None) -> list[Library]:
    """Install and describe each library, Baton and the bare loop first."""
    _make()
    names = sorted(path.stem for path in (ROOT / "benchmarks" / "peers").glob("*.py") if path.stem not in NOT_PEERS)
    names.sort(key=lambda name: [OURS, BARE, name].index(name))
    return [_library(name) for name in names if wanted is None or name in wanted | {OURS}]


def python_version() -> str:
    return _output([str(PYTHON), "-c", "import platform; print(platform.python_version())"]).strip()


def _make() -> None:
    if not PYTHON.exists():
        print(f"making {FOLDER.relative_to(ROOT)}", flush=True)
        subprocess.run([_newest_python(), "-m", "venv", str(FOLDER)], check=True)
    if fault := _install("-e", f"{ROOT}[uvloop]", "fastapi", "uvicorn"):
        sys.exit(f"Baton itself could not be installed: {fault}")


def _newest_python() -> str:
    for python in (os.environ.get("PEERS_PYTHON"), "python3.14", "python3.13", "python3.12"):
        if python and _runs([python, "-c", "import venv, ensurepip"]):
            return python
    return sys.executable


def _library(name: str) -> Library:
    package, also = _declared(ROOT / "benchmarks" / "peers" / f"{name}.py")
    is_there = _runs([str(PYTHON), "-m", "pip", "show", "--quiet", package, *also])
    if not is_there and (fault := _install(package, *also)):
        return Library(name, package, fault=fault)
    try:
        described = json.loads(_output([str(PYTHON), "-m", "benchmarks.peers", name, "describe"]))
    except subprocess.CalledProcessError as error:
        return Library(name, package, fault=f"it does not load: {last_line(error.stderr)}")
    return Library(name, package, **described)


def _declared(path: Path) -> tuple[str, tuple[str, ...]]:
    """Read what to install from the file's text: without it, the file cannot be imported."""
    here = next(
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef) and node.name == "Adapter"
    )
    said = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in here.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("package", "also")
    }
    return said["package"], tuple(said.get("also", ()))


def _install(*what: str) -> str:
    """Install from the package index, or the checkout; return why it failed, or nothing."""
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return "" if done.returncode == 0 else last_line(done.stderr)


def last_line(text: str) -> str:
    return ([line for line in text.strip().splitlines() if line.strip()] or ["no reason given"])[-1].strip()


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
