"""What docs/repair.md shows is true: its Python runs, and prints what it says."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

from baton import WorkerPool
from tests.cli.command import ROOT

TEXT = (ROOT / "docs" / "repair.md").read_text()
SECONDS = 20


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def names(monkeypatch):
    """All of its Python, as one module; what it leaves out is that the refunds cannot be loaded."""
    module = ModuleType("repair_document")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks("python"):
        body = block.replace(
            "async def load(source: str) -> int: ...",
            "async def load(source: str) -> int:\n    return 1 // (source != 'refunds')",
        ).replace(
            "async def merge(left: int, right: int) -> int: ...",
            "async def merge(left: int, right: int) -> int:\n    return left + right",
        )
        exec(body, module.__dict__)
    return module.__dict__


async def test_the_failed_run_is_looked_at_and_put_right(engine, names):
    looked, from_a_on, noted = (block.rstrip("\n") for block in blocks("text"))
    async with WorkerPool(engine):
        run = await names["flow"].insert()
        assert await run.wait(timeout=SECONDS) == "failed"

        assert str(await names["look"](run)) == looked
        await names["complete_it"](run)

        assert await run.result("report", timeout=SECONDS) == 13
        assert str(await names["from_a_on"](run)) == from_a_on
        again = await names["insert_again"](run)
        assert [step.reason is not None for step in await again.steps()] == [True, False, True, False]
        assert await again.result("report", timeout=SECONDS) == 2
    assert [one[20:] for one in await names["history"](run)] == [noted[20:]]
