"""No page reads a table from end to end, however much is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from baton.database.connections import Connections
from tests.database.test_plans import LOAD
from tests.web.served import asking_as

LARGE = {"steps", "queue", "workflows", "interventions"}
MOST_ROWS = 25_000
"""What a page may meet: five thousand workflows and ten thousand entries, some of them twice. There are ten times as
many."""
PAGES: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("runs", {}),
    ("runs", {"state": "failed"}),
    ("runs", {"name": "nothing", "since": "1h"}),
    ("runs", {"tag": "team=red", "key": "none"}),
    ("run", {"id": "old 77"}),
    ("run", {"id": "new 77"}),
    ("run", {"id": "old 77", "around": "s4"}),
    ("steps", {"id": "old 77", "state": "completed"}),
    ("step", {"id": "old 77", "step": "s3"}),
    ("queues", {}),
    ("limits", {}),
    ("pools", {}),
    ("schedules", {}),
    ("interventions", {}),
    ("interventions", {"id": "old 77"}),
]


@pytest.fixture
def statements(monkeypatch):
    """The statements that the engine's connections run, with what they were given."""
    seen: list[tuple[str, tuple[Any, ...]]] = []
    fetch = Connections.fetch

    async def noted(self, query, *args):
        seen.append((query, args))
        return await fetch(self, query, *args)

    monkeypatch.setattr(Connections, "fetch", noted)
    return seen


def parts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from parts(inner)


def large_reads(plan: dict[str, Any]) -> list[str]:
    """What reads a whole table, or meets more rows than a page may."""
    found = []
    for part in parts(plan):
        rows = (part["Actual Rows"] + part.get("Rows Removed by Filter", 0)) * part["Actual Loops"]
        if part.get("Relation Name") not in LARGE:
            continue
        if part["Node Type"] == "Seq Scan" or rows > MOST_ROWS:
            found.append(f"{part['Node Type']} of {part['Relation Name']}, {rows:,.0f} rows")
    return found


@pytest.mark.slow
async def test_no_page_reads_a_table_from_end_to_end(engine, connection, statements):
    """With 40,000 workflows, 220,000 steps and 20,000 entries, and the statements explained as they run."""
    await connection.execute(LOAD)
    await connection.execute(
        "insert into interventions (workflow, action, role) select n, 'retry', 'app' from generate_series(1, 20000) n"
    )
    await connection.execute("analyze")
    faults = {}
    async with asking_as(engine) as client:
        for page, query in PAGES:
            statements.clear()
            answer = await client.get(page, params=query)
            assert answer.status_code == 200, (page, query, answer.text)
            for statement, args in statements:
                explained = await connection.fetchval(f"explain (analyze, format json) {statement}", *args)
                if found := large_reads(json.loads(explained)[0]["Plan"]):
                    faults[page, tuple(query.items()), statement[:60]] = found

    assert not faults, "\n".join(f"{where}: {found}" for where, found in faults.items())
