"""A workflow as JSON text, inserted by a SQL function: the same workflow as from Python."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from baton import Baton, Context, Engine, Exponential, InvalidWorkflow, Limits, Run, WorkerPool, each, result_of, worker
from baton.core.compile import MADE_AT_ONCE
from baton.core.spec import StepSpec, Terms, WorkflowSpec

INSERT = "select * from baton.insert_workflow_json($1)"


@worker(name="json format: noted", queue="elsewhere", priority=3, timeout=1.5)
async def noted(ctx: Context, value: object = 1) -> object:
    return value


@worker(name="json format: joined")
async def joined(left: object = None, right: object = None) -> list[object]:
    return [left, right]


def with_everything(workflow_id: str) -> Baton:
    """A workflow in which each field of a step has another value than usual."""
    below = (
        Baton.new(fail_fast=True)
        .add("in", noted.new(2), deps=["a"])
        .add("out", joined.new(result_of("in"), right=result_of("b")))
    )
    later = datetime(2031, 2, 3, 4, 5, 6, 789_012, UTC)
    return (
        Baton.new(
            workflow_id=workflow_id,
            workflow_name="Größe 🎼",
            meta={"by": ["me", None]},
            debug=True,
            fail_fast=True,
            deadline=timedelta(hours=2),
        )
        .add("last", joined.new(result_of("a"), right=[result_of("b"), {"deep": result_of("a")}]), ignore_skipped=True)
        .add("a", noted.new("zero \0, half \ud800, 'quotes\" \\ \n"))
        .add("b", noted.new(1e22).with_options(backoff=Exponential(base=3)), deps=["a"], ignore_cancelled=True)
        .add("later", noted.new(-0.0).with_options(scheduled_at=later, max_attempts=2, timeout=None, priority=0))
        .add("soon", noted.new({"{a,b}": None}).with_options(schedule_in=timedelta(minutes=1)), deps=["b", "last"])
        .add('it\'s "odd" {,}', noted.new([]), deps=["a"], ignore_discarded=True)
        .add("below", below.returns("in"), deps=["b"])
        .add(
            "map",
            joined.new(each([1, result_of("a")]), right=result_of("b")).with_options(
                concurrency=2, tolerate="5%", deadline=9
            ),
        )
        .add(
            "map of results",
            noted.new(each(result_of("below"))).with_options(needs=1, start_within=7, lane="blue", units=3),
            deps=["later"],
        )
        .returns("map")
    )


# What differs between two inserts of one workflow: keys, and the time of the insert.
ROWS = {
    "workflows": ("key", {"key", "id", "inserted_at"}),
    "steps": ("id", {"id"}),
    "queue": ("step_id", {"step_id", "scheduled_at", "position"}),
}


@pytest.mark.parametrize("table", ROWS)
async def test_the_rows_are_those_an_insert_writes(engine, connection, table):
    order, changing = ROWS[table]
    await with_everything("one").insert()
    await connection.execute(INSERT, with_everything("two").to_json())

    found = await connection.fetch(f"select * from {table} order by {order}")
    rows = [{name: value for name, value in row.items() if name not in changing} for row in found]
    half = len(rows) // 2
    assert half in (1, 2, 11)
    assert rows[:half] == rows[half:]


async def test_it_runs_and_its_values_come_back_as_they_went_in(engine, connection):
    flow = Baton.new(workflow_id="w").add("a", noted.new("zero \0, half \ud800")).add("b", noted.new(-0.0))
    await connection.execute(INSERT, flow.add("c", joined.new(result_of("a"), right=result_of("b"))).to_json())

    async with WorkerPool(queues={"default": 5, "elsewhere": 5}):
        assert await Run("w").result("c", timeout=30) == ["zero \0, half \ud800", -0.0]


async def test_the_function_says_what_it_did(connection):
    first = await connection.fetchrow(INSERT, with_everything("w").to_json())
    second = await connection.fetchrow(INSERT, with_everything("w").to_json())

    assert dict(first) == {"key": 1, "id": "w", "is_new": True, "is_same": True}
    assert dict(second) == {"key": 1, "id": "w", "is_new": False, "is_same": True}


async def test_a_job_is_a_workflow_of_one_step(engine, connection):
    workflow_id = await connection.fetchval(INSERT.replace("*", "id"), joined.new(1).to_json())

    async with WorkerPool():
        assert await Run(workflow_id).result(timeout=30) == [1, None]


async def test_an_insert_and_its_json_are_the_same_workflow(engine, connection):
    await with_everything("w").insert()

    assert not (await connection.fetchrow(INSERT, with_everything("w").to_json()))["is_new"]


async def test_another_graph_under_the_same_id_is_an_error_that_says_so(engine, connection):
    await with_everything("w").insert()
    other = Baton.new(workflow_id="w").add("a", noted.new())

    with pytest.raises(asyncpg.UniqueViolationError, match="workflow 'w' exists already with another graph") as error:
        await connection.execute(INSERT, other.to_json())
    assert error.value.hint == "Insert this one under another workflow_id."


async def test_with_a_second_argument_a_conflict_is_returned_not_raised(engine, connection):
    await with_everything("w").insert()
    other = Baton.new(workflow_id="w").add("a", noted.new())

    found = await connection.fetchrow(INSERT.replace("$1", "$1, false"), other.to_json())
    assert (found["is_new"], found["is_same"]) == (False, False)


@pytest.mark.parametrize(
    "change", [{"format": 1}, {"format": 3}, {"format": None}, {"id": None}, {"steps": []}, {"steps": None}], ids=str
)
async def test_something_else_is_refused_in_a_sentence(connection, change):
    document = json.dumps(json.loads(with_everything("w").to_json()) | change)

    with pytest.raises(asyncpg.InvalidParameterValueError, match="not a workflow that this version"):
        await connection.execute(INSERT, document)


def test_a_workflow_with_faults_is_not_written():
    with pytest.raises(InvalidWorkflow, match="step 'b' depends on 'x'"):
        Baton.new().add("a", noted.new()).add("b", noted.new(), deps=["x"]).to_json()


async def test_a_workflow_beyond_the_limits_is_not_written(database):
    async with Engine(database, limits=Limits(argument_bytes=10)):
        with pytest.raises(InvalidWorkflow, match="the limit is 10"):
            noted.new("more than ten bytes").to_json()


async def test_it_works_in_a_schema_of_any_name(empty_database):
    async with Engine(empty_database, schema='oh "dear"'), WorkerPool():
        connection = await asyncpg.connect(empty_database)
        query = INSERT.replace("*", "id").replace("baton", '"oh ""dear"""')
        workflow_id = await connection.fetchval(query, joined.new(1).to_json())
        await connection.close()

        assert await Run(workflow_id).result(timeout=30) == [1, None]


@pytest.mark.slow
async def test_ten_thousand_steps_go_in_and_are_those_an_insert_writes(engine, connection):
    def large(workflow_id):
        flow = Baton.new(workflow_id=workflow_id)
        for number in range(10_000):
            flow.add(str(number), noted.new(number), deps=[str(back) for back in range(max(0, number - 3), number)])
        return flow

    await large("one").insert()
    await connection.execute(INSERT, large("two").to_json())

    every = """
        select s.name, s.args::text, s.dependencies, s.dependents, s.inputs, s.pending, s.state
          from steps s
         where workflow_of(s.id) = (select key from workflows where id = $1)
         order by s.id
    """
    assert await connection.fetch(every, "one") == await connection.fetch(every, "two")


def test_each_of_many_steps_keeps_its_own_options():
    """Of a workflow whose steps are made when they are asked for, anew each time."""
    flow = Baton.new()
    for number in range(MADE_AT_ONCE + 1):
        flow.add(str(number), noted.new().with_options(priority=number % 1000))

    document = json.loads(flow.to_json())

    assert [step["priority"] for step in document["steps"]] == [n % 1000 for n in range(MADE_AT_ONCE + 1)]


def test_every_field_is_in_the_text():
    document = json.loads(with_everything("w").to_json())

    assert set(document) == {"format", *WorkflowSpec.__struct_fields__}
    written = {field for step in document["steps"] for field in step}
    assert written == {"number", *StepSpec.__struct_fields__, *Terms.__struct_fields__} - {"terms"}
