"""What docs/language-models.md shows is true: its Python runs, and its workflows end as it says."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

from baton import Baton, WorkerPool
from baton.llm import Usage
from tests.cli.command import ROOT

TEXT = (ROOT / "docs" / "language-models.md").read_text()
SECONDS = 20


@pytest.fixture
def names(monkeypatch):
    """All of its Python, as one module, which dataclasses look for."""
    module = ModuleType("language_models_document")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        exec(block, module.__dict__)
    return module.__dict__


async def test_each_step_asks_its_model(engine, names):
    run = await names["flow"].insert()

    async with WorkerPool(engine):
        answers = await run.result("answers", timeout=SECONDS)

    assert answers == ["gpt-5-mini on 'What is a baton? (gpt-5)'", "gpt-5-mini on 'and why?'"]


async def test_the_usage_is_read_as_it_says(engine, names, capsys):
    run = await Baton.new().add("ask", names["ask_own_server"].new("hello, hello")).insert()
    async with WorkerPool(engine, prices=names["prices"]):
        await run.wait(timeout=SECONDS)

    await names["how_much"](run, engine)

    assert "1 23 0.0004" in capsys.readouterr().out


def test_the_price_table_has_the_prices_it_says(names):
    price = names["prices"](Usage(model="our-model", input_tokens=1_000_000, output_tokens=1_000_000))

    assert (str(price.cost), price.version) == ("1.00", "2026-11")


async def test_the_council_makes_one_answer(engine, names):
    run = await names["ask_council"]("Why?").insert()

    async with WorkerPool(engine):
        council = await run.result("council", timeout=SECONDS)

    assert council.answer.startswith("Why? gpt-5: gpt-5 on 'Why?'; claude-opus-4-5: ")
    assert (len(council.used), council.is_degraded) == (3, False)


async def test_the_careful_workflow_keeps_its_budgets(engine, names, capsys):
    run = await names["careful"]("What is a baton?", "red").insert()
    async with WorkerPool(engine):
        await run.wait(timeout=SECONDS)

    await names["raise_it"](run)

    assert "Decimal('5.0')" in capsys.readouterr().out
    assert (await run.status()).state == "completed"
    assert {state.shared: str(state.cost) for state in await run.budgets()} == {None: "5.0", "tag team=red": "80.0"}
