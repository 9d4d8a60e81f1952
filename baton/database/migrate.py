"""Bring the schema to the version this library works with.

Migrations are the files of `sql/migrations`, forward only, numbered from 1. A name that ends in `.breaking.sql` marks
one that older libraries cannot work with. The engine's functions, `sql/functions`, are applied again whenever the
version advances, and only then, so an older library never replaces newer functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from baton.core.names import UNSTORABLE
from baton.database.engine_functions import apply_functions, stored_functions, written_since
from baton.database.schema_checks import repair_name, require_own_name, require_safe_schema, require_utf8
from baton.database.sql_files import sql_folder
from baton.errors import InvalidOption, SchemaMissing, SchemaOutdated, SchemaTooNew

if TYPE_CHECKING:
    from baton.database.connections import Connection


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    is_breaking: bool
    sql: str


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did. The versions are equal if there was nothing to do."""

    found: int
    """0 if the schema was not there."""
    reached: int


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The version of a schema, as its table of migrations has it."""

    reached: int
    breaking: int
    """The newest version marked breaking; 0 for none."""


def quoted(schema: str) -> str:
    """Return the schema's name quoted for SQL. Any name PostgreSQL takes is fine: 1 to 63 bytes, without NUL."""
    if not schema or UNSTORABLE.search(schema) or len(schema.encode()) > 63:
        raise InvalidOption("schema", schema, "a schema's name has 1 to 63 bytes, and no NUL or lone surrogate")
    return '"' + schema.replace('"', '""') + '"'


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the migrations this library brings, in order."""
    found = []
    for path in sorted((sql_folder() / "migrations").iterdir(), key=lambda path: path.name):
        number, _, rest = path.name.partition("_")
        name = rest.removesuffix(".sql")
        found.append(
            Migration(int(number), name.removesuffix(".breaking"), name.endswith(".breaking"), path.read_text("utf-8"))
        )
    return tuple(found)


def wanted_version() -> int:
    """Return the version this library works with."""
    return migrations()[-1].version


# Not to_regclass: it locks no table, so a session that has waited for the lock of another one's
# migration answers from a cache in which the schema is not there yet (3 of 4 processes that started
# at once failed).
_HAS_MIGRATIONS = """
select exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relname = 'migrations'
)
"""


async def schema_version(connection: Connection, schema: str) -> SchemaVersion | None:
    """Return how far the schema is, or None if it is not there."""
    table = f"{quoted(schema)}.migrations"
    if not await connection.fetchval(_HAS_MIGRATIONS, schema):
        return None
    row = await connection.fetchrow(
        f"select max(version) as reached, coalesce(max(version) filter (where breaking), 0) as breaking from {table}"
    )
    if row is None or row["reached"] is None:
        return None
    return SchemaVersion(row["reached"], row["breaking"])


async def require_current_schema(connection: Connection, schema: str) -> None:
    """Return if this library can work with the schema as it is.

    Raises: SchemaMissing, SchemaOutdated, SchemaTooNew if the schema has a newer change that is marked breaking, or
        SchemaRenamed.
    """
    version = await schema_version(connection, schema)
    if version is None:
        raise SchemaMissing(schema)
    if version.reached < wanted_version():
        raise SchemaOutdated(schema, version.reached, wanted_version())
    if version.breaking > wanted_version():
        raise SchemaTooNew(schema, version.breaking, wanted_version())
    await require_own_name(connection, schema)


async def migrate(connection: Connection, schema: str = "baton") -> Migrated:
    """Create the schema or bring it up to date, in one transaction; any number of processes may do so at once.

    A schema that is newer than this library is left as it is. One that was renamed works again.

    Raises:
        SchemaTooNew: it is newer by a change marked breaking.
        UnsafeSchema: another role owns it, may create in it, or has objects in it.
        BatonError: the database is not encoded in UTF8.
    """
    name = quoted(schema)
    async with connection.transaction(isolation="read_committed"):
        # Before anything else: concurrent `create ... if not exists` fails with unique violations.
        await connection.execute("select pg_advisory_xact_lock($1)", _lock_key(schema))
        await require_utf8(connection)
        # Before anything is read in it: a table may be a view that another role has put there.
        await require_safe_schema(connection, schema)
        version = await schema_version(connection, schema)
        found = version.reached if version else 0
        if version and version.breaking > wanted_version():
            raise SchemaTooNew(schema, version.breaking, wanted_version())
        if version:
            await connection.execute(f"set local search_path to {name}, pg_temp")
            await repair_name(connection, schema)
        missing = [migration for migration in migrations() if migration.version > found]
        if not missing:
            return Migrated(found, found)
        if not await connection.fetchval("select exists (select from pg_namespace where nspname = $1)", schema):
            await connection.execute(f"create schema {name}")
        # The functions keep this path. Unless pg_temp is named, and last, a caller's temporary
        # table hides a table.
        await connection.execute(f"set local search_path to {name}, pg_temp")
        await connection.execute((sql_folder() / "bootstrap.sql").read_text("utf-8"))
        before = await stored_functions(connection, schema)
        for migration in missing:
            await _apply(connection, migration)
        await apply_functions(connection, schema)
        # By default every role may call a function, and these run with the rights of their owner.
        ours = ", ".join([function.signature for function in await written_since(connection, schema, before)])
        await connection.execute(f"revoke execute on function {ours} from public")
    return Migrated(found, wanted_version())


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "insert into migrations (version, name, breaking) values ($1, $2, $3)",
        migration.version,
        migration.name,
        migration.is_breaking,
    )
    await connection.execute(migration.sql)


def _lock_key(schema: str) -> int:
    return int.from_bytes(sha256(f"baton migrate {schema}".encode()).digest()[:8], "big", signed=True)
