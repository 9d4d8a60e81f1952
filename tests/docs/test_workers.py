"""What docs/workers.md shows runs as it stands."""

from __future__ import annotations

import re

from baton import Baton, WorkerPool
from tests.cli.command import ROOT, assert_succeeded, python

TEXT = (ROOT / "docs" / "workers.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def block(word: str) -> str:
    (found,) = [source for source in BLOCKS if word in source]
    return found


def run_block(source: str) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "a block of the document"}
    exec(source, names)
    return names


async def test_the_transfer_moves_money(engine, connection):
    await connection.execute("create table public.accounts (id integer, balance integer)")
    await connection.execute("insert into public.accounts values (1, 10), (2, 10)")
    transfer = run_block(block("async def transfer"))["transfer"]

    async with WorkerPool(engine):
        run = await transfer.new(source=1, target=2, amount=3).insert()
        assert await run.result(timeout=20) == 3
    rows = await connection.fetch("select balance from public.accounts order by id")
    assert [row["balance"] for row in rows] == [7, 13]


async def test_the_import_goes_on_from_what_it_kept(engine):
    import_file = run_block(block("async def import_file"))["import_file"]

    async with WorkerPool(engine):
        run = await import_file.new(file="articles").insert()
        assert await run.result(timeout=20) == 6


async def test_the_agent_goes_on_until_it_has_an_answer(engine):
    turn = run_block(block("async def turn"))["turn"]

    async with WorkerPool(engine):
        run = await turn.new(messages=["the question"]).insert()
        assert await run.result(timeout=20) == "the answer"
        (step,) = await run.steps()
    assert [child.name for child in step.children][::3] == ["turn/ask", "turn[#2]/ask", "turn[#3]/ask"]


async def test_prices_are_provided(engine):
    names = run_block(block("open_prices"))
    price = names["price"]

    assert await price("kettle", prices=names["Prices"]()) == 6
    async with WorkerPool(engine, provide=[names["open_prices"]]):
        flow = Baton.new().add("a", price.new(article="kettle")).add("b", price.new(article="pot"), deps=["a"])
        run = await flow.insert()
        assert [await run.result(name, timeout=20) for name in "ab"] == [6, 3]


def test_reports_are_rendered_by_an_executor(database, tmp_path):
    use = """
import asyncio


async def main() -> None:
    with ProcessPoolExecutor(1) as reports:
        async with Engine() as engine, WorkerPool(engine, executors={"reports": reports}):
            print(await (await render.new(template="four").insert()).result(timeout=60))


if __name__ == "__main__":
    asyncio.run(main())
"""
    (tmp_path / "reports.py").write_text(block("def render") + use)

    assert assert_succeeded(python("reports.py", cwd=tmp_path, database=database)) == "4\n"


def test_every_link_leads_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)

    assert targets
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
