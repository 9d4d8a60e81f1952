"""What docs/templates.md shows is true: its Python runs, and its commands insert what it shows."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from baton import Baton, InvalidTemplate, Run
from tests.cli.command import ROOT, assert_succeeded, baton

TEXT = (ROOT / "docs" / "templates.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def names():
    """All of its Python, as one module."""
    found: dict[str, object] = {"__name__": "templates document"}
    for block in blocks("python"):
        exec(block, found)
    return found


def test_the_python_makes_the_text_that_is_shown(names):
    assert names["text"] == blocks("json")[0]
    assert names["flow"].validate() == ["fetch", "report"]


async def test_the_first_command_inserts_the_template(engine, database, tmp_path, names):
    (tmp_path / "visit.json").write_text(names["text"])
    first, _ = blocks("sh")[0].splitlines()

    done = baton(*shlex.split(first)[1:], cwd=tmp_path, database=database)

    assert assert_succeeded(done) == "visit-7\n"
    assert [step.name for step in await Run("visit-7").steps()] == ["fetch", "report"]


def test_what_is_refused_is_said_as_shown(names):
    said = re.findall(r"^\| [^`|]* \| `+(.*?)`+ \|$", TEXT, re.MULTILINE)
    whole = {"site": "x", "queue": "q", "to": "t"}
    document = json.loads(names["text"])
    wrong = [
        (document, {**whole, "site": 1}),
        ({**document, "steps": [{**document["steps"][0], "dep": []}]}, whole),
        ({**document, "template": 2}, whole),
        ({**document, "steps": [{**document["steps"][0], "worker": "fetsh"}]}, whole),
    ]
    given = {name: value for name, value in whole.items() if name != "site"}
    for (template, values), sentence in zip([(document, {**given, "sight": 1}), *wrong], said, strict=True):
        with pytest.raises(InvalidTemplate) as refused:
            Baton.from_template(json.dumps(template), values)
        assert sentence.strip() in refused.value.why
