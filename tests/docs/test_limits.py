"""What docs/limits.md shows runs as it stands."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import ROOT, assert_succeeded, python

PROGRAMS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("source", "prints"),
    list(
        zip(
            PROGRAMS,
            ["WHAT IS 4?\nopenai 20 0\n", "completed\nsmall was among the first ten: True\n"],
            strict=True,
        )
    ),
    ids=["a limit", "fair shares"],
)
def test_the_programs_run(database, tmp_path, source, prints):
    (tmp_path / "limited.py").write_text(source)

    assert assert_succeeded(python("limited.py", cwd=tmp_path, database=database)) == prints
