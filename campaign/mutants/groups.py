"""The mutants of groups: each takes one of their rules out of the engine."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_CLOSE = "sql/functions/count_down_groups.sql"

MUTANTS_OF_GROUPS = (
    Mutant(
        "a join ignores the flags",
        (Change("sql/functions/group_outcome.sql", "and not failure_is_ignored(c)", ""),),
    ),
    Mutant(
        "an expansion is not fenced",
        (
            Change(
                "sql/functions/begin_expansion.sql",
                "where q.step_id = p_step and q.token = p_token",
                "where q.step_id = p_step",
            ),
        ),
    ),
    Mutant("slots are not returned", (Change(_CLOSE, "slots = g.slots + c.slots", "slots = g.slots"),)),
    Mutant(
        "a begun group is counted down",
        (Change("sql/functions/apply_consequences.sql", "and s.first_child is null", ""),),
    ),
    Mutant(
        "only one of several children that end at once is counted",
        (
            Change(_CLOSE, "pending = g.pending - c.ended", "pending = g.pending - 1"),
            Change(_CLOSE, "when g.pending = c.ended", "when g.pending = 1"),
        ),
    ),
    Mutant(
        "a begun group is ended by a dependency",
        (Change("sql/functions/end_dependents.sql", "               and c.first_child is null\n", ""),),
    ),
)
