"""The settings each of the engine's functions runs with, by class of function.

Settings hold for all statements of a function and for the functions that it calls, so those that the library calls have
them, and internal functions inherit them from their callers.
"""

from __future__ import annotations

from collections.abc import Mapping

Settings = dict[str, str]

_INTERNAL: Settings = {}

# Tables grow while a connection lives, and each plan is made once, often while its tables are
# nearly empty. So plans are generic and go by index. Nothing is compiled: forbidden plan nodes
# count as so expensive that PostgreSQL up to 17 would compile nearly every statement.
_GENERIC_PLANS: Settings = {"plan_cache_mode": "force_generic_plan"}
_BY_INDEX: Settings = {"enable_seqscan": "off", "jit": "off"}
# Hash and merge joins read all of a table to find a few rows in it.
_NESTED_LOOPS: Settings = {"enable_hashjoin": "off", "enable_mergejoin": "off"}

# A workflow that somebody else has locked holds up one call for a second. Insertion waits for
# nobody but for an insert of the same id, which it has to wait for; and a signal for another to the
# same step.
_LOCK_TIMEOUT: Settings = {"lock_timeout": "1s"}

_INSERTION = _GENERIC_PLANS | _BY_INDEX
_POOL_STATE = _INSERTION | _LOCK_TIMEOUT
_ENGINE = _GENERIC_PLANS | _BY_INDEX | _NESTED_LOOPS | _LOCK_TIMEOUT
_QUEUE_RESUMED = _BY_INDEX | _LOCK_TIMEOUT

# They join lists of steps, which are no tables and have no index.
_CHECKS: Settings = {"enable_hashjoin": "on", "enable_nestloop": "off"}

_PROFILES: Mapping[str, Settings] = {
    "advance": _ENGINE,
    "advance_with_records": _ENGINE,
    "cancel": _ENGINE,
    "claim": _ENGINE,
    "complete": _ENGINE,
    "dry_run": _POOL_STATE,
    "claim_separately": _ENGINE,
    "end_overdue": _ENGINE,
    "end_waits": _ENGINE,
    "expand": _ENGINE,
    "expand_map": _ENGINE,
    "heartbeat": _POOL_STATE,
    "check_workflows": _CHECKS,
    "insert_checked": _INSERTION,
    "insert_job": _INSERTION,
    "insert_workflow": _INSERTION,
    "insert_workflows": _INSERTION,
    "fire_schedule": _ENGINE,
    "follow": _POOL_STATE,
    "follow_stream": _POOL_STATE,
    "keep": _ENGINE,
    "limit_of": _ENGINE,
    "leave_records": _ENGINE,
    "mark_dead": _ENGINE,
    "pause": _LOCK_TIMEOUT,
    "pause_starts": _POOL_STATE,
    "resume_starts": _ENGINE,
    "resume": _QUEUE_RESUMED,
    "prune": _ENGINE,
    "prune_debug": _ENGINE,
    "record_message": _INSERTION,
    "record_signal": _INSERTION,
    "rescue": _ENGINE,
    "raise_budget": _ENGINE,
    "reserve_budgets": _ENGINE,
    "retry": _ENGINE,
    "item_graph": _ENGINE,
    "round_worker": _ENGINE,
    "set_limits": _ENGINE,
    "settle": _ENGINE,
    "skip": _ENGINE,
    "start_now": _ENGINE,
    "settle_with_records": _ENGINE,
    "stage": _ENGINE,
    "upkeep_due": _ENGINE,
    "watch": _POOL_STATE,
    "watch_runs": _ENGINE,
    # It joins the steps of two workflows by name, of which there is no index. A nested loop would be quadratic.
    "steps_to_reuse": _CHECKS,
    # They join steps and terms, or undos and their levels, which are no tables. A nested loop would be quadratic.
    "write_steps": {"enable_hashjoin": "on"},
    "write_undos": {"enable_hashjoin": "on"},
}

_INLINED = frozenset(
    {
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
    }
)
"""PostgreSQL makes these a part of the calling statement, which it can do only for a function without settings."""


def settings_clauses(function: str) -> str:
    """Return the `set` clauses for `alter function`, for a function of `sql/functions`; empty for an inlined one.

    All others keep the `search_path` in effect, that of the migration.
    """
    if function in _INLINED:
        return ""
    settings = _PROFILES.get(function, _INTERNAL)
    return " ".join(["set search_path from current", *[f"set {name} to '{value}'" for name, value in settings.items()]])
