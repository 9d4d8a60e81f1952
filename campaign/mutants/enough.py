"""The mutants of what ends early: failing fast, maps with limits, deadlines, and attempts that have not ended."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_ENOUGH = ("tests/endings/test_enough.py",)
_NEEDS = ("tests/endings/test_needs.py",)
_DEADLINES = ("tests/endings/test_deadlines.py",)
_UNENDED = ("tests/endings/test_unended_attempts.py",)
_ALLOWANCE = "sql/functions/map_allowance.sql"
_SWEEP = "sql/functions/sweep_scope.sql"
_COUNT = "sql/functions/count_down_groups.sql"

MUTANTS_OF_ENOUGH = (
    Mutant(
        "a failure that may still be forgiven ends what fails fast",
        (
            Change(
                "sql/functions/is_unforgivable.sql",
                "not bool_or(c.finished_at is null or has_begun(c))",
                "not bool_or(has_begun(c))",
            ),
        ),
        _ENOUGH,
    ),
    Mutant(
        "a failure is not judged again when what could forgive it has ended",
        (Change("sql/functions/fail_fast.sql", "and n.state <> 'completed'", "and false"),),
        _ENOUGH,
    ),
    Mutant(
        "a failure in a group does not count for what is around it",
        (Change("sql/functions/fail_fast.sql", "            exit when is_whole;\n", "            exit;\n"),),
        _ENOUGH,
    ),
    Mutant(
        "a map tolerates one failure more than it says",
        (
            Change(
                "sql/functions/map_allowance.sql",
                "else (p_map ->> 'tolerate')::integer",
                "else (p_map ->> 'tolerate')::integer + 1",
            ),
        ),
        _ENOUGH,
    ),
    Mutant(
        "a map goes on after the failure that decides it",
        (Change(_COUNT, "g.failures_left <= 0 and c.failed + c.skipped > 0", "false"),),
        _ENOUGH,
    ),
    Mutant(
        "a map that has what it needs goes on",
        (Change(_COUNT, "or g.completions_left <= 0 and c.completed > 0", ""),),
        _ENOUGH,
    ),
    Mutant(
        "what a map does not need is retried",
        (
            Change(
                "sql/functions/sweep_scope.sql",
                "not_needed = scope.ending ->> 'state' = 'completed'",
                "not_needed = false",
            ),
        ),
        _ENOUGH,
    ),
    Mutant(
        "a slot of a map that ends goes to another child",
        (
            Change(_COUNT, " and l.is_decided is not true and not l.is_ending", ""),
            Change("sql/functions/end_scope.sql", "w.remaining <= 1000", "false"),
            Change("sql/functions/end_scope.sql", "g.pending <= 1000", "false"),
        ),
        _ENOUGH,
    ),
    Mutant(
        "the steps of a large workflow that failed fast are not cancelled",
        (
            Change(
                "sql/functions/end_overdue_of.sql",
                "    elsif due.is_whole then\n        scope := sweep_scope(p_key, null);\n",
                "",
            ),
        ),
        _ENOUGH,
    ),
    Mutant(
        "a step that needs enough forgives nothing",
        (Change("sql/functions/failure_is_ignored.sql", "c.needs is not null or edge_ignores", "edge_ignores"),),
        _NEEDS,
    ),
    Mutant(
        "a gate never began",
        (Change("sql/functions/has_begun.sql", " or p_step.role = 'gate' and p_step.parent is not null", ""),),
        _NEEDS,
    ),
    Mutant(
        "what was not needed is not undone",
        (Change("sql/functions/cancel_rests.sql", "opened := undo_unneeded(ended, p_moment);", "null;"),),
        _NEEDS,
    ),
    Mutant(
        "the rest is cancelled by a step that does not start",
        (Change("sql/functions/cancel_rests.sql", "continue when not exists", "continue when false and not exists"),),
        _NEEDS,
    ),
    Mutant(
        "a snooze begins the deadline anew",
        (
            Change(
                "sql/functions/apply_other_outcomes.sql",
                "    perform notify_due(soonest, p_moment);",
                "    delete from deadlines d where d.step_id = any(p_ids);\n"
                "    perform begin_deadlines(p_ids, p_moment), notify_due(soonest, p_moment);",
            ),
        ),
        _DEADLINES,
    ),
    Mutant(
        "a deadline goes on through a retry",
        (Change("sql/functions/reopen.sql", "and d.kind in ('end', 'start')", "and false"),),
        _DEADLINES,
    ),
    Mutant(
        "a step that started in time is ended all the same",
        (Change("sql/functions/end_late_steps.sql", " and (q.attempted_at is null or not s.began)", ""),),
        _DEADLINES,
    ),
    Mutant(
        "a deadline waits for a workflow that somebody has locked",
        (Change("sql/functions/end_overdue.sql", "for no key update skip locked", "for no key update"),),
        _DEADLINES,
    ),
    Mutant(
        "the deadline of a workflow ends its closing steps",
        (Change(_SWEEP, "               and not s.is_closing\n", ""),),
        _DEADLINES,
    ),
    Mutant(
        "an attempt past its timeout counts as ended",
        (Change("sql/functions/note_overruns.sql", "where o.kind = 'overrun'", "where false"),),
        _UNENDED,
    ),
    Mutant(
        "the attempts of a dead pool never end",
        (Change("sql/functions/rescue.sql", "ended := end_lost_attempts(p_limit);", "ended := 0;"),),
        _UNENDED,
    ),
)
