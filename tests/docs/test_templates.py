"""What docs/templates.md shows is true: its Python runs, and its commands insert what it shows."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from baton import Baton, InvalidTemplate, InvalidWorkflow, Run
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
    assert names["cohort"].validate() == ["sheet", "samples", "merge"]


async def test_the_first_command_inserts_the_template(engine, database, tmp_path, names):
    (tmp_path / "visit.json").write_text(names["text"])
    first, _, _ = blocks("sh")[0].splitlines()

    done = baton(*shlex.split(first)[1:], cwd=tmp_path, database=database)

    assert assert_succeeded(done) == "visit-7\n"
    assert [step.name for step in await Run("visit-7").steps()] == ["fetch", "report"]


def test_what_is_refused_is_said_as_shown(names):
    said = [one.strip() for one in re.findall(r"^\| [^`|]* \| `+(.*?)`+ \|$", TEXT, re.MULTILINE)]
    assert len(said) == 6
    whole = {"site": "x", "queue": "q", "to": "t"}
    document = json.loads(names["text"])
    fetch = document["steps"][0]
    refused = [
        refusal(document, queue="q", to="t", sight=1),
        refusal(document, **whole | {"site": 1}),
        refusal({**document, "steps": [{**fetch, "dep": []}]}, **whole),
        refusal({**document, "template": 2}, **whole),
        wrong_hole(names["sample"]),
        refusal({**document, "steps": [{**fetch, "worker": "fetsh"}]}, **whole),
    ]
    for sentence, why in zip(said, refused, strict=True):
        assert sentence in why


def refusal(document, **values):
    with pytest.raises(InvalidTemplate) as refused:
        Baton.from_template(json.dumps(document), values)
    return refused.value.why


def wrong_hole(inner):
    with pytest.raises(InvalidWorkflow) as refused:
        Baton.new().add("samples", inner, each={"smaple": ["x"]}).validate()
    return str(refused.value)
