"""Migrations: safe when several run at once, forward only, in a schema of any name. And what psql shows."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from baton.database.migrate import Migrated, migrate, require_current_schema, schema_version, wanted_version
from baton.database.notifications import channel
from baton.database.store import Store
from baton.errors import BatonError, InvalidOption, SchemaMissing, SchemaOutdated, SchemaTooNew
from tests.database.raw_pool import RawPool, outcome, states, step, workflow

NAMES = [
    "Upper",
    "with space",
    'quo"ted',
    "it's",
    "comma, and; more",
    "100% $user \\ {x}",
    "ünïcode 🎼",
    "select",
    "x" * 63,
]
NEWER = "insert into baton.migrations (version, name, breaking) values ($1, 'of tomorrow', $2)"
APPLIED = "select version, name, breaking, applied_at from baton.migrations order by version"


@pytest.fixture
async def connect(empty_database):
    opened = []

    async def connect():
        opened.append(await asyncpg.connect(empty_database))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


@pytest.fixture
async def empty(connect):
    return await connect()


async def functions_as_stored(connection):
    return await connection.fetch("select oid, xmin::text from pg_proc where pronamespace = 'baton'::regnamespace")


async def test_eight_at_once_migrate_once(connect):
    connections = [await connect() for _ in range(8)]

    migrated = await asyncio.gather(*[migrate(connection) for connection in connections])

    wanted = wanted_version()
    assert sorted(each.found for each in migrated) == [0] + [wanted] * 7
    assert {each.reached for each in migrated} == {wanted}
    assert len(await connections[0].fetch(APPLIED)) == wanted


async def test_a_schema_that_is_up_to_date_is_left_as_it_is(empty):
    await migrate(empty)
    before = await functions_as_stored(empty)

    assert await migrate(empty) == Migrated(wanted_version(), wanted_version())

    assert await functions_as_stored(empty) == before


async def test_a_schema_that_exists_already_is_used(empty):
    await empty.execute("create schema baton")

    assert (await migrate(empty)).found == 0

    await require_current_schema(empty, "baton")


async def test_a_migration_that_fails_leaves_nothing(empty):
    # A function with one of our names and another result type cannot be replaced.
    await empty.execute("create schema baton")
    await empty.execute("create function baton.channel() returns integer language sql as 'select 1'")

    with pytest.raises(asyncpg.PostgresError):
        await migrate(empty)

    assert await schema_version(empty, "baton") is None


async def test_an_absent_schema_is_named_with_its_remedy(empty):
    with pytest.raises(SchemaMissing, match="'baton migrate'"):
        await require_current_schema(empty, "baton")


async def test_a_schema_that_is_older_is_named_with_its_remedy(empty):
    await migrate(empty)
    await empty.execute("update baton.migrations set version = version - 1")

    with pytest.raises(SchemaOutdated, match="'baton migrate' or Engine"):
        await require_current_schema(empty, "baton")


@pytest.mark.parametrize("call", [require_current_schema, migrate])
async def test_a_newer_schema_marked_breaking_is_refused_in_a_full_sentence(empty, call):
    await migrate(empty)
    newer = wanted_version() + 3
    await empty.execute(NEWER, newer, True)

    with pytest.raises(SchemaTooNew) as caught:
        await call(empty, "baton")

    assert isinstance(caught.value, BatonError)
    assert f"schema 'baton' is at version {newer}" in str(caught.value)
    assert "upgrade" in str(caught.value)


async def test_a_newer_schema_not_marked_breaking_works_and_is_left_alone(empty):
    await migrate(empty)
    newer = wanted_version() + 3
    await empty.execute(NEWER, newer, False)
    before = await functions_as_stored(empty), await empty.fetch(APPLIED)

    await require_current_schema(empty, "baton")
    migrated = await migrate(empty)

    assert migrated == Migrated(newer, newer)
    assert (await functions_as_stored(empty), await empty.fetch(APPLIED)) == before


async def test_a_breaking_version_this_library_knows_is_no_obstacle(empty):
    await migrate(empty)
    await empty.execute("update baton.migrations set breaking = true")

    assert await require_current_schema(empty, "baton") is None


@pytest.mark.parametrize("schema", NAMES)
async def test_a_schema_may_have_any_name(empty, schema):
    await migrate(empty, schema)
    heard = []
    await empty.add_listener(channel(schema), lambda *notice: heard.append(notice[-1]))
    store = Store(empty, schema)

    inserted = await store.insert_workflow(workflow("w", step("a"), step("b", "a")))

    assert (await schema_version(empty, schema)).reached == wanted_version()
    assert inserted.is_new
    assert heard == ["queue 1 default"]
    await store.cancel("w", None, None)
    quoted = '"' + schema.replace('"', '""') + '"'
    assert await empty.fetchval(f"select state from {quoted}.workflows") == "cancelled"


@pytest.mark.parametrize("schema", ["", "x" * 64, "ü" * 32, "nul\0"])
async def test_an_invalid_schema_name_is_refused_without_a_query(empty, schema):
    with pytest.raises(InvalidOption, match="63 bytes"):
        await migrate(empty, schema)


async def test_two_schemas_in_one_database_do_not_meet(empty):
    for schema in ("one", "two"):
        await migrate(empty, schema)
    one, two = Store(empty, "one"), Store(empty, "two")
    await one.insert_workflow(workflow("w", step("a")))

    assert (await two.insert_workflow(workflow("w", step("a"), step("b")))).is_new
    assert (await one.cancel("w", None, None)).count == 1

    assert await empty.fetchval("select state from one.workflows") == "cancelled"
    assert await empty.fetchval("select state from two.workflows") == "executing"
    assert channel("one") != channel("two")


async def test_a_temporary_table_of_the_same_name_is_not_used(connection):
    await connection.execute("create temporary table workflows (id text)")
    await connection.execute("create temporary table queue (id text)")
    pool = await RawPool.register(connection)

    await pool.insert("w", step("a"))
    await pool.finish()

    assert await connection.fetchval("select state from baton.workflows") == "completed"


async def test_a_strict_default_isolation_does_not_hinder_a_migration(empty):
    await empty.execute("set default_transaction_isolation = 'serializable'")

    assert (await migrate(empty)).reached == wanted_version()


async def test_every_table_view_and_column_of_a_table_has_a_comment(connection):
    silent = await connection.fetch(
        """
        select c.relname, a.attname
          from pg_class c
          left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and c.relkind = 'r'
         where c.relnamespace = 'baton'::regnamespace
           and c.relkind in ('r', 'v')
           and (obj_description(c.oid, 'pg_class') is null
                or a.attnum is not null and col_description(c.oid, a.attnum) is null)
        """
    )

    assert [tuple(row) for row in silent] == []


async def test_steps_view_shows_the_true_state(connection):
    pool = await RawPool.register(connection)
    free = [step(name) for name in ("completed", "cancelled", "discarded", "skipped", "executing", "retryable")]
    later = [step("suspended", "executing"), step("scheduled", schedule_in=60), step("available")]
    await pool.insert("w", *free, *later)
    await pool.claim(limit=6)
    ends = ("completed", "cancelled", "discarded", "skipped")
    await pool.settle(*pool.outcomes("w", **{end: end for end in ends}))
    await pool.settle(outcome(pool.held["w", "retryable"], "failed", delay=60))

    found = await states(connection, "w")

    assert found == {name: name for name in found}
    assert len(found) == 9
