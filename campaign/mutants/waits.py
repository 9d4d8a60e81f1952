"""The mutants of steps that wait: each takes one of their rules out of the engine."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_SIGNALS = ("tests/waits/test_signals.py",)
_MESSAGES = ("tests/waits/test_messages.py",)
_RUNS = ("tests/waits/test_runs.py",)
_TRANSACTIONS = ("tests/waits/test_transactions.py",)
_END = "sql/functions/apply_ripe_waits.sql"
_RECORD = "sql/functions/record_signal.sql"

MUTANTS_OF_WAITS = (
    Mutant(
        "a time is up although a signal is being sent",
        (Change(_END, "x.has_come or s.id = any(closed)", "x.has_come or s.id = any(due)"),),
        _TRANSACTIONS,
    ),
    Mutant(
        "a signal that came in time is not read when the time is up",
        (Change(_END, "coalesce(g.value, m.value,", "coalesce(m.value,"),),
        _SIGNALS,
    ),
    Mutant(
        "a second signal replaces the first",
        (Change(_RECORD, "if given.sent_at is not null then", "if false then"),),
        _SIGNALS,
    ),
    Mutant(
        "a sender locks the workflow",
        (
            Change(
                _RECORD,
                "select w.key into flow from workflows w where w.id = p_workflow_id;",
                "select w.key into flow from workflows w where w.id = p_workflow_id for no key update;",
            ),
        ),
        _TRANSACTIONS,
    ),
    Mutant(
        "a signal is accepted by a step that ended",
        (
            Change(
                _RECORD,
                "where s.id = given.step_id and s.finished_at is not null",
                "where s.id = given.step_id and false",
            ),
        ),
        _SIGNALS,
    ),
    Mutant(
        "an early signal is not kept for its step",
        (Change("sql/functions/begin_waits.sql", "(g.sent_at is not null or m", "(false or m"),),
        _SIGNALS,
    ),
    Mutant(
        "a signal that commits after the release is not found",
        (Change("sql/functions/ripe_workflows.sql", "where g.is_new limit", "where false limit"),),
        _TRANSACTIONS,
    ),
    Mutant(
        "a message is taken by several steps",
        (Change("sql/functions/take_messages.sql", "and m.taken_by is null and", "and"),),
        _MESSAGES,
    ),
    Mutant(
        "a step retried by name keeps its answer",
        (Change("sql/functions/reopen.sql", "and g.name in (select unnest(p_names))", "and false"),),
        _SIGNALS,
    ),
    Mutant(
        "the end of a run is not announced to the steps that wait for it",
        (Change("sql/functions/announce_finished.sql", "a.run_key = any(p_keys)", "false"),),
        _RUNS,
    ),
    Mutant(
        "a run is not asked to announce its end",
        (Change("sql/functions/watch_runs.sql", "set watched = true", "set watched = w.watched"),),
        _RUNS,
    ),
)
