"""The mutants of limits: each takes one of their rules out of the engine."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_RUNNING = ("tests/limits/test_running.py",)
_CHANGES = ("tests/limits/test_changes.py",)
_RATES = ("tests/limits/test_rates.py",)
_LANES = ("tests/limits/test_lanes.py",)
_CLAIM = "sql/functions/claim_limited.sql"
_SLOTS = "sql/functions/free_slots.sql"
_CHOOSE = "sql/functions/choose_in_lanes.sql"
_RING = "sql/functions/choose_by_lanes.sql"
_SET = "sql/functions/set_limits.sql"

MUTANTS_OF_LIMITS = (
    Mutant(
        "what executes is counted without a lock",
        (Change(_SLOTS, "           for no key update skip locked;", "           ;"),),
        _CHANGES,
    ),
    Mutant(
        "a lane is counted without a lock",
        (Change(_CHOOSE, "         where pg_try_advisory_xact_lock(", "         where 0 <> ("),),
        _CHANGES,
    ),
    Mutant(
        "a limit is changed while claims are under way",
        (Change(_SET, "perform pg_advisory_xact_lock(claims_gate());", ""),),
        _CHANGES,
    ),
    Mutant(
        "what executes is not put into the new parts",
        (Change(_SET, "executing := locked_executing(p_queue);", "executing := '{}';"),),
        _CHANGES,
    ),
    Mutant(
        "a claim that settles waits for a change",
        (Change("sql/functions/claim_entries.sql", "is_open := p_is_patient;", "p_is_patient := true;"),),
        _CHANGES,
    ),
    Mutant(
        "lanes beyond those of one claim are skipped",
        (Change(_CLAIM, "when chosen.may_be_more then 0.001", "when false then 0.001"),),
        _LANES,
    ),
    Mutant(
        "the ring begins anew with each claim",
        (Change(_RING, "coalesce(p_memory ->> 'after', '')", "''"),),
        _LANES,
    ),
    Mutant(
        "a lane is looked at again for each priority",
        (Change(_RING, "where u.lane <> all(seen)", "where true"),),
        _LANES,
    ),
    Mutant(
        "a small step overtakes a large one",
        (Change("sql/functions/choose_in_order.sql", "sum(w.units) over (rows unbounded preceding)", "w.units"),),
        _RATES,
    ),
    Mutant(
        "units count as one",
        (Change("sql/functions/choose_in_order.sql", "coalesce(q.units, 1) as cost", "1 as cost"),),
        _RATES,
    ),
    Mutant(
        "a freed slot wakes nobody",
        (Change("sql/functions/advance.sql", "perform notify_freed(unused.queues, unused.lanes);", ""),),
        _RUNNING,
    ),
    Mutant(
        "a cancelled step wakes nobody",
        (Change("sql/functions/end_entries.sql", "perform notify_freed(freed.queues, freed.lanes);", ""),),
        _RUNNING,
    ),
)
