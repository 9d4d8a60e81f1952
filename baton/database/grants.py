"""Least privilege: what a database role may do with the engine.

The engine's functions run with the rights of the schema's owner, and no other role can write a table. A role is granted
one part or several:

    worker   run steps: register, heartbeat, claim, settle, upkeep
    client   insert workflows, which the database checks as Python does, cancel, retry, complete, skip, signal and watch
             them and their steps, make schedules, and read
    operator pause and resume queues and schedules, set limits, cancel, retry, complete, skip and signal
             workflows and their steps, and read
    viewer   read
    debug    read, and what attempts with debug have left, which no other part may
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from baton.database.migrate import quoted

if TYPE_CHECKING:
    from baton.database.connections import Connection

Part = Literal["worker", "client", "operator", "viewer", "debug"]
PARTS: tuple[Part, ...] = ("worker", "client", "operator", "viewer", "debug")
DEBUG_TABLES = ("debug_records",)
"""They may hold personal data."""

EVERYBODY = "public"

_READS = (
    "workflow_of",
    "step_of",
    "sibling_of",
    "channel",
    "local_name",
    "group_result",
    "awaited_kind",
    "limit_of",
    "topic_kind",
)
_FUNCTIONS: Mapping[Part, Sequence[str]] = {
    "worker": (
        "register",
        "deregister",
        "heartbeat",
        "upkeep_due",
        "mark_dead",
        "rescue",
        "prune",
        "prune_debug",
        "stage",
        "due_schedules",
        "fire_schedule",
        "end_overdue",
        "end_waits",
        "watch_runs",
        "claim",
        "claim_separately",
        "settle",
        "settle_with_records",
        "leave_records",
        "keep",
        "round_worker",
        "reserve_budgets",
        "item_graph",
        "advance",
        "advance_with_records",
        "expand",
        "expand_map",
    ),
    "client": (
        "insert_checked",
        "insert_workflow_json",
        "cancel",
        "retry",
        "complete",
        "skip",
        "start_now",
        "dry_run",
        "watch",
        "raise_budget",
        "follow",
        "follow_stream",
        "run_schedule",
        "put_schedule",
        "pause_schedule",
        "delete_schedule",
        "record_signal",
        "signal",
        "record_message",
        "send",
    ),
    "operator": (
        "pause",
        "resume",
        "pause_starts",
        "resume_starts",
        "set_limits",
        "cancel",
        "retry",
        "complete",
        "skip",
        "start_now",
        "dry_run",
        "watch",
        "raise_budget",
        "follow",
        "follow_stream",
        "pause_schedule",
        "record_signal",
        "signal",
        "record_message",
        "send",
    ),
    "viewer": (),
    "debug": (),
}


async def grant(connection: Connection, schema: str, roles: Mapping[Part, Sequence[str]]) -> None:
    """Grant these roles their parts, in one transaction. It has to be repeated after a migration that adds functions.

    A role named `public` stands for every role, as in SQL. Raises: asyncpg.UndefinedObjectError if there is no such
    role.
    """
    name = quoted(schema)
    async with connection.transaction():
        for part, members in roles.items():
            for member in members:
                role = await connection.fetchval("select quote_ident($1)", member)
                await connection.execute(f"grant usage on schema {name} to {role}")
                hidden = () if part == "debug" else DEBUG_TABLES
                for table in await _tables(connection, schema, hidden):
                    await connection.execute(f"grant select on {name}.{quoted(table)} to {role}")
                for function in await _signatures(connection, schema, [*_READS, *_FUNCTIONS[part]]):
                    await connection.execute(f"grant execute on function {function} to {role}")


async def _tables(connection: Connection, schema: str, hidden: Sequence[str]) -> Sequence[str]:
    """Return the tables and views of the schema, apart from those that are hidden."""
    rows = await connection.fetch(
        """
        select c.relname as name
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm') and c.relname <> all($2)
         order by c.relname
        """,
        schema,
        list(hidden),
    )
    return [row["name"] for row in rows]


async def may_insert_unchecked(connection: Connection, schema: str) -> bool:
    """Return whether the current role may call the functions that insert without checking, as the owner may."""
    return bool(
        await connection.fetchval(
            """
            select bool_and(has_function_privilege(p.oid, 'execute'))
              from pg_proc p
              join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = $1
               and p.proname in ('insert_job', 'insert_workflow', 'insert_workflows')
            """,
            schema,
        )
    )


def grantee(role: str) -> str:
    """Return whom a grant to this role is for: `public` is not a role, but every role, now and later."""
    return "every role that may connect to this database" if role == EVERYBODY else f"role {role!r}"


async def _signatures(connection: Connection, schema: str, functions: Sequence[str]) -> Sequence[str]:
    rows = await connection.fetch(
        """
        select p.oid::regprocedure::text as signature
          from pg_proc p
          join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = $1 and p.proname = any($2)
        """,
        schema,
        list(functions),
    )
    return [row["signature"] for row in rows]
