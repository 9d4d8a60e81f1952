"""What docs/flow.md shows runs as it stands."""

from __future__ import annotations

import re

from tests.cli.command import ROOT, assert_succeeded, python

TEXT = (ROOT / "docs" / "flow.md").read_text()


def test_the_schedules_fire(database, tmp_path):
    (source,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "scheduled.py").write_text(source)

    lines = assert_succeeded(python("scheduled.py", cwd=tmp_path, database=database)).splitlines()

    assert [line.split()[0] for line in lines] == ["nightly", "poll"]
    assert int(lines[1].split()[1]) >= 1
