"""The mutants of keys and pauses: each takes one of their rules out of the engine."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_KEYS = ("tests/client/test_keys.py",)
_RANDOM = ("tests/model/test_random_keys.py",)
_PAUSES = ("tests/database/rules/test_paused_starts.py",)
_TAKE = "sql/functions/take_keys.sql"

MUTANTS_OF_KEYS = (
    Mutant(
        "a key that somebody else holds is not locked",
        (Change(_TAKE, "                     order by k.key\n                       for no key update\n", ""),),
        _RANDOM,
    ),
    Mutant(
        "a key is free before the commit of the end of its run",
        (Change("sql/functions/holds_key.sql", "p_workflow.state = 'executing'", "p_workflow.remaining > 1"),),
        (*_KEYS, *_RANDOM),
    ),
    Mutant(
        "a retry does not ask who holds the key",
        (Change("sql/functions/other_holder.sql", "and holds_key(w)", "and false"),),
        (*_KEYS, *_RANDOM),
    ),
    Mutant(
        "a retry locks the workflow and no key",
        (Change("sql/functions/lock_key_of.sql", "k.key = flow.run_key for no key update;", "k.key = flow.run_key;"),),
        _RANDOM,
    ),
    Mutant(
        "a run that has begun is replaced",
        (Change("sql/functions/replace_runs.sql", "q.state = 'executing' or q.attempt > 0", "false"),),
        _KEYS,
    ),
    Mutant(
        "a pruned run takes along the key of a newer one",
        (
            Change(
                "sql/functions/delete_workflows.sql",
                "       and k.key = w.run_key\n       and k.workflow = w.key;",
                "       and k.key = w.run_key;",
            ),
        ),
        _KEYS,
    ),
    Mutant(
        "a run is pruned while its key stays taken",
        (Change("sql/functions/prune.sql", "and (w.key_for is null or not holds_key(w))", ""),),
        _KEYS,
    ),
    Mutant(
        "what was put aside does not wake the pools",
        (Change("sql/functions/put_aside.sql", "perform notify_queues(freed.queues, freed.counts);", ""),),
        _PAUSES,
    ),
)
