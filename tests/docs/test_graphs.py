"""What docs/graphs.md shows is true: its Python runs, and its tables say what happens."""

from __future__ import annotations

import re

import pytest

from baton import Baton, Cancel, Skip, WorkerPool, each, result_of, state_of, worker
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


@worker(name="graphs end", max_attempts=1)
async def end(how: str) -> str | Cancel | Skip:
    match how:
        case "discarded":
            raise ValueError("fails")
        case "cancelled":
            return Cancel("no")
        case "skipped":
            return Skip("no")
    return how


@worker(name="graphs see")
async def see(given: object = None) -> None:
    """Takes whatever its dependency left."""


async def test_the_table_of_edges_says_what_becomes_of_a_step(engine):
    """All of its cells in one workflow: a dependent for each way to name each of four steps."""
    rows = re.findall(
        r"^\| (completed|discarded|cancelled|skipped) \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", TEXT, re.MULTILINE
    )
    flow = Baton.new()
    for how, *_ in rows:
        flow.add(how, end.new(how))
        ignored = {} if how == "completed" else {f"ignore_{how}": True}
        flow.add(f"{how} 0", see.new(), deps=[how])
        flow.add(f"{how} 1", see.new(), deps=[how], **ignored)
        flow.add(f"{how} 2", see.new(result_of(how, default=None)))
        flow.add(f"{how} 3", see.new(state_of(how)))

    async with WorkerPool(engine):
        run = await flow.insert()
        await run.wait(timeout=30)

    found = {step.name: step.state.replace("completed", "runs") for step in await run.steps()}
    assert len(rows) == 4
    assert [[found[f"{how} {column}"] for column in range(4)] for how, *_ in rows] == [
        list(cells) for _, *cells in rows
    ]


async def test_the_query_is_answered(engine, connection):
    (query,) = re.findall(r"^```sql\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

    @worker
    async def doubled(number: int) -> int:
        return 2 * number

    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="order-4711").add("m", doubled.new(each([1, 2]))).insert()
        await run.wait(timeout=30)

    assert [tuple(row) for row in await connection.fetch(query)] == [("m", "completed", 2, 0, "[2, 4]")]
