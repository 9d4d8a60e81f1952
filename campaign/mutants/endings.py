"""The mutants of endings: each takes one rule of edges, conditions, closing steps, undos or needs out of the engine."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_MODEL = ("tests/model/test_random_endings.py",)
_PROGRAMS = ("tests/endings/test_endings.py",)
_SQL = "sql/functions/"
_FORGIVEN = f"{_SQL}failure_is_ignored.sql"
_DECIDE = f"{_SQL}decide_steps.sql"
_NEEDS = f"{_SQL}apply_needs.sql"
_REST = f"{_SQL}cancel_rest.sql"
_OPEN = f"{_SQL}steps_to_open.sql"
_UNDOS = f"{_SQL}write_undos.sql"
_BEGUN = f"{_SQL}has_begun.sql"


def _mutant(name: str, file: str, text: str, replacement: str, tests: tuple[str, ...] = _MODEL) -> Mutant:
    return Mutant(name, (Change(file, text, replacement),), tests)


MUTANTS_OF_ENDINGS = (
    _mutant("an observed edge forgives", _FORGIVEN, "where not edge_observes(c, ordinal_of(p_step.id))", "where true"),
    _mutant(
        "an observed edge is an ordinary one",
        "sql/functions/edge_observes.sql",
        "return p_dependent.edges is not null",
        "return false and p_dependent.edges is not null",
    ),
    _mutant("a dependent that never ran forgives", _FORGIVEN, " and bool_or(has_begun(c))", ""),
    _mutant(
        "one dependent that ignores a failure forgives it",
        _FORGIVEN,
        "bool_and(c.needs is not null",
        "bool_or(c.needs is not null",
    ),
    _mutant("begun is read from the attempt", _BEGUN, "p_step.began", "p_step.attempt > 0"),
    _mutant(
        "a retry clears what began",
        f"{_SQL}reopen.sql",
        "           not_needed = false,",
        "           began = false,\n           not_needed = false,",
    ),
    _mutant(
        "a condition that does not hold releases its step", _DECIDE, "and d.holds is not true", "and d.holds is null"
    ),
    _mutant(
        "a condition that cannot be evaluated skips its step",
        _DECIDE,
        "case when d.holds is null then 'discarded' else 'skipped' end,",
        "'skipped',",
    ),
    _mutant(
        "a cancel ends closing steps",
        f"{_SQL}cancel.sql",
        "and (p_names is not null or p_force or not s.is_closing)",
        "and (p_names is not null or p_force or true)",
    ),
    _mutant(
        "a closing step below a named group is cancelled with it",
        f"{_SQL}cancel.sql",
        "and (p_force or not s.is_closing or s.name in (select unnest(p_names)))",
        "and true",
    ),
    _mutant(
        "a closing step on failure always runs",
        f"{_SQL}nothing_to_clean_up.sql",
        "if step.role = 'on failure' then",
        "if false then",
    ),
    _mutant(
        "a closing step and an undo start before the attempt has ended",
        _DECIDE,
        "elsif step.closes and has_unended_attempts(step.id) then",
        "elsif false then",
    ),
    _mutant(
        "an attempt whose claim is void leaves no trace",
        f"{_SQL}end_entries.sql",
        "where e.was_running",
        "where false",
    ),
    _mutant("undos run in the order of their steps", _UNDOS, "ended_at desc", "ended_at"),
    _mutant("undos run side by side", _UNDOS, "dense_rank() over (order by r.ended_at desc, r.together desc)", "1"),
    _mutant("what never began is undone", _UNDOS, "           and s.began\n", ""),
    _mutant(
        "a completed run is undone",
        f"{_SQL}apply_consequences.sql",
        "w.has_undo and w.state in ('failed', 'cancelled') as may_undo",
        "w.has_undo as may_undo",
    ),
    _mutant(
        "an undone step keeps its generation",
        f"{_SQL}apply_outcomes.sql",
        "generation = s.generation + 1",
        "generation = s.generation",
    ),
    _mutant(
        "the idempotency key has no generation",
        "baton/core/context.py",
        'f"~{self.generation}" if self.generation > 1 else ""',
        '""',
        _PROGRAMS,
    ),
    _mutant(
        "one less than needed is enough", _NEEDS, "step.completed >= step.needs", "step.completed + 1 >= step.needs"
    ),
    _mutant("a need out of reach is awaited", _NEEDS, "step.completed + step.open < step.needs then", "false then"),
    _mutant(
        "inputs are not frozen",
        _NEEDS,
        "where i.ordinal = any(step.completed_ordinals)",
        "where true",
        ("tests/endings/test_needs.py",),
    ),
    _mutant("a rest fails the run", _REST, "not_needed = true", "not_needed = false"),
    _mutant(
        "a rest leaves upstream running",
        _REST,
        "exit when cardinality(wave) = 0;",
        "exit when cardinality(wave) = 0 or cardinality(unneeded) > 0;",
    ),
    _mutant("a rest cancels what others need", _REST, "and not edge_observes(c, ordinal_of(x.id))", "and false"),
    _mutant(
        "a step skipped by its condition stays behind in a retry", _OPEN, "where c.condition is not null", "where false"
    ),
    _mutant("a retry leaves closing steps as they are", _OPEN, "in ('always', 'on failure', 'end')", "in ('end')"),
    _mutant(
        "a retry leaves what is downstream of an undone step",
        _OPEN,
        "unnest(named || undone)",
        "unnest(named || p_undone)",
    ),
    _mutant(
        "the result of the clean-up is the run's",
        "baton/core/controls.py",
        "        if isinstance(step.what, Own) or self._is_observer(position):\n            return False\n",
        "",
        _PROGRAMS,
    ),
)
