"""What the entrances for clients refuse: each way in which an insert could harm others, or would never end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace

from baton import Baton, Engine, Signal, each, insert_many, result_of, worker
from baton.core.expansion import Expansion, to_text
from baton.core.spec import Extras, Map, SignalSpec, StepSpec, SubWorkflow, Terms, TimerSpec, Undo, WorkflowSpec
from baton.database.columns import workflow_columns
from baton.database.grants import grant
from baton.database.messages import NotInserted
from baton.database.store import Store
from tests.database.raw_pool import Step, step, workflow

REFUSED = asyncpg.InvalidParameterValueError
Refusing = Callable[[WorkflowSpec], Awaitable[str]]


@worker(name="checked")
async def part(value: object = None, other: object = None) -> object:
    return value


@pytest.fixture
async def client(database: str, connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection of a role that was granted `client` and nothing else."""
    await connection.execute("drop role if exists baton_checked; create role baton_checked login")
    await grant(connection, "baton", {"client": ["baton_checked"]})
    client = await asyncpg.connect(database, user="baton_checked")
    yield client
    await client.close()
    await connection.execute("drop owned by baton_checked; drop role baton_checked")


@pytest.fixture
def refusing(client: asyncpg.Connection, connection: asyncpg.Connection) -> Refusing:
    """Insert a workflow as the client; return the message of the refusal, after which nothing is stored."""

    async def refusing(spec: WorkflowSpec) -> str:
        with pytest.raises(REFUSED) as error:
            await Store(client, "baton", checks_inserts=True).insert_workflow(spec)
        assert await connection.fetchval("select count(*) from workflows") == 0
        return str(error.value.message)

    return refusing


def group(first: int, children: int, returns: int | None = None) -> dict[str, Any]:
    """What makes a step of `raw_pool` a group."""
    return {"worker": "baton.workflow", "extras": Extras(SubWorkflow(first, children, returns))}


def of(*steps: Any, **changes: Any) -> WorkflowSpec:
    return replace(workflow("w", *steps), **changes)


def mapping(*steps: Step, children: int | None = None, changed: dict[str, Any] | None = None) -> Step:
    """A map of a workflow of these steps."""
    specs = of(*steps).steps
    graph = Expansion(tuple([replace(one, **(changed or {})) for one in specs]), children or len(specs), None)
    text = to_text(graph).encode()
    return step("m", worker="baton.item", args='{"x": [1]}', extras=Extras(Map(("x",), graph=msgspec.Raw(text))))


STEP = step("a")
HOSTILE: dict[str, tuple[WorkflowSpec, str]] = {
    "a group that returns itself": (
        of(step("g", **group(1, 1, 0)), step("g/x", parent=0)),
        "step 'g' of workflow 'w': it returns a step that is not a child of it",
    ),
    "a group that returns a step outside it": (
        of(step("g", **group(2, 1, 1)), step("a"), step("g/x", parent=0)),
        "step 'g' of workflow 'w': it returns a step that is not a child of it",
    ),
    "a step that is its own parent": (
        of(step("a", parent=0)),
        "step 'a' of workflow 'w': its parent is not a group",
    ),
    "groups that are each other's parents": (
        of(step("g/h", parent=1, **group(1, 1)), step("g", parent=0, **group(0, 1))),
        "step 'g' of workflow 'w': its name does not begin with that of its parent",
    ),
    "a parent that is no group": (
        of(step("a"), step("a/b", parent=0)),
        "step 'a/b' of workflow 'w': its parent is not a group",
    ),
    "children that lie elsewhere": (
        of(step("g", **group(1, 2)), step("g/x", parent=0), step("a")),
        "step 'g' of workflow 'w': it has 1 children, and says 2",
    ),
    "children beyond the last step": (
        of(step("g", **group(1, 2**22)), step("g/x", parent=0)),
        "step 'g' of workflow 'w': its children are not steps that come after it",
    ),
    "a dependency in another workflow": (
        of(STEP, steps=(replace(STEP.spec, dependencies=(2**22,)),)),
        "step 'a' of workflow 'w': its dependencies are not distinct steps in ascending order",
    ),
    "a dependent in another workflow": (
        of(STEP, steps=(replace(STEP.spec, dependents=(2**22 + 1,)),)),
        "step 'a' of workflow 'w': its dependents are not distinct steps in ascending order",
    ),
    "a negative dependent": (
        of(STEP, steps=(replace(STEP.spec, dependents=(-1,)),)),
        "step 'a' of workflow 'w': its dependents are not distinct steps in ascending order",
    ),
    "an input in another workflow": (
        of(STEP, steps=(replace(STEP.spec, inputs=(2**22,)),)),
        "step 'a' of workflow 'w': its inputs are not distinct steps in ascending order",
    ),
    "an input that is no dependency": (
        of(step("a"), step("b"), steps=(STEP.spec, replace(step("b").spec, inputs=(0,)))),
        "step 'b' of workflow 'w': it reads a step that it does not depend on",
    ),
    "an undo that reads another workflow": (
        of(step("a", extras=Extras(undo=Undo("work", "q", 0, 1, "{}"), undo_inputs=(2**22,)))),
        "step 'a' of workflow 'w': the inputs of its undo are not other steps in ascending order",
    ),
    "a map whose children read another workflow": (
        of(step("a", extras=Extras(Map(("x",), None, (2**22,))))),
        "step 'a' of workflow 'w': its children read a step that it does not depend on",
    ),
    "a step that waits for itself": (
        of(step("a", "a")),
        "steps wait for each other, in a cycle or behind one: 'a'",
    ),
    "a cycle": (
        of(step("a", "c"), step("b", "a"), step("c", "b"), step("d")),
        "steps wait for each other, in a cycle or behind one: 'a', 'b', 'c'",
    ),
    "a child that waits for its own group": (
        of(step("g", **group(1, 1)), step("g/x", "g", parent=0)),
        "steps wait for each other, in a cycle or behind one: 'g', 'g/x'",
    ),
    "a step that waits for a child of another group": (
        of(step("g", **group(2, 1)), step("b", "g/x"), step("g/x", parent=0)),
        "step 'b' of workflow 'w' depends on step 'g/x', which is inside another group",
    ),
    "dependents that are not the inverse": (
        of(step("a"), step("b"), steps=(replace(STEP.spec, dependents=(1,)), step("b").spec)),
        "step 'a' of workflow 'w': its dependents are not the steps that depend on it",
    ),
    "a child that does not wait for what its group waits for": (
        of(step("a"), step("g", "a", **group(2, 1)), step("g/x", parent=1)),
        "step 'a' of workflow 'w': its dependents are not the steps that depend on it",
    ),
    "a role of the engine's own": (
        of(step("a", extras=Extras(role="undo"))),  # type: ignore[arg-type]
        "step 'a' of workflow 'w': it cannot have the role 'undo'",
    ),
    "an ordinary step that outlives a cancel": (
        of(step("a", extras=Extras(is_closing=True))),
        "step 'a' of workflow 'w': it is marked as closing, and is neither a closing step nor below one",
    ),
    "a closing step that closes nothing": (
        of(step("a", extras=Extras(role="always", is_closing=True))),
        "step 'a' of workflow 'w': it closes or guards nothing",
    ),
    "more needed than there is": (
        of(step("a"), step("b", "a", extras=Extras(needs=2, edges=(0,)))),
        "step 'b' of workflow 'w': it needs 2 of its dependencies, and 1 count",
    ),
    "edges that are too few": (
        of(step("a"), step("b", "a", extras=Extras(edges=()))),
        "step 'b' of workflow 'w': it has 0 edges and 1 dependencies",
    ),
    "the worker of a group": (
        of(step("a", worker="baton.workflow")),
        "the worker baton.workflow stands for something that is not a job",
    ),
    "a wait that is a job": (
        of(step("a", worker="baton.signal")),
        "the worker baton.signal stands for something that is not a job",
    ),
    "a job that waits": (
        of(step("a", extras=Extras(awaits=SignalSpec()))),
        "step 'a' of workflow 'w': its worker is not baton.signal",
    ),
    "a timer without a time": (
        of(step("a", worker="baton.timer", extras=Extras(awaits=TimerSpec()))),
        "step 'a' of workflow 'w': a timer has either seconds or a time",
    ),
    "a dependency on another's arguments": (
        of(step("a", references='[[["x"],"b"]]')),
        "step 'a' of workflow 'w' refers to step 'b', which it does not depend on",
    ),
    "a reference without a place": (
        of(step("a"), step("b", "a", references='[[[],"a"]]')),
        "step 'b' of workflow 'w': the references in its arguments are not valid",
    ),
    "a map of a workflow without one": (
        of(step("a", worker="baton.item", extras=Extras(Map(("x",))))),
        "step 'a' of workflow 'w': the worker baton.item is that of maps of workflows, and of no other",
    ),
    "the worker of a map's items": (
        of(step("a", worker="baton.item")),
        "the worker baton.item stands for something that is not a job",
    ),
    "a map of a workflow in a circle": (
        of(mapping(step("a", "b"), step("b", "a"))),
        "steps wait for each other, in a cycle or behind one: 'a', 'b'",
    ),
    "a map of a workflow whose step is in another": (
        of(mapping(STEP, changed={"dependents": (2**22,)})),
        "step 'a' of workflow 'the items of a map': its dependents are not distinct steps in ascending order",
    ),
    "a map of a workflow with a role of the engine's own": (
        of(mapping(step("a", extras=Extras(role="undo")))),  # type: ignore[arg-type]
        "step 'a' of workflow 'the items of a map': it cannot have the role 'undo'",
    ),
    "a map of a workflow that reads what it does not name": (
        of(mapping(step("a", references='[[["x"],"b"]]'))),
        "step 'a' of workflow 'the items of a map' refers to step 'b', which it does not depend on",
    ),
    "a map of a workflow with other children than it says": (
        of(mapping(STEP, children=2)),
        "the graph of the items of a map has other children than it says",
    ),
    "arguments that are a list": (
        of(step("a", args="[]")),
        "step 'a' of workflow 'w': its arguments are not a JSON object",
    ),
    "two steps of one name": (
        of(STEP, steps=(STEP.spec, STEP.spec)),
        "two steps of a workflow have the same name",
    ),
    "a reserved name": (of(step("a/b")), "step 'a/b' of workflow 'w': its name contains a character that is reserved"),
    "an empty id": (of(STEP, id=" "), "workflow ' ' has an id that is empty"),
    "a returned step that is not there": (of(STEP, returns=7), "workflow 'w' returns a step that it does not have"),
    "a negative priority": (of(step("a", priority=-1)), "worker 'work': priority must be between 0 and 32767"),
    "no attempts": (of(step("a", max_attempts=0)), "worker 'work': max_attempts must be between 1 and 32767"),
    "no time": (of(step("a", timeout=0.0)), "worker 'work': timeout must be more than 0 seconds"),
    "a queue with a long name": (
        of(step("a", queue="q" * 8_100)),
        "worker 'work': the name of its queue has more than 200 characters",
    ),
    "an endless backoff": (of(step("a", backoff=1e12)), "worker 'work': its backoff is neither seconds nor"),
    "slots without children": (of(step("a", concurrency=3)), "only a map has children to count"),
    "no steps": (of(STEP, steps=()), "workflow 'w' has 0 steps, and the limit is"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_it_is_refused_in_a_sentence(refusing, name):
    spec, message = HOSTILE[name]

    assert (await refusing(spec)).startswith(message)


PARAMETERS = [
    *("ids", "workflow names", "fingerprints", "debug", "meta", "scopes", "totals", "returns", "flows", "ordinals"),
    *("names", "args", "references", "dependencies", "dependents", "inputs", "parents", "extras", "terms of", "terms"),
]
"""What `workflow_columns` returns."""


def with_column(name: str, column: object) -> tuple[Any, ...]:
    """Return the columns of a workflow of two steps, one of which is another."""
    columns = list(workflow_columns([of(step("a"), step("b", "a"))]))
    assert len(columns) == len(PARAMETERS)
    columns[PARAMETERS.index(name)] = column
    return tuple(columns)


@pytest.mark.parametrize(
    "name", ["names", "args", "references", "dependencies", "dependents", "inputs", "parents", "extras", "terms of"]
)
async def test_a_column_of_another_length_is_refused(client, name):
    columns = with_column(name, "a" if name in ("names", "args") else [None])

    with pytest.raises(REFUSED, match="the columns of the steps are not as long as the workflows say"):
        await Store(client, "baton", checks_inserts=True).insert_workflows(columns)


@pytest.mark.parametrize("written", ["{ }", "[1:1]={0}", "{{0}}", "{NULL}", "{00}"])
async def test_ordinals_are_taken_only_as_they_are_written_usually(client, written):
    """Other functions compare them as text."""
    with pytest.raises(REFUSED, match=r"ordinals|dependencies"):
        await Store(client, "baton", checks_inserts=True).insert_workflows(with_column("dependencies", [None, written]))


async def test_the_limits_of_the_schema_hold_for_clients(refusing, connection):
    await connection.execute("update insert_limits set steps = 2, argument_bytes = 20")

    assert await refusing(of(step("a"), step("b"), step("c"))) == "workflow 'w' has 3 steps, and the limit is 2"
    assert await refusing(of(step("a", args=json.dumps({"x": "y" * 20})))) == (
        "step 'a' of workflow 'w': its arguments have 29 bytes as JSON, and the limit is 20"
    )


async def test_the_function_that_takes_a_key_is_not_for_clients(client, connection):
    """It would release the steps of the workflow with that key again, completed ones too."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="insert_job"):
        await Store(client, "baton").insert_workflow(of(STEP))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="insert_workflow"):
        await Store(client, "baton").insert_workflow(of(step("a"), step("b", "a")))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="insert_workflows"):
        await Store(client, "baton").insert_workflows(workflow_columns([of(STEP)]))

    assert await connection.fetchval("select count(*) from workflows") == 0


async def test_many_workflows_are_checked_each(client):
    specs = [of(step("a"), step("b", "a")), replace(of(step("a", "b"), step("b", "a")), id="other")]
    store = Store(client, "baton", checks_inserts=True)

    with pytest.raises(REFUSED, match="steps wait for each other"):
        await store.insert_workflows(workflow_columns(specs))
    assert await store.insert_workflows(workflow_columns(specs[:1])) == NotInserted({}, {})


async def test_a_client_inserts_everything_that_python_builds(client, database, connection):
    """The rows are those that the owner writes."""
    inner = Baton.new().add("x", part.new(result_of("a"))).add("y", part.new(), deps=["x"])

    def flow(name: str) -> Baton:
        return (
            Baton.new(workflow_id=name)
            .add("a", part.new(), undo=part.new(result_of("a", default=None)))
            .add("g", inner, deps=["a"], when=result_of("a")["score"] > 1)
            .add("m", part.new(each(result_of("g")), other=result_of("a")).with_options(concurrency=2))
            .add("few", part.new(), deps=["a", "g", "m"], needs=2, rest="cancel")
            .add("approval", Signal(timeout=5, default=None), deps=["few"])
            .add("report", part.new(result_of("m", default=None)), runs="on failure")
            .add("tidy", part.new(), runs="always")
        )

    async with Engine(database.replace("postgres@", "baton_checked@", 1)) as restricted, Engine(database) as owner:
        await insert_many([flow("w-client"), part.new()], restricted)
        await flow("w-owner").insert(owner)

    query = """
        select to_jsonb(s) - 'id' as row
          from steps s
          join workflows w on w.key = workflow_of(s.id)
         where w.id = $1
         order by s.id
    """
    rows = [[row["row"] for row in await connection.fetch(query, name)] for name in ("w-client", "w-owner")]
    assert len(rows[0]) > 10
    assert rows[0] == rows[1]


def published(definition: str) -> set[str]:
    """Return the fields of a part of the published schema."""
    schema = json.loads((Path(__file__).resolve().parents[2] / "docs" / "workflow.schema.json").read_text())
    return set(schema["$defs"][definition]["properties"])


def test_the_published_schema_has_each_field_that_python_writes():
    assert published("step") == {"number", *Terms.__struct_fields__, *StepSpec.__struct_fields__} - {"terms"}
    assert published("extras") == {*Extras.__struct_fields__} - {"outer"}
    assert published("undo") == {*Undo.__struct_fields__}


@pytest.mark.parametrize(
    ("function", "struct", "elsewhere"),
    [
        ("terms_keys", Terms, {"number"}),
        ("extras_keys", Extras, {"outer"}),
        ("undo_keys", Undo, set()),
    ],
)
async def test_the_database_knows_each_field_that_python_writes(connection, function, struct, elsewhere):
    """A new field needs a check in the database: its name in this function, and what it may be."""
    keys = set(await connection.fetchval(f"select {function}()"))

    assert keys ^ set(struct.__struct_fields__) == elsewhere


async def test_steps_are_checked_in_time_linear_in_them(client):
    """Twice the steps take about twice the time, and not four times."""
    seconds = [await _seconds_for(client, size) for size in (5_000, 20_000)]

    assert seconds[1] < 9 * seconds[0]


async def _seconds_for(client: asyncpg.Connection, size: int) -> float:
    names = [str(number) for number in range(size)]
    flow = Baton.new()
    for number in range(size):
        flow.add(names[number], part.new(), deps=names[max(0, number - 3) : number])
    flow.add("group", Baton.new().add("x", part.new()), deps=["0"])
    transaction = client.transaction()
    await transaction.start()
    await Store(client, "baton", checks_inserts=True).insert_workflows(workflow_columns([flow.spec()]))
    taken: float = await client.fetchval("select extract(epoch from clock_timestamp() - now())::float8")
    await transaction.rollback()
    return taken


MANY = 10_000


async def test_a_call_with_many_names_takes_time_linear_in_them(client, connection):
    """Compared each with each step they would take a minute, with the workflow locked."""
    spec = workflow("w", *[step(f"s{number}") for number in range(MANY)])
    await Store(connection, "baton").insert_workflow(spec)
    names = [f"s{number}" for number in range(1, MANY + 1)]
    await client.execute("set statement_timeout = '8s'")
    store = Store(client, "baton")

    assert (await store.cancel("w", names, "no")).unknown == [f"s{MANY}"]
    assert (await store.retry("w", names)).unknown == [f"s{MANY}"]
    assert (await store.cancel("w", names[:-1], "no")).count == MANY - 1
    assert (await store.retry("w", names[:-1])).count == MANY - 1


async def test_a_long_reason_is_cut(client, connection):
    await Store(connection, "baton").insert_workflow(of(STEP))

    await Store(client, "baton").cancel("w", None, "x" * 1_000_000)

    assert await connection.fetchval("select length(reason) from steps") == 2_000


async def test_lists_of_a_condition_are_compared_in_linear_time(connection):
    """By index, each item would be found by reading all before it."""
    await connection.execute("set statement_timeout = '8s'")
    numbers = json.dumps(list(range(20_000)))

    assert await connection.fetchval("select compare_json($1::text::json, '==', $1::text::json)", numbers)
    assert not await connection.fetchval("select compare_json($1::text::json, '!=', $1::text::json)", numbers)
