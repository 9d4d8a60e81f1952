"""Roles that may do their part and no more."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import asyncpg
import pytest

from baton import Baton, Context, Engine, Run, WorkerPool, each, insert_many, worker
from baton.database.grants import PARTS, grant, grantee


@worker(name="granted")
async def granted() -> int:
    return 7


@worker(name="granted: one of many")
async def one_of_many(number: int) -> int | Baton:
    return number or Baton.new().add("inner", one_of_many.new(5))


@worker(name="granted echo")
async def echoing(number: int) -> int:
    return number


@worker(name="granted graph", transactional=True)
async def growing(ctx: Context) -> int | Baton:
    return Baton.new().add("x", echoing.new(number=3)).returns("x")


@dataclass(frozen=True)
class Roles:
    worker: str
    client: str
    operator: str
    viewer: str
    debug: str


@pytest.fixture
async def roles(database: str, connection: asyncpg.Connection) -> AsyncIterator[Roles]:
    """Addresses of the database for three fresh roles, each granted its part."""
    names = {part: f"baton {part} {uuid4().hex[:8]}" for part in PARTS}
    for name in names.values():
        await connection.execute(f'create role "{name}" login')
    await grant(connection, "baton", {part: [name] for part, name in names.items()})
    yield Roles(**{part: database.replace("postgres@", f"{quote(name)}@", 1) for part, name in names.items()})
    for name in names.values():
        await connection.execute(f'drop owned by "{name}"')
        await connection.execute(f'drop role "{name}"')


async def test_a_client_inserts_and_reads_what_a_worker_runs(roles: Roles) -> None:
    async with Engine(roles.client) as client, Engine(roles.worker) as worker_engine, WorkerPool(worker_engine):
        run = await granted.new().insert(client)
        assert await run.result(timeout=20) == 7
        assert (await run.status()).state == "completed"
        assert [step.state for step in await run.steps()] == ["completed"]


async def test_a_worker_expands_maps_and_graphs_and_a_viewer_reads_their_results(roles: Roles) -> None:
    async with Engine(roles.client) as client, Engine(roles.worker) as worker_engine, WorkerPool(worker_engine):
        run, _ = await insert_many([one_of_many.new(each([0, 1])), granted.new()], client)
        assert await run.result(timeout=20) == [5, 1]
    viewer = await asyncpg.connect(roles.viewer)
    read = await viewer.fetchval("select baton.group_result(id) from baton.steps_view where grouping = 'map'")
    await viewer.close()
    assert read == "[5, 1]"


async def test_a_worker_expands_maps_and_returned_graphs(roles: Roles, connection: asyncpg.Connection) -> None:
    flow = Baton.new().add("map", echoing.new(number=each([1, 2]))).add("graph", growing.new())
    async with Engine(roles.client) as client, Engine(roles.worker) as worker_engine, WorkerPool(worker_engine):
        run = await flow.insert(client)
        assert await run.result("map", timeout=20) == [1, 2]
        assert await run.result("graph", timeout=20) == 3


async def test_a_client_cancels_and_retries(roles: Roles) -> None:
    async with Engine(roles.client):
        run = await granted.new().insert()
        assert await run.cancel() == 1
        assert await run.retry() == 1


async def test_a_viewer_reads(roles: Roles) -> None:
    async with Engine(roles.client) as client, Engine(roles.viewer) as viewer:
        run = await granted.new().insert(client)
        assert (await Run(run.id, viewer).status()).counts == {"available": 1}
        assert [step.name for step in await Run(run.id, viewer).steps()] == ["granted"]
        assert str(await Run(run.id, viewer).explain("granted")).startswith(
            "step 'granted' is available, and no living"
        )
        assert (await Run(run.id, viewer).explain()).root.step == "granted"


async def test_an_operator_pauses_resumes_cancels_and_retries(roles: Roles) -> None:
    async with Engine(roles.client) as client, Engine(roles.operator) as operator:
        assert await operator.pause("default") is True
        assert await operator.resume("default") is True
        run = Run((await granted.new().insert(client)).id, operator)
        assert await run.cancel() == 1
        assert await run.retry() == 1


@pytest.mark.parametrize("part", ["worker", "client", "viewer"])
async def test_only_an_operator_pauses(roles: Roles, part: str) -> None:
    async with Engine(getattr(roles, part)) as engine:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await engine.pause("default")


@pytest.mark.parametrize("part", ["worker", "operator", "viewer"])
async def test_only_a_client_inserts(roles: Roles, part: str) -> None:
    async with Engine(getattr(roles, part)) as engine:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await granted.new().insert(engine)


async def test_a_client_inserts_with_any_driver(roles: Roles, connection: asyncpg.Connection) -> None:
    stranger = await asyncpg.connect(roles.client)
    await stranger.execute("select baton.insert_workflow_json($1)", granted.new().to_json())
    await stranger.close()

    assert await connection.fetchval("select count(*) from steps") == 1


@pytest.mark.parametrize("part", ["worker", "viewer"])
async def test_only_a_client_inserts_with_any_driver(roles: Roles, part: str) -> None:
    other = await asyncpg.connect(getattr(roles, part))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await other.execute("select baton.insert_workflow_json($1)", granted.new().to_json())
    await other.close()


@pytest.mark.parametrize("part", ["worker", "viewer"])
async def test_only_a_client_or_an_operator_cancels(roles: Roles, part: str) -> None:
    async with Engine(roles.client) as client, Engine(getattr(roles, part)) as engine:
        run = await granted.new().insert(client)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await Run(run.id, engine).cancel()


@pytest.mark.parametrize("part", ["client", "operator", "viewer"])
async def test_only_a_worker_runs_a_pool(roles: Roles, part: str) -> None:
    async with Engine(getattr(roles, part)) as engine:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await WorkerPool(engine).__aenter__()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("table", ["workflows", "steps", "queue", "pools", "queue_settings", "migrations"])
async def test_no_role_writes_a_table_itself(roles: Roles, part: str, table: str) -> None:
    connection = await asyncpg.connect(getattr(roles, part))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"delete from baton.{table}")
    finally:
        await connection.close()


async def test_a_stranger_calls_nothing(database: str, connection: asyncpg.Connection) -> None:
    name = f"baton stranger {uuid4().hex[:8]}"
    await connection.execute(f'create role "{name}" login; grant usage on schema baton to "{name}"')
    stranger = await asyncpg.connect(database.replace("postgres@", f"{quote(name)}@", 1))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stranger.execute("select baton.prune(0, 10)")
    finally:
        await stranger.close()
        await connection.execute(f'drop owned by "{name}"')
        await connection.execute(f'drop role "{name}"')


async def test_a_grant_to_public_is_for_every_role(database: str, connection: asyncpg.Connection) -> None:
    name = f"baton stranger {uuid4().hex[:8]}"
    await connection.execute(f'create role "{name}" login')
    await grant(connection, "baton", {"client": ["public"]})
    try:
        async with Engine(database.replace("postgres@", f"{quote(name)}@", 1)) as stranger:
            assert (await granted.new().insert(stranger)).is_new
    finally:
        await connection.execute(f'drop role "{name}"')

    assert grantee("public") == "every role that may connect to this database"
    assert grantee("app") == "role 'app'"


SENDS = {"record_signal", "signal", "record_message", "send", "raise_budget"}
REPAIRS = ("cancel", "retry", "complete", "skip", "start_now", "dry_run")
GRANTED = {
    "worker": {
        *("register", "deregister", "heartbeat", "upkeep_due", "mark_dead", "rescue", "prune", "prune_debug", "stage"),
        *("due_schedules", "fire_schedule", "end_overdue", "end_waits", "watch_runs"),
        *(
            "claim",
            "claim_separately",
            "settle",
            "settle_with_records",
            "leave_records",
            "keep",
            "round_worker",
            "item_graph",
            "reserve_budgets",
        ),
        *("advance", "advance_with_records", "expand", "expand_map"),
    },
    "client": {
        *("insert_checked", "insert_workflow_json", "watch", "follow", "follow_stream", *REPAIRS),
        *("run_schedule", "put_schedule", "pause_schedule", "delete_schedule", *SENDS),
    },
    "operator": {
        "pause",
        "resume",
        "pause_starts",
        "resume_starts",
        "set_limits",
        "watch",
        "follow",
        "follow_stream",
        "pause_schedule",
        *REPAIRS,
        *SENDS,
    },
    "viewer": set(),
    "debug": set(),
    "public": set(),
}
READS = {
    *(
        "workflow_of",
        "step_of",
        "sibling_of",
        "channel",
        "local_name",
        "group_result",
        "awaited_kind",
        "topic_kind",
        "limit_of",
    ),
}
"""None of these changes anything, or reads more than the tables, which every part may read."""


@pytest.mark.parametrize("part", GRANTED)
async def test_each_part_may_call_the_listed_functions_and_no_other(
    roles: Roles, connection: asyncpg.Connection, part: str
) -> None:
    """As the catalogue has it, so that a new function cannot be granted by accident, nor by default to every role."""
    role = part if part == "public" else unquote(urlsplit(getattr(roles, part)).username or "")
    functions = await connection.fetch(
        """
        select p.proname as name
          from pg_proc p
         where p.pronamespace = 'baton'::regnamespace
           and has_function_privilege($1, p.oid, 'execute')
        """,
        role,
    )

    assert {row["name"] for row in functions} == GRANTED[part] | (set() if part == "public" else READS)


@pytest.mark.parametrize("part", PARTS)
async def test_each_part_may_read_all_tables_and_write_none(
    roles: Roles, connection: asyncpg.Connection, part: str
) -> None:
    role = unquote(urlsplit(getattr(roles, part)).username or "")
    rights = await connection.fetch(
        """
        select distinct a.privilege_type as right
          from pg_class c
         cross join lateral aclexplode(c.relacl) as a
          join pg_roles r on r.oid = a.grantee
         where c.relnamespace = 'baton'::regnamespace
           and r.rolname = $1
        """,
        role,
    )

    assert [row["right"] for row in rights] == ["SELECT"]
