"""docs/design.md agrees with the code, and every page names files that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from baton import StepState, WorkflowState

ROOT = Path(__file__).resolve().parents[2]
DESIGN = (ROOT / "docs" / "design.md").read_text()
FILE = re.compile(r"`((?:baton|sql|tests|campaign|benchmarks|docs)/[\w./]+)`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tests" / "README.md"]


def section(title: str, text: str = DESIGN) -> str:
    """The text between a heading and the next one of its level or above."""
    level = title.split(" ", 1)[0]
    after = text.split(f"\n{title}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


WALKS = ["### An insert", "### A step", "### A map", "### A cancel"]


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_passes_no_file_twice(walk):
    files = FILE.findall(section(walk))

    assert len(files) > 10
    assert [file for file in files if files.count(file) > 1] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(path):
    named = [file for file in FILE.findall(path.read_text()) if "NAME" not in file]

    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_to_a_file(path):
    links = [link for link in LINK.findall(path.read_text()) if not link.startswith("http")]

    assert [link for link in links if not (path.parent / link).exists()] == []


def states(title: str) -> set[str]:
    picture = re.search(r"```mermaid\n(.*?)```", section(title), re.DOTALL)
    assert picture is not None
    return {name for pair in re.findall(r"(\w+) -->|--> (\w+)", picture[1]) for name in pair if name}


def every(kind: object) -> set[str]:
    """The words of a type of states."""
    return {state for part in get_args(kind) for state in get_args(part) or (part,)}


def test_the_picture_has_every_state_of_a_step():
    assert states("## The states of a step") == every(StepState)


def test_the_picture_has_every_state_of_a_workflow():
    pictured = states("## The states of a workflow, and how it ends")

    assert pictured - {"ending", "undoing"} == every(WorkflowState)
