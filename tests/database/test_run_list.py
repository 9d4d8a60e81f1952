"""Lists of workflows: pages by key, short queries, and the few steps that are looked up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from baton import InvalidOption
from baton.database import run_list

MANY = 30_000
STEPS = """
    insert into steps (id, name, worker, args, queue, priority, max_attempts, ignore_cancelled, ignore_discarded,
                       ignore_skipped, dependencies, dependents, pending, state, reason, finished_at)
    select step_of(w.key, n), 's' || n, 'work', '{}', 'default', 0, 20, false, false, false, '{}', '{}', 0,
           'discarded', 'no', now()
      from workflows w, generate_series(0, w.total - 1) as n
"""


async def insert(connection, count, total=1, state="completed", name=None, since="now()"):
    """Insert workflows, each a second older than the one before it was."""
    await connection.execute(
        f"""
        insert into workflows (id, name, fingerprint, total, remaining, state, inserted_at, finished_at)
        select '{state} ' || {count} - n, $1, '1:x', {total}, 0, '{state}', {since} - interval '1 s' * ({count} - n),
               now()
          from generate_series(1, {count}) as n
        """,
        name,
    )


async def pages(engine, **wanted):
    """All pages, each as the ids on it."""
    found, after = [], None
    while True:
        page = await engine.runs(after=after, **wanted)
        found.append([run.id for run in page.runs])
        if (after := page.after) is None:
            return found


async def test_pages_hold_every_workflow_once_the_newest_first(engine, connection):
    await insert(connection, 10)

    found = await pages(engine, limit=4)

    assert [len(page) for page in found] == [4, 4, 2]
    assert [run for page in found for run in page] == [f"completed {n}" for n in range(10)]


async def test_a_page_that_ends_with_the_last_workflow_is_the_last_page(engine, connection):
    await insert(connection, 4)

    assert (await engine.runs(limit=4)).after is None


async def test_a_rare_workflow_is_found_behind_many_others(engine, connection):
    await insert(connection, 2, state="failed", since="now() - interval '1 day'")
    await insert(connection, MANY)

    assert (await pages(engine, state="failed"))[-1] == ["failed 0", "failed 1"]


async def test_a_call_looks_at_a_bounded_number_of_workflows(engine, connection, monkeypatch):
    """It returns a short page, which says where to go on."""
    monkeypatch.setattr(run_list, "WINDOWS", 2)
    monkeypatch.setattr(run_list, "WINDOW", 10)
    await insert(connection, 1, state="failed")
    await insert(connection, 50)

    assert await pages(engine, state="failed") == [[], [], ["failed 0"]]


async def test_a_list_since_a_time_does_not_look_further_back(engine, connection, monkeypatch):
    """Keys ascend with time, give or take an hour for clocks that were set."""
    monkeypatch.setattr(run_list, "WINDOWS", 1)
    monkeypatch.setattr(run_list, "WINDOW", 10)
    await insert(connection, 50, state="cancelled", since="now() - interval '2 days'")
    await insert(connection, 3)

    assert await pages(engine, since=timedelta(hours=1)) == [["completed 0", "completed 1", "completed 2"]]


async def test_a_time_is_a_point_or_a_span_back_from_now(engine, connection):
    await insert(connection, 3)
    (newest, second, _) = (await engine.runs()).runs

    assert [run.id for run in (await engine.runs(since=second.inserted_at)).runs] == [newest.id, second.id]
    assert len((await engine.runs(since=timedelta(days=1))).runs) == 3


async def test_failures_are_counted_in_the_first_thousand_steps(engine, connection):
    await insert(connection, 1, total=2_500, state="failed")
    await insert(connection, 1, total=2)
    await connection.execute(STEPS)

    small, large = (await engine.runs()).runs

    assert (small.steps, small.discarded, small.failed_step, small.reason) == (2, 2, "s0", "no")
    assert (large.steps, large.discarded, large.failed_step) == (2_500, 1_000, "s0")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"state": "done"}, "a workflow is executing, completed, failed or cancelled"),
        ({"since": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)}, "the datetime is naive"),
        ({"since": timedelta(-1)}, "it must be 0 or more seconds"),
        ({"name": "a\0b"}, "it contains the character"),
        ({"name": "a\ud800"}, "it contains the character"),
        ({"limit": 0}, "a page has 1 to 1,000 workflows"),
        ({"limit": 1_001}, "a page has 1 to 1,000 workflows"),
    ],
)
async def test_what_cannot_be_wanted_is_refused(wanted, why, engine):
    with pytest.raises(InvalidOption, match=why):
        await engine.runs(**wanted)


async def test_a_page_reads_its_window_by_key_and_its_steps_alone(engine, connection):
    """The cost is that of the page, and not that of what is stored."""
    await insert(connection, MANY, total=2)
    await connection.execute(STEPS)
    await connection.execute("vacuum analyze workflows, steps")
    statements = []

    class Explaining:
        async def fetch(self, query, *args):
            (row,) = await connection.fetch(f"explain (analyze, format json) {query}", *args)
            statements.append(json.loads(row[0])[0]["Plan"])
            return await connection.fetch(query, *args)

    wanted = run_list.run_filter(None, None, None)
    page = await run_list.read_run_page(Explaining(), "baton", wanted, 20, MANY // 2)

    assert len(page.runs) == 20
    read = {}
    for node in (node for statement in statements for node in nodes(statement)):
        if (table := node.get("Relation Name")) is not None:
            assert node["Node Type"].startswith("Index"), node
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            read[table] = read.get(table, 0) + rows * node["Actual Loops"]
    assert read["steps"] <= 21 * 2
    assert read["workflows"] <= run_list.WINDOW


def nodes(plan):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)
