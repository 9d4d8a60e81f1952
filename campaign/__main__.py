"""`python -m campaign --minutes 3 --seed 7`: runs a campaign, prints what it did, and fails if anything was wrong."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import baton
from campaign.campaign import Campaign, Findings
from campaign.profile import profile_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=3.0, help="of faults")
    length.add_argument("--seconds", type=float, help="the same, for a short one")
    parser.add_argument("--seed", default=None, help="draws the same workflows and faults again")
    parser.add_argument("--until-violation", action="store_true", help="stop at the first violation")
    options = parser.parse_args()
    seconds = options.seconds if options.seconds is not None else options.minutes * 60
    logging.getLogger("baton").setLevel(logging.CRITICAL)  # it would log every fault that we make
    seed = options.seed or str(random.randrange(10**6))

    started = time.monotonic()
    log_line = _logger_since(started)
    log_line(f"campaign of {seconds:.0f} s, seed {seed} (--seed {seed} draws it again), {Path(baton.__file__).parent}")
    campaign = Campaign(seed, profile_of(seconds), Findings(log_line, seed, options.until_violation))
    violations = asyncio.run(campaign.run())
    print("\n".join([f"what it did in {time.monotonic() - started:.0f} s:", *campaign.tally.lines()]))
    print(f"violations: {violations} (seed {seed})" if violations else f"violations: none (seed {seed})")
    return 1 if violations else 0


def _logger_since(started: float) -> Callable[[str], None]:
    def log_line(text: str) -> None:
        print(f"[{time.monotonic() - started:6.1f}] {text}", flush=True)

    return log_line


if __name__ == "__main__":
    sys.exit(main())
