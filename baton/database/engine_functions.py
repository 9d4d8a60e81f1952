"""Apply the engine's functions: the files of `sql/functions`, each with its settings and a comment.

Each file defines one function, which has the file's name. The table `functions` records which ones were applied, so the
next migration can drop those that its version no longer has. What the application made in this schema is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baton.database.function_profiles import settings_clauses
from baton.database.sql_files import sql_folder

if TYPE_CHECKING:
    from baton.database.connections import Connection


@dataclass(frozen=True, slots=True)
class FunctionFile:
    """One file of `sql/functions`."""

    name: str
    sql: str

    def summary(self) -> str:
        """Return the first sentence of the file's header."""
        paragraph = re.match(r"(?:-- (?! ).*\n)*", self.sql)
        text = re.sub(r"(?:^|\n)-- ", " ", paragraph.group()).strip() if paragraph else ""
        sentence = re.match(r".+?\.(?=\s+[A-Z])", text)
        return sentence.group() if sentence else text


@dataclass(frozen=True, slots=True)
class StoredFunction:
    """A function in the catalogue."""

    name: str
    signature: str
    """Name and parameters, without the schema."""
    row: str
    """Which version of its catalogue row this is; another one after each change."""


def function_files() -> tuple[FunctionFile, ...]:
    """Return the files this library brings, by name."""
    paths = sorted((sql_folder() / "functions").iterdir(), key=lambda path: path.name)
    return tuple([FunctionFile(path.stem, path.read_text("utf-8")) for path in paths])


async def apply_functions(connection: Connection, schema: str) -> None:
    """Apply this version's functions, and drop those that an earlier version applied and this one does not have.

    Within the transaction of a migration, with `search_path` set to the schema.
    """
    files = function_files()
    # The functions call each other. Each body is checked when it runs, not against those applied
    # before it.
    await connection.execute("set local check_function_bodies to off")
    before = await stored_functions(connection, schema)
    for file in files:
        await connection.execute(file.sql)
    applied = await written_since(connection, schema, before)
    await connection.execute(_settings_and_comments(files, applied))
    await _drop_others(connection, schema, applied)


async def stored_functions(connection: Connection, schema: str) -> Sequence[StoredFunction]:
    """Return all functions in the schema, the application's among them."""
    return [StoredFunction(*row) for row in await connection.fetch(_STORED, schema)]


async def written_since(
    connection: Connection, schema: str, before: Iterable[StoredFunction]
) -> Sequence[StoredFunction]:
    """Return the functions that this transaction has created or replaced since `before`."""
    known = set(before)
    return [function for function in await stored_functions(connection, schema) if function not in known]


def _settings_and_comments(files: Sequence[FunctionFile], applied: Sequence[StoredFunction]) -> str:
    signatures: Mapping[str, str] = {function.name: function.signature for function in applied}
    statements = []
    for file in files:
        signature = signatures[file.name]
        if clauses := settings_clauses(file.name):
            statements.append(f"alter function {signature} {clauses};")
        comment = file.summary().replace("'", "''")
        statements.append(f"comment on function {signature} is '{comment}';")
    return "\n".join(statements)


async def _drop_others(connection: Connection, schema: str, applied: Sequence[StoredFunction]) -> None:
    wanted = {function.signature for function in applied}
    recorded = {row["signature"] for row in await connection.fetch("select signature from functions")}
    stored = {function.signature for function in await stored_functions(connection, schema)}
    for signature in sorted((recorded - wanted) & stored):
        await connection.execute(f"drop function {signature}")
    await connection.execute("delete from functions")
    await connection.execute("insert into functions (signature) select unnest($1::text[])", sorted(wanted))


_STORED = """
select p.proname,
       format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as signature,
       format('%s %s', p.xmin, p.ctid) as row
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
 where n.nspname = $1
   and p.prokind = 'f'
"""
