"""The engine's functions as a migration leaves them: their settings, their comments, and none of an earlier version."""

from __future__ import annotations

import asyncpg
import pytest

from baton.database.engine_functions import apply_functions, function_files
from baton.database.migrate import migrate

SEARCH_PATH = {"search_path": "baton, pg_temp"}
BY_INDEX = {"enable_seqscan": "off", "jit": "off"}
LOCK_TIMEOUT = {"lock_timeout": "1s"}
INSERTION = {"plan_cache_mode": "force_generic_plan"} | BY_INDEX
ENGINE = INSERTION | LOCK_TIMEOUT | {"enable_hashjoin": "off", "enable_mergejoin": "off"}
EXPECTED = {
    "advance": ENGINE,
    "cancel": ENGINE,
    "claim": ENGINE,
    "advance_with_records": ENGINE,
    "claim_separately": ENGINE,
    "end_overdue": ENGINE,
    "end_waits": ENGINE,
    "expand": ENGINE,
    "expand_map": ENGINE,
    "fire_schedule": ENGINE,
    "follow": INSERTION | LOCK_TIMEOUT,
    "follow_stream": INSERTION | LOCK_TIMEOUT,
    "heartbeat": INSERTION | LOCK_TIMEOUT,
    "check_workflows": {"enable_hashjoin": "on", "enable_nestloop": "off"},
    "insert_checked": INSERTION,
    "insert_job": INSERTION,
    "insert_workflow": INSERTION,
    "insert_workflows": INSERTION,
    "keep": ENGINE,
    "limit_of": ENGINE,
    "raise_budget": ENGINE,
    "reserve_budgets": ENGINE,
    "leave_records": ENGINE,
    "mark_dead": ENGINE,
    "pause": LOCK_TIMEOUT,
    "pause_starts": INSERTION | LOCK_TIMEOUT,
    "resume": BY_INDEX | LOCK_TIMEOUT,
    "resume_starts": ENGINE,
    "prune": ENGINE,
    "prune_debug": ENGINE,
    "record_message": INSERTION,
    "record_signal": INSERTION,
    "rescue": ENGINE,
    "retry": ENGINE,
    "complete": ENGINE,
    "skip": ENGINE,
    "start_now": ENGINE,
    "dry_run": INSERTION | LOCK_TIMEOUT,
    "item_graph": ENGINE,
    "round_worker": ENGINE,
    "set_limits": ENGINE,
    "settle": ENGINE,
    "settle_with_records": ENGINE,
    "stage": ENGINE,
    "upkeep_due": ENGINE,
    "watch": INSERTION | LOCK_TIMEOUT,
    "watch_runs": ENGINE,
    "steps_to_reuse": {"enable_hashjoin": "on", "enable_nestloop": "off"},
    "write_steps": {"enable_hashjoin": "on"},
    "write_undos": {"enable_hashjoin": "on"},
}
"""Besides `search_path`; any other function has nothing else."""
INLINED = {
    "claimed_steps",
    "claims_gate",
    "edge_ignores",
    "edge_observes",
    "extras_keys",
    "flag_bits",
    "free_units",
    "is_backoff",
    "local_name",
    "name_fault",
    "next_lanes",
    "ordinal_of",
    "shift_ordinals",
    "spent_after",
    "terms_keys",
    "text_of_json",
    "undo_keys",
    "units_earned_at",
    "workflow_of",
    "step_of",
    "sibling_of",
}


@pytest.fixture
async def apply(connection):
    """Apply the functions again, as the next version's migration does."""

    async def apply():
        async with connection.transaction():
            await connection.execute("set local search_path to baton, pg_temp")
            await apply_functions(connection, "baton")

    return apply


async def functions(connection, what):
    rows = await connection.fetch(
        f"select proname, {what} as found from pg_proc where pronamespace = 'baton'::regnamespace"
    )
    return {row["proname"]: row["found"] for row in rows}


async def signatures(connection):
    rows = await connection.fetch("select oid::regprocedure::text as signature from pg_proc where proname = 'spare'")
    return sorted(row["signature"] for row in rows)


async def test_each_function_has_the_settings_of_its_class(connection):
    found = await functions(connection, "proconfig")

    settings = {name: dict(entry.split("=", 1) for entry in config or ()) for name, config in found.items()}
    wanted = {name: {} if name in INLINED else SEARCH_PATH | EXPECTED.get(name, {}) for name in found}
    assert settings == wanted
    assert EXPECTED.keys() | INLINED <= found.keys()


async def test_each_function_has_the_first_sentence_of_its_file_as_comment(connection):
    found = await functions(connection, "obj_description(oid, 'pg_proc')")

    assert found["local_name"] == "The name a step has inside its group: what follows the last slash."
    assert [file.name for file in function_files() if not found[file.name]] == []


async def test_applying_the_functions_again_changes_none(connection, apply):
    everything = "array[pg_get_functiondef(oid), obj_description(oid, 'pg_proc'), proacl::text]"
    before = await functions(connection, everything)

    await apply()

    assert await functions(connection, everything) == before


async def test_a_function_of_an_earlier_version_is_dropped(connection, apply):
    """Also when only its parameters differ: what is left would be an overload that nothing calls."""
    for parameters in ("integer", "integer, text"):
        await connection.execute(f"create function spare({parameters}) returns integer language sql as 'select 1'")
    await connection.execute("create function pause(p_queue integer) returns integer language sql as 'select 1'")
    await connection.execute(
        "insert into functions values ('spare(integer)'), ('spare(integer, text)'), ('pause(p_queue integer)')"
    )

    await apply()

    assert await signatures(connection) == []
    assert await connection.fetchval("select count(*) from pg_proc where proname = 'pause'") == 1


async def test_a_function_of_the_application_stays_in_the_schema(connection, apply):
    await connection.execute("create function spare(integer) returns integer language sql as 'select 1'")
    await connection.execute("create function pause(p_queue integer) returns integer language sql as 'select 1'")

    await apply()
    await apply()

    assert await signatures(connection) == ["spare(integer)"]
    assert await connection.fetchval("select count(*) from pg_proc where proname = 'pause'") == 2


async def test_a_migration_leaves_the_rights_to_a_function_of_the_application(empty_database):
    """Those to the engine's functions are revoked from everybody."""
    connection = await asyncpg.connect(empty_database)
    await connection.execute("create schema baton; create function baton.mine() returns int language sql as 'select 0'")

    await migrate(connection)

    everybody = "has_function_privilege('pg_monitor', oid, 'execute')"
    assert [name for name, found in (await functions(connection, everybody)).items() if found] == ["mine"]
    await connection.close()


async def test_a_migration_records_the_functions_that_it_applies(connection):
    recorded = await connection.fetch("select signature from functions")

    assert sorted(row["signature"].partition("(")[0] for row in recorded) == [file.name for file in function_files()]
