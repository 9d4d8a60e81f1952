"""`python -m campaign.mutants`: runs short campaigns, or tests, against each mutant, and fails if one survives."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from campaign.mutants.budgets import MUTANTS_OF_BUDGETS
from campaign.mutants.catalogue import MUTANTS, Mutant
from campaign.mutants.endings import MUTANTS_OF_ENDINGS
from campaign.mutants.enough import MUTANTS_OF_ENOUGH
from campaign.mutants.followers import MUTANTS_OF_FOLLOWERS
from campaign.mutants.groups import MUTANTS_OF_GROUPS
from campaign.mutants.interventions import MUTANTS_OF_INTERVENTIONS
from campaign.mutants.keys import MUTANTS_OF_KEYS
from campaign.mutants.limits import MUTANTS_OF_LIMITS
from campaign.mutants.outcomes import MUTANTS_OF_OUTCOMES
from campaign.mutants.upkeep import MUTANTS_OF_UPKEEP
from campaign.mutants.waits import MUTANTS_OF_WAITS

ALL_MUTANTS = (
    *MUTANTS,
    *MUTANTS_OF_GROUPS,
    *MUTANTS_OF_UPKEEP,
    *MUTANTS_OF_ENDINGS,
    *MUTANTS_OF_ENOUGH,
    *MUTANTS_OF_OUTCOMES,
    *MUTANTS_OF_WAITS,
    *MUTANTS_OF_LIMITS,
    *MUTANTS_OF_FOLLOWERS,
    *MUTANTS_OF_KEYS,
    *MUTANTS_OF_INTERVENTIONS,
    *MUTANTS_OF_BUDGETS,
)
ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("baton", "sql", "campaign", "tests")
SEEDS = 3
SECONDS = 20
PATIENCE_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of one mutant."""

    mutant: Mutant
    seeds: int
    seconds: float
    caught_by: str | None
    """The first violation; None if it survived."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="campaign.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only mutants with one of these in their names")
    parser.add_argument("--seed", type=int, default=1, help="the first of the seeds")
    options = parser.parse_args()
    chosen = [one for one in ALL_MUTANTS if not options.names or any(name in one.name for name in options.names)]
    if not options.names:
        require_no_violation(options.seed)
    trials = [try_mutant(mutant, range(options.seed, options.seed + SEEDS)) for mutant in chosen]
    survivors = [trial.mutant.name for trial in trials if trial.caught_by is None]
    print(
        f"{len(trials) - len(survivors)} of {len(trials)} mutants were caught"
        + "".join(f"; not: {name}" for name in survivors)
    )
    return 1 if survivors or not trials else 0


def require_no_violation(seed: int) -> None:
    """Raise SystemExit if a campaign finds something in the unchanged engine: then it proves nothing about mutants."""
    with changed(Mutant("the unchanged engine", ())) as root:
        found = first_violation(root, seed)
    print(f"the unchanged engine: {found or 'no violation'}", flush=True)
    if found is not None:
        raise SystemExit(1)


def try_mutant(mutant: Mutant, seeds: Sequence[int]) -> Trial:
    """Run campaigns against a mutant until one notices it, and print how long that took."""
    started = time.monotonic()
    caught_by, tried = None, 0
    with changed(mutant) as root:
        if mutant.tests:
            caught_by = first_failure(root, mutant.tests)
        while not mutant.tests and caught_by is None and tried < len(seeds):
            caught_by = first_violation(root, seeds[tried])
            tried += 1
    trial = Trial(mutant, tried, time.monotonic() - started, caught_by)
    tried_with = f"seed {seeds[tried - 1]}" if tried else "by a test"
    verdict = f"caught in {trial.seconds:5.1f} s, {tried_with}" if caught_by else f"SURVIVED {tried or 'its tests'}"
    print(f"{mutant.name}: {verdict}\n    {caught_by or ''}", flush=True)
    return trial


@contextmanager
def changed(mutant: Mutant) -> Iterator[Path]:
    """Make a copy of all that a campaign needs, with the mutant's changes in it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        root = Path(folder)
        for name in NEEDED:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", root)
        for change in mutant.changes:
            change.apply(root)
        yield root


def first_violation(root: Path, seed: int) -> str | None:
    """Run a campaign in that folder, and return the first line of the first violation."""
    command = [sys.executable, "-m", "campaign", "--seconds", str(SECONDS), "--seed", str(seed), "--until-violation"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"the campaign hung for {PATIENCE_SECONDS} s:\n{error.stdout!r}") from None
    if str(root) not in done.stdout or "violations: " not in done.stdout:
        raise SystemExit(f"the campaign failed, or did not run the copy in {root}:\n{done.stdout}{done.stderr}")
    lines = done.stdout.splitlines()
    found = [
        # Of a heading, take the line below it.
        after.strip() if line.endswith(":") else line.partition("): ")[2]
        for line, after in pairwise([*lines, ""])
        if "VIOLATION" in line
    ]
    # A fault that did not happen in so short a time has nothing to do with the mutant.
    violations = [line for line in found if "this campaign needs at least" not in line]
    return violations[0][:300] if violations else None


def first_failure(root: Path, tests: Sequence[str]) -> str | None:
    """Run tests in that folder until one fails, and return its name."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS * 2, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"the tests could not be run:\n{done.stdout}{done.stderr}")
    failed = [line.removeprefix("FAILED ") for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return failed[0][:300] if failed else None


if __name__ == "__main__":
    sys.exit(main())
