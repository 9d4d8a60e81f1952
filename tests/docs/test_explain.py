"""The guide to explanations names every cause."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from baton import causes

TEXT = (Path(__file__).resolve().parents[2] / "docs/explain.md").read_text()


def test_each_cause_is_in_a_table_with_its_sentence():
    kinds = [cause.__struct_config__.tag for cause in (*get_args(causes.Cause), *get_args(causes.RunCause))]

    assert sorted(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == sorted(kinds)


def test_its_program_can_be_compiled():
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)

    assert set(re.findall(r"causes\.(\w+)\(", program)) <= set(causes.__all__)
    compile(program, "docs/explain.md", "exec")
