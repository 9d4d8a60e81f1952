"""The schema that a fresh migration makes, as text from the catalogue.

`python -m tests.database.schema_dump` writes it to tests/database/schema.txt, on an embedded server. The bodies of
functions and the definitions of views are not in it: the versions of PostgreSQL print the latter differently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg

from baton.database.grants import PARTS, Part, grant
from baton.database.migrate import migrate
from baton.embedded.server import EmbeddedServer

SCHEMA_FILE = Path(__file__).with_name("schema.txt")
COMMAND = "python -m tests.database.schema_dump"

_DOMAINS = """
    select format('domain %s as %s%s', t.typname, format_type(t.typbasetype, t.typtypmod),
                  case when c.collname <> 'default' then format(' collate %I', c.collname) end)
               || string_agg(
                      format(E'\\n    constraint %s %s', k.conname, pg_get_constraintdef(k.oid)), '' order by k.conname
                  )
      from pg_type t
      left join pg_collation c on c.oid = t.typcollation
      join pg_constraint k on k.contypid = t.oid
     where t.typnamespace = 'baton'::regnamespace
     group by t.oid, c.collname
     order by t.typname
"""
_TABLES = """
    select format(E'table %s%s\\n    -- %s', c.relname, ' with (' || array_to_string(c.reloptions, ', ') || ')',
                  obj_description(c.oid, 'pg_class'))
               || columns.as_text || coalesce(constraints.as_text, '') || coalesce(indexes.as_text, '')
      from pg_class c
     cross join lateral (
               select string_agg(
                          format(E'\\n    %s %s%s%s%s\\n        -- %s', a.attname, format_type(a.atttypid, a.atttypmod),
                                 case when a.attcollation <> t.typcollation then format(' collate %I', l.collname) end,
                                 case when a.attnotnull then ' not null' end,
                                 case
                                     when a.attidentity = 'a' then ' generated always as identity'
                                     else ' default ' || pg_get_expr(d.adbin, d.adrelid)
                                 end,
                                 col_description(c.oid, a.attnum)), '' order by a.attnum
                      ) as as_text
                 from pg_attribute a
                 join pg_type t on t.oid = a.atttypid
                 left join pg_collation l on l.oid = a.attcollation
                 left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
           ) as columns
     cross join lateral (
               select string_agg(
                          format(E'\\n    constraint %s %s', k.conname, pg_get_constraintdef(k.oid)), ''
                          order by k.conname
                      ) as as_text
                 from pg_constraint k
                -- PostgreSQL 18 has a constraint for each column that is not null.
                where k.conrelid = c.oid and k.contype <> 'n'
           ) as constraints
     cross join lateral (
               select string_agg(
                          format(E'\\n    %s', pg_get_indexdef(i.indexrelid)), '' order by i.indexrelid::regclass::text
                      ) as as_text
                 from pg_index i
                where i.indrelid = c.oid
                  and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
           ) as indexes
     where c.relnamespace = 'baton'::regnamespace and c.relkind = 'r'
     order by c.relname
"""
_VIEWS = """
    select format(E'view %s\\n    -- %s', c.relname, obj_description(c.oid, 'pg_class'))
               || string_agg(
                      format(E'\\n    %s %s', a.attname, format_type(a.atttypid, a.atttypmod)), '' order by a.attnum
                  )
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
     where c.relnamespace = 'baton'::regnamespace and c.relkind = 'v'
     group by c.oid
     order by c.relname
"""
_FUNCTIONS = """
    select format(E'function %s(%s)\\n    returns %s\\n    %s %s%s%s%s', p.proname, pg_get_function_arguments(p.oid),
                  pg_get_function_result(p.oid), l.lanname,
                  case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
                  case when p.proparallel = 's' then ' parallel safe' end,
                  case when p.prosecdef then ' security definer' end,
                  E'\\n    set ' || array_to_string(p.proconfig, E'\\n    set '))
      from pg_proc p
      join pg_language l on l.oid = p.prolang
     where p.pronamespace = 'baton'::regnamespace
     order by p.proname, 1
"""
_GRANTS = """
    with granted as (
        select format('function %s', p.proname) as what, a.grantee, a.privilege_type
          from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
         where p.pronamespace = 'baton'::regnamespace
        union all
        select format('%s %s', case c.relkind when 'r' then 'table' else 'view' end, c.relname), a.grantee,
               a.privilege_type
          from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as a
         where c.relnamespace = 'baton'::regnamespace and c.relkind in ('r', 'v')
        union all
        select 'schema', a.grantee, a.privilege_type
          from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
         where n.nspname = 'baton'
    )
    select format('grant %s on %s to %s', lower(g.privilege_type), g.what,
                  case g.grantee when 0 then 'everybody' else $1::json ->> g.grantee::regrole::text end)
      from granted g
     where g.grantee = 0 or $1::json ->> g.grantee::regrole::text is not null
     order by 1
"""


async def dump(connection: asyncpg.Connection, roles: Mapping[Part, str]) -> str:
    """Return the schema `baton` as text; `roles` are roles that were granted these parts."""
    await connection.execute("set search_path to baton")
    found = []
    for query in (_DOMAINS, _TABLES, _VIEWS, _FUNCTIONS):
        found += [row[0] for row in await connection.fetch(query)]
    names = ", ".join(f"'\"{role}\"', '{part}'" for part, role in roles.items())
    by_role = await connection.fetchval(f"select json_build_object({names})::text")
    grants = [row[0] for row in await connection.fetch(_GRANTS, by_role)]
    return "\n\n".join([*found, "\n".join(grants)]) + "\n"


async def migrated_and_dumped(connection: asyncpg.Connection, suffix: str, changes: Sequence[str] = ()) -> str:
    """Return the dump of a fresh schema after these changes, with roles of its own, which are dropped again."""
    await migrate(connection)
    for change in changes:
        await connection.execute(change)
    roles: dict[Part, str] = {part: f"baton {part} {suffix}" for part in PARTS}
    for role in roles.values():
        await connection.execute(f'create role "{role}"')
    try:
        await grant(connection, "baton", {part: [role] for part, role in roles.items()})
        return await dump(connection, roles)
    finally:
        for role in roles.values():
            await connection.execute(f'drop owned by "{role}"; drop role "{role}"')


async def _main() -> None:
    with EmbeddedServer.start(temporary=True) as server:
        connection = await asyncpg.connect(server.dsn())
        try:
            SCHEMA_FILE.write_text(await migrated_and_dumped(connection, "dump"))
        finally:
            await connection.close()


if __name__ == "__main__":
    asyncio.run(_main())
