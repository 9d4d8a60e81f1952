"""A short fault campaign, and one against a mutant (`make campaign` and `make mutants` do both at length)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.mutants.__main__ import ALL_MUTANTS, NEEDED, changed, first_violation
from campaign.mutants.catalogue import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 40
"""Of faults; then all workflows have to end."""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_or_done_twice_under_faults():
    seed = os.environ.get("BATON_SEED")
    command = [sys.executable, "-m", "campaign", "--seconds", str(SECONDS), *(["--seed", seed] if seed else [])]

    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    print(done.stdout)  # noqa: T201  # what it did; shown on failure
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_campaign_against_an_engine_that_does_not_look_at_tokens_fails():
    (mutant,) = [each for each in MUTANTS if each.name == "the token predicate is dropped"]

    with changed(mutant) as root:
        assert first_violation(root, seed=1) is not None


@pytest.mark.parametrize("mutant", ALL_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_finds_what_it_changes(mutant):
    with changed(mutant) as root:
        for change in mutant.changes:
            assert (root / change.file).read_text() != (ROOT / change.file).read_text()


def test_a_mutant_is_made_of_copies():
    with changed(MUTANTS[0]) as root:
        assert all((root / name).is_dir() and not (root / name).is_symlink() for name in NEEDED)
