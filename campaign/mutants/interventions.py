"""The mutants of interventions: each takes one rule of complete, skip, retry downstream, dry runs or reuse out."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_MODEL = ("tests/model/test_random_endings.py",)
_REUSE = ("tests/interventions/test_reuse.py",)
_END = "sql/functions/end_without_running.sql"
_GIVE = "sql/functions/give_end.sql"
_OPEN = "sql/functions/steps_to_open.sql"
_SAME = "sql/functions/steps_to_reuse.sql"

MUTANTS_OF_INTERVENTIONS = (
    Mutant(
        "a claimed step is completed over the claim",
        (Change(_END, "if entry.state = 'executing' then", "if false then"),),
        ("tests/interventions/test_races.py",),
    ),
    Mutant(
        "a signal that was accepted is overruled",
        (Change(_END, "and g.sent_at is not null) then", "and false) then"),),
        ("tests/interventions/test_complete_and_skip.py",),
    ),
    Mutant(
        "a step is completed inside of what begins anew",
        (Change(_END, "if step.id <> all(opened.opening) then", "if false then"),),
        ("tests/interventions/test_undone_parts.py",),
    ),
    Mutant("a completed step did not begin", (Change(_GIVE, "s.began or p_state = 'completed'", "s.began"),), _MODEL),
    Mutant(
        "a completed undo leaves the step as it was",
        (Change(_GIVE, "if undone is not null then", "if false then"),),
        ("tests/interventions/test_complete_and_skip.py",),
    ),
    Mutant(
        "a step that was given its end runs all the same",
        (Change("sql/functions/reopen.sql", "ended := array[p_given];", "ended := '{}';"),),
        _MODEL,
    ),
    Mutant(
        "what waits for its next attempt downstream goes on with old results",
        (Change(_OPEN, "or p_downstream and (reached.state = 'queued' or", "or p_downstream and (false or"),),
        ("tests/interventions/test_downstream.py",),
    ),
    Mutant(
        "what executes downstream is run a second time",
        (Change(_OPEN, "and (s.first_child is not null or q.state = 'executing')", "and s.first_child is not null"),),
        ("tests/interventions/test_downstream.py",),
    ),
    Mutant(
        "a step is reused although one before it is not",
        (
            Change(
                _SAME, "select sibling_of(p.id, e.ordinal) as id from unnest(p.dependents) as e(ordinal)", "select p.id"
            ),
        ),
        _REUSE,
    ),
    Mutant("a step of other arguments is reused", (Change(_SAME, "and n.args::text = o.args::text", ""),), _REUSE),
    Mutant("what was undone is reused", (Change(_SAME, "and u.undoes = ordinal_of(o.id)", "and false"),), _REUSE),
)
