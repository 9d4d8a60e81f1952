"""Two versions of the library beside each other on one schema, as in a rolling upgrade.

The newer one is the working tree, and the older one the newest release before this commit, unless a migration that is
marked breaking lies between them. The working tree is also tried alone: the newer one has a made-up migration then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import asyncpg
import pytest

from tests.database.schema_dump import dump
from tests.versions.checkout import BREAKING, NOT_BREAKING, Checkout, compatible_releases, copied, released

PAIRS = ["made up", *compatible_releases()]
DONE = "done: {}\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Pair:
    older: Checkout
    newer: Checkout


@pytest.fixture(params=PAIRS)
def pair(request, tmp_path) -> Pair:
    """An older version, and one that is newer by what is not marked breaking."""
    if request.param != "made up":
        return Pair(released(request.param, tmp_path / "older"), copied(tmp_path / "newer"))
    return made_up(tmp_path)


@pytest.fixture
def pair_made_up(tmp_path) -> Pair:
    return made_up(tmp_path)


@pytest.fixture
def another_database(server):
    with server.database("template0") as dsn:
        yield dsn


def made_up(folder) -> Pair:
    older, newer = copied(folder / "older"), copied(folder / "newer")
    newer.add_migration("spare", NOT_BREAKING)
    return Pair(older, newer)


class Signature(NamedTuple):
    """A function that runs with the rights of its owner: one that libraries call."""

    name: str
    parameters: str
    result: str


async def signatures_of(pair, older_database, newer_database):
    """Migrate each database to one version, and return the functions that libraries call."""
    query = """
        select proname, pg_get_function_arguments(oid), pg_get_function_result(oid)
          from pg_proc
         where pronamespace = 'baton'::regnamespace and prosecdef
    """
    found = []
    for version, database in ((pair.older, older_database), (pair.newer, newer_database)):
        assert await version.run(database, "migrate") == DONE.format("migrate")
        connection = await asyncpg.connect(database)
        found.append({Signature(*row) for row in await connection.fetch(query)})
        await connection.close()
    return found


async def schema_of(address):
    """Return the schema as text, and the functions by their bodies."""
    connection = await asyncpg.connect(address)
    try:
        bodies = "select proname, prosrc from pg_proc where pronamespace = 'baton'::regnamespace order by 1, 2"
        return await dump(connection, {}), [tuple(row) for row in await connection.fetch(bodies)]
    finally:
        await connection.close()


async def test_what_an_older_version_calls_is_unchanged(pair, empty_database, another_database):
    older, newer = await signatures_of(pair, empty_database, another_database)

    assert older - newer == set()


async def test_an_older_version_works_on_a_newer_schema(pair, empty_database):
    assert await pair.newer.run(empty_database, "migrate") == DONE.format("migrate")
    before = await schema_of(empty_database)

    assert await pair.older.run(empty_database, "migrate") == DONE.format("migrate")
    assert await pair.older.run(empty_database, "work") == DONE.format("work")

    assert await schema_of(empty_database) == before


async def test_pools_of_both_versions_run_one_workflow(pair, empty_database):
    assert await pair.newer.run(empty_database, "migrate") == DONE.format("migrate")

    async with pair.older.serving(empty_database, "old"), pair.newer.serving(empty_database, "new"):
        for version in (pair.older, pair.newer):
            assert await version.run(empty_database, "chain", "old", "new") == DONE.format("chain")


async def test_a_pool_of_the_older_version_outlives_the_migration(pair, empty_database):
    assert await pair.older.run(empty_database, "migrate") == DONE.format("migrate")

    async with pair.older.serving(empty_database, "old"):
        assert await pair.older.run(empty_database, "chain", "old") == DONE.format("chain")
        assert await pair.newer.run(empty_database, "migrate") == DONE.format("migrate")
        assert await pair.older.run(empty_database, "chain", "old") == DONE.format("chain")
        assert await pair.newer.run(empty_database, "chain", "old") == DONE.format("chain")


async def test_a_migrated_schema_is_the_one_of_a_fresh_migration(pair, empty_database, another_database):
    """Also in the bodies of functions: what a version changes is applied only with a migration."""
    assert await pair.older.run(empty_database, "migrate") == DONE.format("migrate")
    assert await pair.newer.run(empty_database, "migrate") == DONE.format("migrate")

    assert await pair.newer.run(another_database, "migrate") == DONE.format("migrate")

    assert await schema_of(empty_database) == await schema_of(another_database)


async def test_a_newer_version_refuses_an_older_schema(pair_made_up, empty_database):
    await pair_made_up.older.run(empty_database, "migrate")

    assert "SchemaOutdated: " in await pair_made_up.newer.run(empty_database, "work")


async def test_an_older_version_refuses_a_breaking_change(pair_made_up, empty_database):
    pair_made_up.newer.add_migration("spare_dropped.breaking", BREAKING)
    await pair_made_up.newer.run(empty_database, "migrate")

    for command in ("work", "migrate"):
        assert "SchemaTooNew: " in await pair_made_up.older.run(empty_database, command)


@pytest.mark.parametrize(
    ("function", "text", "replacement"),
    [
        ("advance", "p_pool bigint, p_queues", "p_more integer, p_pool bigint, p_queues"),
        ("pause", "function pause(p_queue text", "function pause(p_queue bigint"),
    ],
)
async def test_the_work_of_an_older_version_shows_a_change(pair_made_up, empty_database, function, text, replacement):
    """A function that the library calls has other parameters, without a migration that is marked breaking."""
    pair_made_up.newer.change(f"sql/functions/{function}.sql", text, replacement)
    assert await pair_made_up.newer.run(empty_database, "migrate") == DONE.format("migrate")

    assert await pair_made_up.older.run(empty_database, "work") != DONE.format("work")


@pytest.mark.parametrize(
    ("text", "replacement"),
    [("p_pool bigint, p_queues", "p_queues"), ("name text, queue text", "queue text, name text")],
    ids=["parameters", "result columns"],
)
async def test_the_signatures_show_a_change(pair_made_up, empty_database, another_database, text, replacement):
    pair_made_up.newer.change("sql/functions/claim.sql", text, replacement)

    older, newer = await signatures_of(pair_made_up, empty_database, another_database)

    assert {signature.name for signature in older - newer} == {"claim"}
