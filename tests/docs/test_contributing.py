"""CONTRIBUTING.md, the glossary and continuous integration agree with what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import yaml

from baton import StepState, WorkflowState
from baton.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
MAKE_TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps_of(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def test_every_folder_of_the_package_is_described():
    folders = {path.name for path in (ROOT / "baton").iterdir() if (path / "__init__.py").exists()}

    assert {folder for folder in folders if f"| `baton/{folder}`" not in CONTRIBUTING} == set()


def test_every_make_target_is_described():
    assert {target for target in MAKE_TARGETS if f"`make {target}`" not in CONTRIBUTING} == set()


def test_continuous_integration_calls_make_targets():
    called = [command for job in WORKFLOW["jobs"] for command in steps_of(job) if command.startswith("make ")]

    assert len(called) == 4
    assert {command.split()[1] for command in called} <= MAKE_TARGETS


def test_every_supported_python_is_tested():
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))

    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == supported


def test_the_shortest_command_is_described_as_it_is():
    text = (ROOT / "baton" / "cli" / "commands" / "pause.py").read_text()

    assert "pause" in COMMANDS
    assert "def configure(parser: argparse.ArgumentParser)" in text
    assert "def run(arguments: argparse.Namespace)" in text


def test_the_glossary_explains_every_state():
    explained = set(re.findall(r"\*\*([\w ]+)\*\*", GLOSSARY))
    known = {
        state for kind in (StepState, WorkflowState) for part in get_args(kind) for state in get_args(part) or (part,)
    }

    assert known - explained == set()
