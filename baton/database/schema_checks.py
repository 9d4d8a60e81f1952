"""Checks of a schema before it is migrated or used: its name, and that no other role can have put something into it.

A migration runs with the rights of its role, and looks for tables, functions and operators in the schema. What
another role has put there would run with these rights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from baton.errors import BatonError, SchemaRenamed, UnsafeSchema

if TYPE_CHECKING:
    from baton.database.connections import Connection, Record

_OWNERS_AND_RIGHTS = """
with us as (
    select r.oid from pg_roles r where r.rolname = current_user
), trusted as (
    -- those who may do everything anyway, and ourselves
    select r.oid from pg_roles r where r.rolsuper
     union
    select us.oid from us
     union
    select 'pg_database_owner'::regrole::oid from pg_database d, us
     where d.datname = current_database() and d.datdba = us.oid
)
select o.rolname as owner,
       n.nspowner in (select t.oid from trusted t) as is_owner_trusted,
       array(
           select distinct coalesce(r.rolname, 'public')
             from aclexplode(n.nspacl) a
             left join pg_roles r on r.oid = a.grantee
            where a.privilege_type = 'CREATE' and a.grantee not in (select t.oid from trusted t)
            order by 1
       ) as creators,
       array(
           select distinct r.rolname
             from (
                      select c.relowner from pg_class c where c.relnamespace = n.oid
                       union all
                      select p.proowner from pg_proc p where p.pronamespace = n.oid
                       union all
                      select y.typowner from pg_type y where y.typnamespace = n.oid
                       union all
                      select p.oprowner from pg_operator p where p.oprnamespace = n.oid
                  ) as x(owner)
             join pg_roles r on r.oid = x.owner
            where x.owner not in (select t.oid from trusted t)
            order by 1
       ) as makers
  from pg_namespace n
  join pg_roles o on o.oid = n.nspowner
 where n.nspname = $1
"""

# By one of the functions that every version has; those that are inlined have no settings.
_PINNED_TO = """
select substr(c.setting, length('search_path=') + 1) as pinned, quote_ident(n.nspname) || ', pg_temp' as wanted
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
 cross join unnest(p.proconfig) as c(setting)
 where n.nspname = $1 and p.proname = 'settle' and c.setting like 'search_path=%'
 limit 1
"""

_PINNED_FUNCTIONS = """
select format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as signature
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
 where n.nspname = $1 and 'search_path=' || $2 = any(p.proconfig)
"""


async def require_utf8(connection: Connection) -> None:
    """Refuse a database that cannot hold every text. Raises `BatonError`."""
    encoding = await connection.fetchval("select current_setting('server_encoding')")
    if encoding != "UTF8":
        raise BatonError(
            f"the database is encoded in {encoding}, which cannot hold every name, argument and result: use one that "
            f"is encoded in UTF8, as made by create database app encoding 'UTF8' template template0"
        )


async def require_safe_schema(connection: Connection, schema: str) -> None:
    """Return if the schema is not there, or only we and superusers own it and may create in it.

    Raises: UnsafeSchema.
    """
    if (row := await connection.fetchrow(_OWNERS_AND_RIGHTS, schema)) is not None and (why := _why_unsafe(row, schema)):
        raise UnsafeSchema(schema, why)


def _why_unsafe(row: Record, schema: str) -> str | None:
    name = '"' + schema.replace('"', '""') + '"'
    if not row["is_owner_trusted"]:
        return f"it belongs to role {row['owner']!r}: migrate as that role, or alter schema {name} owner to your own"
    if row["creators"]:
        roles = ", ".join("everybody" if role == "public" else f"role {role!r}" for role in row["creators"])
        names = ", ".join("public" if role == "public" else f'"{role}"' for role in row["creators"])
        return f"objects may be created in it by {roles}: revoke create on schema {name} from {names}"
    if row["makers"]:
        roles = ", ".join(f"role {role!r}" for role in row["makers"])
        return f"it has objects that belong to {roles}: drop them, or reassign owned by that role to your own"
    return None


async def require_own_name(connection: Connection, schema: str) -> None:
    """Return if the schema has the name that its functions were made under. Raises `SchemaRenamed`."""
    if (former := await _former_path(connection, schema)) is not None:
        raise SchemaRenamed(schema, former)


async def repair_name(connection: Connection, schema: str) -> None:
    """Have the functions of a renamed schema look for its tables under its new name.

    Within the transaction of a migration, with `search_path` set to the schema.
    """
    if (former := await _former_path(connection, schema)) is not None:
        for row in await connection.fetch(_PINNED_FUNCTIONS, schema, former):
            await connection.execute(f"alter function {row['signature']} set search_path from current")


async def _former_path(connection: Connection, schema: str) -> str | None:
    """Return the `search_path` of the functions, or None if it is that of this schema."""
    row = await connection.fetchrow(_PINNED_TO, schema)
    return None if row is None or row["pinned"] == row["wanted"] else row["pinned"]
