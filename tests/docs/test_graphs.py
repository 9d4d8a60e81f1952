"""What docs/graphs.md shows is true: its Python runs, and its tables say what happens."""

from __future__ import annotations

import re

import pytest

from baton import Baton, WorkerPool, each, worker
from tests.cli.command import ROOT

TEXT = (ROOT / "docs" / "graphs.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_runs_and_its_workflow_is_valid(number):
    names: dict[str, object] = {"__name__": f"block {number}"}
    exec(BLOCKS[number], names)
    if "flow" in names:
        assert len(names["flow"].validate()) > 2


async def test_the_folder_walk_counts_files(engine, tmp_path):
    (walk,) = [block for block in BLOCKS if "count_files" in block]
    names: dict[str, object] = {"__name__": "walk"}
    exec(walk, names)
    for name in ("a", "b/c", "b/d/e"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    async with WorkerPool(engine):
        run = await names["count_files"].new(str(tmp_path)).insert()
        assert await run.result(timeout=30) == 3


async def test_the_query_is_answered(engine, connection):
    (query,) = re.findall(r"^```sql\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

    @worker
    async def doubled(number: int) -> int:
        return 2 * number

    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="order-4711").add("m", doubled.new(each([1, 2]))).insert()
        await run.wait(timeout=30)

    assert [tuple(row) for row in await connection.fetch(query)] == [("m", "completed", 2, 0, "[2, 4]")]
