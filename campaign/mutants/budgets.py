"""Mutants of budgets."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_RESERVE = "sql/functions/reserve_budgets.sql"
_TESTS = ("tests/llm/test_budgets.py",)

MUTANTS_OF_BUDGETS = (
    Mutant(
        "a reservation outlives its claim",
        (
            Change(
                _RESERVE,
                "and not exists (select from queue q where q.step_id = r.step_id and q.token = r.token)",
                "and false",
            ),
        ),
        _TESTS,
    ),
    Mutant(
        "what other attempts have reserved does not count",
        (Change(_RESERVE, "spent.spent_cost + spent.held_cost", "spent.spent_cost"),),
        _TESTS,
    ),
    Mutant(
        "what attempts spend is not counted",
        (
            Change(
                "sql/functions/charge_budgets.sql",
                "set spent_cost = b.spent_cost + excluded",
                "set spent_cost = 0 * excluded",
            ),
        ),
        _TESTS,
    ),
    Mutant(
        "a step that is raised before its put-back is settled sleeps on",
        (
            Change(
                "sql/functions/begin_budget_waits.sql",
                "and not exists (select from budget_waits",
                "and false and not exists (select from budget_waits",
            ),
        ),
        _TESTS,
    ),
)
