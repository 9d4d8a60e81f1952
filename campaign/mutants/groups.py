"""The mutants of groups: each takes one of their rules out of the engine."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_MAPS_OF_WORKFLOWS = "tests/templates/test_maps_of_workflows.py"
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
    Mutant(
        "a map inside an item gets the item of the map around it",
        (Change("baton/core/item_graphs.py", " if name not in kind.each}", "}"),),
        tests=(_MAPS_OF_WORKFLOWS,),
    ),
    Mutant(
        "an item does not wait for the steps around its map",
        (Change("baton/core/draft.py", "edges.setdefault(name, bits)", "edges.setdefault(name, OBSERVES)"),),
        tests=(_MAPS_OF_WORKFLOWS,),
    ),
    Mutant(
        "what a client maps is not checked",
        (Change("sql/functions/kind_fault.sql", "perform check_item_graph(kind -> 'graph');", "null;"),),
        tests=("tests/database/test_checked_inserts.py",),
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
