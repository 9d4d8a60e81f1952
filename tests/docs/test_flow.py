"""What docs/flow.md shows runs as it stands."""

from __future__ import annotations

import re

from tests.cli.command import ROOT, assert_succeeded, python

TEXT = (ROOT / "docs" / "flow.md").read_text()
SOURCES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_schedules_fire(database, tmp_path):
    source, _ = SOURCES
    (tmp_path / "scheduled.py").write_text(source)

    lines = assert_succeeded(python("scheduled.py", cwd=tmp_path, database=database)).splitlines()

    assert [line.split()[0] for line in lines] == ["nightly", "poll"]
    assert int(lines[1].split()[1]) >= 1


def test_the_recipes_with_keys_do_what_they_say(database, tmp_path):
    (tmp_path / "keys.py").write_text(SOURCES[1])

    said = assert_succeeded(python("keys.py", cwd=tmp_path, database=database))

    assert said.splitlines() == [
        "not twice: True False",
        "at most once an hour: True",
        "debounced: 4",
        "the newest wins: cancelled 2",
    ]
