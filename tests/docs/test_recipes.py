"""Each recipe of docs/recipes.md runs, and ends as its text says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from baton import WorkerPool
from tests.cli.command import ROOT

TEXT = (ROOT / "docs" / "recipes.md").read_text()
WORKERS, *_ = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
RECIPES = dict(re.findall(r"^## ([^\n]+)\n.*?^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))

ENDS = {
    "Branch and join": ("completed", {"check": "completed", "deep": "completed", "quick": "skipped"}),
    "Clean up": ("failed", {"work": "discarded", "destroy": "completed", "page": "completed"}),
    "Saga": ("failed", {"car": "discarded", "hotel[undo]": "completed", "flight[undo]": "completed"}),
    "Quorum": ("completed", {"synthesis": "completed"}),
    "Race": ("completed", {"first": "completed"}),
    "Only if something failed": ("failed", {"repair": "completed", "publish": "skipped"}),
}


@pytest.mark.parametrize("recipe", ENDS)
async def test_a_recipe_ends_as_it_says(engine, recipe):
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(WORKERS + RECIPES[recipe], names)
    state, steps = ENDS[recipe]

    async with WorkerPool(engine):
        run = await names["flow"].insert()
        assert await run.wait(timeout=30) == state

    found = {step.name: step.state for step in await run.steps()}
    assert {name: found.get(name) for name in steps} == steps
