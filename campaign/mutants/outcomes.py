"""The mutants of what a worker says: each takes out one rule of failing for good, keeping, counting, or rounds."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_OTHER = "sql/functions/apply_other_outcomes.sql"
_KEEP = "sql/functions/keep.sql"
_LOSSES = "sql/functions/count_losses.sql"
_ROUND = "sql/functions/begin_round.sql"
_FAILING = ("tests/runtime/test_failing_for_good.py",)
_COUNTING = ("tests/database/rules/test_counting_anew.py",)
_ROUNDS = ("tests/database/rules/test_rounds.py",)

MUTANTS_OF_OUTCOMES = (
    Mutant(
        "a worker's Fail is a failed attempt",
        (
            Change(
                "baton/core/outcome.py",
                "        case Fail():\n            return discarded(value.reason)",
                '        case Fail():\n            return Outcome("failed", value.reason, delay=0.0)',
            ),
        ),
        _FAILING,
    ),
    Mutant(
        "an error that discards is not kept",
        (
            Change(
                _OTHER,
                "(v.kind in ('failed', 'lost', 'discarded') or v.state = 'discarded')",
                "v.kind in ('failed', 'lost')",
            ),
        ),
        _FAILING,
    ),
    Mutant(
        "the timeout of an attempt can be fatal",
        (
            Change("baton/runtime/runner.py", "_timed_out(attempt)\n", "_timed_out(attempt, worker)\n"),
            Change(
                "baton/runtime/runner.py",
                "def _timed_out(attempt: Attempt)",
                "def _timed_out(attempt: Attempt, worker: AnyWorker)",
            ),
            Change(
                "baton/runtime/runner.py",
                "if runs_on else failed(error)",
                "if runs_on else failed(error, worker.fatal)",
            ),
        ),
        _FAILING,
    ),
    Mutant(
        "a snooze gives back its attempt and no more",
        (Change(_OTHER, "                   when o.kind in ('snoozed', 'again') then 0\n", ""),),
        _COUNTING,
    ),
    Mutant(
        "a kept value does not begin the count of failures anew",
        (Change(_KEEP, "if attempts > 1 then", "if false then"),),
        _COUNTING,
    ),
    Mutant(
        "losses are not counted apart",
        (Change(_OTHER, "when o.kind = 'lost' and (l.losses >= 20 or l.loss_rows >= 20) then 'discarded'", ""),),
        _COUNTING,
    ),
    Mutant(
        "a step that keeps a value and kills its process lives forever",
        (Change(_LOSSES, "p_step.loss_rows + (p_is_lost and b.begins)::integer", "0"),),
        _COUNTING,
    ),
    Mutant(
        "a value is kept for a void claim",
        (Change(_KEEP, "where q.step_id = p_step and q.token = p_token for", "where q.step_id = p_step for"),),
        _COUNTING,
    ),
    Mutant(
        "what is kept outlives its step",
        (
            Change(
                "sql/functions/delete_workflows.sql",
                "e.step_id >= step_of(k.key, 0) and e.step_id < step_of(k.key + 1, 0)",
                "e.step_id < 0",
            ),
        ),
        _COUNTING,
    ),
    Mutant(
        "a replayed outcome begins another round",
        (
            Change(
                _OTHER,
                "(select array_agg(r.id) from recorded r where r.outcome = 'again')",
                "(select array_agg(s.id) from steps s where s.id = any(p_ids) and s.outcome = 'again')",
            ),
        ),
        _ROUNDS,
    ),
    Mutant(
        "a round takes the arguments of a stale outcome",
        (
            Change(
                _OTHER,
                "join steps s on s.id = any(array[o.id]) and s.token = o.token\n",
                "join steps s on s.id = o.id\n",
            ),
        ),
        _ROUNDS,
    ),
    Mutant(
        "a round keeps its idempotency key",
        (Change(_ROUND, "generation = s.generation + 1", "generation = s.generation"),),
        _ROUNDS,
    ),
    Mutant(
        "a round keeps the references of what it replaces",
        (Change(_ROUND, "where p_given -> (r.reference #>> '{0,0}') is null", ""),),
        _ROUNDS,
    ),
    Mutant(
        "a graph that failed begins its round",
        (
            Change(
                "sql/functions/apply_joins.sql",
                "v.state = 'completed' and s.again is not null as",
                "s.again is not null as",
            ),
        ),
        _ROUNDS,
    ),
    Mutant(
        "a step that is retried has asked for the round already",
        (
            Change(
                "sql/functions/reopen.sql", "sibling_of(g.id, (g.again ->> 'by')::integer) = any(p_opening)", "false"
            ),
        ),
        _ROUNDS,
    ),
    Mutant(
        "the ordinals of pruned rounds are used again",
        (
            Change(
                "sql/functions/prune_rounds.sql",
                "next_ordinal = coalesce(w.next_ordinal, w.total)",
                "next_ordinal = w.next_ordinal",
            ),
        ),
        _ROUNDS,
    ),
)
