"""What is refused before a migration runs anything: others' schemas, other encodings; and a renamed schema."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from baton import Engine, SchemaRenamed, UnsafeSchema, WorkerPool, worker
from baton.database.migrate import migrate
from baton.errors import BatonError

pytestmark = pytest.mark.usefixtures("own_workers")


@pytest.fixture
async def admin(empty_database):
    connection = await asyncpg.connect(empty_database)
    yield connection
    await connection.close()


@pytest.fixture
async def roles(admin):
    """The names of two roles without special rights; the first may create schemas."""
    names = [f"baton {name} {uuid4().hex[:8]}" for name in ("app", "eve")]
    for name in names:
        await admin.execute(f'create role "{name}" login')
    database = await admin.fetchval("select current_database()")
    await admin.execute(f'grant create on database {database} to "{names[0]}"')
    yield names
    await admin.execute("reset role")
    for name in names:
        await admin.execute(f'drop owned by "{name}" cascade')
        await admin.execute(f'drop role "{name}"')


async def migrate_as(admin, role: str) -> None:
    await admin.execute(f'set role "{role}"')
    try:
        await migrate(admin)
    finally:
        await admin.execute("reset role")


async def test_a_schema_of_another_role_is_refused(admin, roles):
    app, eve = roles
    await admin.execute(f'create schema baton authorization "{eve}"')

    for role in (app, "postgres"):
        with pytest.raises(UnsafeSchema, match=f"it belongs to role '{eve}': migrate as that role, or alter schema"):
            await migrate_as(admin, role)
    await admin.execute(f'alter schema baton owner to "{app}"')
    await migrate_as(admin, app)


async def test_nothing_of_another_role_runs_before_it_is_refused(admin, roles):
    """A view stands where the table of migrations would be, and its function runs with the reader's rights."""
    _, eve = roles
    await admin.execute(
        f"""
        create schema baton authorization "{eve}";
        set role "{eve}";
        create function baton.planted() returns integer language plpgsql as $$
            begin raise exception 'it ran'; end $$;
        create view baton.migrations as select baton.planted() as version, true as breaking;
        reset role
        """
    )

    with pytest.raises(UnsafeSchema):
        await migrate(admin)


@pytest.mark.parametrize("grantee", ["eve", "public"])
async def test_a_schema_in_which_others_may_create_is_refused(admin, roles, grantee):
    _, eve = roles
    name = f'"{eve}"' if grantee == "eve" else "public"
    await admin.execute(f"create schema baton; grant create on schema baton to {name}")

    said = f"objects may be created in it by {f'role {eve!r}' if grantee == 'eve' else 'everybody'}: revoke create on"
    with pytest.raises(UnsafeSchema, match=said) as refused:
        await migrate(admin)
    await admin.execute(str(refused.value).rpartition(": ")[2])
    await migrate(admin)


async def test_a_schema_with_objects_of_others_is_refused(admin, roles):
    """The right to create was taken away since."""
    _, eve = roles
    await admin.execute(
        f"""
        create schema baton;
        grant create, usage on schema baton to "{eve}";
        set role "{eve}";
        create function baton.lower(text) returns text language sql as 'select $1';
        reset role;
        revoke create on schema baton from "{eve}"
        """
    )

    with pytest.raises(UnsafeSchema, match=f"it has objects that belong to role '{eve}': drop them, or reassign owned"):
        await migrate(admin)


async def test_a_schema_that_a_superuser_made_for_a_role_is_used(admin, roles):
    app, _ = roles
    await admin.execute(f'create schema baton; grant create, usage on schema baton to "{app}"')

    await migrate_as(admin, app)
    await migrate_as(admin, app)


async def test_the_public_schema_of_ones_own_database_is_used(admin, roles):
    app, _ = roles
    database = await admin.fetchval("select current_database()")
    await admin.execute(f'alter database {database} owner to "{app}"; revoke create on schema public from public')
    await admin.execute(f'set role "{app}"')

    await migrate(admin, "public")

    await admin.execute(f"reset role; alter database {database} owner to postgres")


async def test_a_role_migrates_what_it_made(admin, roles):
    app, _ = roles
    await migrate_as(admin, app)
    await migrate_as(admin, app)

    with pytest.raises(UnsafeSchema, match=f"it belongs to role '{app}'"):
        await migrate(admin)


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def encoded(server, request):
    """A database in another encoding, and which."""
    name = f"baton_test_{uuid4().hex[:12]}"
    server.execute(f"create database {name} encoding '{request.param}' locale 'C' template template0")
    yield server.dsn(name), request.param
    server.execute(f"drop database {name} with (force)")


async def test_a_database_in_another_encoding_is_refused(encoded):
    address, encoding = encoded
    with pytest.raises(BatonError, match=f"the database is encoded in {encoding}, which cannot hold every name"):
        await Engine(address).__aenter__()


@pytest.mark.parametrize("name", ["renamed", "With Space", 'quo"ted'])
async def test_a_renamed_schema_is_refused_until_it_is_migrated(database, connection, name):
    @worker
    async def quick() -> str:
        return "done"

    quoted = '"' + name.replace('"', '""') + '"'
    await connection.execute(f"alter schema baton rename to {quoted}")
    with pytest.raises(
        SchemaRenamed, match="its functions still look for their tables in baton, pg_temp; 'baton migrate'"
    ):
        await Engine(database, schema=name).__aenter__()

    await migrate(connection, name)
    async with Engine(database, schema=name) as engine, WorkerPool(engine, poll=60):
        assert await (await quick.new().insert()).result(timeout=20) == "done"


async def test_a_function_of_the_application_keeps_its_path(database, connection):
    await connection.execute(
        """
        create function baton.mine() returns integer language sql set search_path to elsewhere return 1;
        alter schema baton rename to other
        """
    )
    await migrate(connection, "other")

    config = "select proconfig from pg_proc where oid = 'other.mine()'::regprocedure"
    assert await connection.fetchval(config) == ["search_path=elsewhere"]
