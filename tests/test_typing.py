"""Typing as users see it: what type checkers accept in their strictest mode, and what they object to.

In tests/typing/rejected.py the rules stand behind each line that is wrong. `python tests/test_typing.py` writes them
anew; read the difference.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "typing"
ACCEPTED, REJECTED = FOLDER / "accepted.py", FOLDER / "rejected.py"
EXPECTED = re.compile(r"  # (?P<rules>(?:mypy|pyright): .*)$")
FOUND_BY_MYPY = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<rule>[a-z-]+)\]$")

Rules = dict[int, list[str]]
"""The rules by which a type checker objects, by line."""


def found_by_mypy(path: Path) -> Rules:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    rules: Rules = defaultdict(list)
    for line in done.stdout.splitlines():
        if (found := FOUND_BY_MYPY.match(line)) and (ROOT / found["file"]) == path:
            rules[int(found["line"])].append(found["rule"])
    return dict(rules)


def found_by_pyright(path: Path) -> Rules:
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--project", str(FOLDER)]
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    rules: Rules = defaultdict(list)
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        if Path(one["file"]) == path and one["severity"] == "error":
            rules[one["range"]["start"]["line"] + 1].append(one.get("rule", "syntax"))
    return dict(rules)


CHECKERS = {"mypy": found_by_mypy, "pyright": found_by_pyright}


def pinned(checker: str) -> Rules:
    """The rules that stand behind the lines of the file."""
    rules: Rules = {}
    for number, line in enumerate(REJECTED.read_text().splitlines(), 1):
        if expected := EXPECTED.search(line):
            for part in expected["rules"].split("; "):
                name, _, listed = part.partition(": ")
                if name == checker:
                    rules[number] = listed.split(", ")
    return rules


def pin() -> None:
    """Write behind each line the rules that are broken now."""
    found = {name: find(REJECTED) for name, find in CHECKERS.items()}
    lines = [EXPECTED.sub("", line) for line in REJECTED.read_text().splitlines()]
    for number, line in enumerate(lines, 1):
        parts = [f"{name}: {', '.join(sorted(rules[number]))}" for name, rules in found.items() if number in rules]
        lines[number - 1] = f"{line}  # {'; '.join(parts)}" if parts else line
    REJECTED.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_what_users_write_is_accepted(checker):
    assert CHECKERS[checker](ACCEPTED) == {}


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_what_is_wrong_is_rejected_where_it_is_written(checker):
    found = {line: sorted(rules) for line, rules in CHECKERS[checker](REJECTED).items()}
    assert found == pinned(checker)


def test_each_wrong_line_is_rejected_by_both_checkers():
    """But for the line that mypy calls unreachable, because the comparison before it never holds."""
    by_mypy, by_pyright = pinned("mypy"), pinned("pyright")
    lines = REJECTED.read_text().splitlines()
    differing = {EXPECTED.sub("", lines[number - 1]) for number in set(by_mypy) ^ set(by_pyright)}
    assert differing == {"        print(number)"}
    assert len(by_pyright) >= 24


if __name__ == "__main__":
    pin()
