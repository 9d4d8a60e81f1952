"""An explanation reads what belongs to its workflow, by primary key, however large the tables are."""

from __future__ import annotations

import re

import pytest

from baton import Baton, insert_many
from baton.database.explanation_query import query
from tests.waiting import eventually

ARGUMENTS = {"step": ["w", "s200"], "names": ["w", ["s200"]], "ids": ["w", [1]], "run": ["w"]}


@pytest.fixture
async def filled(engine, quick):
    """A chain of 300 steps among 3,000 other workflows."""
    await insert_many([Baton.new().add("a", quick.new()).add("b", quick.new(), deps=["a"]) for _ in range(3_000)])
    flow = Baton.new(workflow_id="w")
    for number in range(300):
        flow.add(f"s{number}", quick.new(), deps=[f"s{number - 1}"] if number else [])
    return await flow.insert()


@pytest.mark.parametrize("about", list(ARGUMENTS))
@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_the_large_tables_are_read_by_index_only(filled, connection, about, is_analyzed):
    if is_analyzed:
        await connection.execute("vacuum analyze")
    rows = await connection.fetch("explain " + query(about, "baton"), *ARGUMENTS[about])

    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using steps_pkey" in plan
    assert re.findall(r"Seq Scan on (?:steps|queue|workflows)\b.*", plan) == []


async def test_the_end_of_a_long_chain_is_explained_in_milliseconds(filled):
    """Some hundred times as long as it takes on an idle machine is allowed."""

    async def is_quick() -> bool:
        (row,) = await filled.engine.connections.fetch(
            "explain (analyze, format json) " + query("step", "baton"), "w", "s299"
        )
        found = re.search(r'"Execution Time": ([\d.]+)', row[0])
        return found is not None and float(found[1]) < 1_000

    assert await eventually(is_quick)
