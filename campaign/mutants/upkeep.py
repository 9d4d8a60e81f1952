"""The mutants of upkeep and of claims that fail: in each one bad row takes others with it."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_UPKEEP = ("tests/database/rules/test_upkeep.py",)
_MAINTENANCE = ("tests/runtime/test_maintenance.py",)
_FAILING_CLAIMS = ("tests/runtime/test_failing_claims.py",)
_CLAIM_INPUT = ("tests/database/rules/test_claim_input.py",)
_MISFIT = ("tests/database/rules/test_unknown_worker.py", "tests/runtime/test_misfit.py")

MUTANTS_OF_UPKEEP = (
    Mutant(
        "a batch that cannot be rescued is not halved",
        (Change("sql/functions/rescue.sql", "if first = last then", "if first <= last then"),),
        _UPKEEP,
    ),
    Mutant(
        "workflows that cannot be deleted take others with them",
        (
            Change(
                "sql/functions/prune.sql", "select w.key, w.id from workflows w where w.key = any(gone)", "select 0, ''"
            ),
        ),
        _UPKEEP,
    ),
    Mutant(
        "a part of upkeep that fails ends the round",
        (
            Change(
                "baton/runtime/maintenance.py",
                "            return NOTHING\n        part.failures",
                "            raise\n        part.failures",
            ),
        ),
        _MAINTENANCE,
    ),
    Mutant(
        "a pool whose upkeep fails is ready",
        (Change("baton/runtime/health.py", "for failure in self.lasting_failures", "for failure in ()"),),
        _MAINTENANCE,
    ),
    Mutant(
        "an outcome is blamed for the claim in its call",
        (
            Change(
                "baton/runtime/dispatcher.py",
                "self._settler.isolate(request.settling, failure)",
                "self._settler.split(request.settling, failure, error)",
            ),
        ),
        _FAILING_CLAIMS,
    ),
    Mutant(
        "a claim that fails is sent again as it was",
        (Change("baton/runtime/dispatcher.py", "request = request.narrowed()", "request = request"),),
        _FAILING_CLAIMS,
    ),
    Mutant(
        "results of any size are delivered",
        (Change("sql/functions/large_results.sql", "if size > p_input_bytes then", "if false then"),),
        _CLAIM_INPUT,
    ),
    Mutant(
        "large stored results are taken for small ones",
        (
            Change(
                "sql/functions/claimed_steps.sql",
                "where d.first_child is null\n",
                "where d.first_child is null or\n                                        true\n",
            ),
        ),
        _CLAIM_INPUT,
    ),
    Mutant(
        "a misfit is discarded at once",
        (
            Change(
                "sql/functions/apply_other_outcomes.sql",
                "coalesce(s.misfit_at, p_moment) >= interval '1 second' * o.delay",
                "p_moment >= interval '0'",
            ),
        ),
        _MISFIT,
    ),
    Mutant(
        "a start does not forget the first misfit",
        (
            Change(
                "sql/functions/apply_other_outcomes.sql",
                "when v.kind in ('unknown_worker', 'given_back') then s.misfit_at",
                "else s.misfit_at",
            ),
        ),
        _MISFIT,
    ),
)
