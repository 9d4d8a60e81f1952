"""How much of everything a campaign of some length does, and the least it must have done to count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEASE_SECONDS = 2.0
SWEEP_SECONDS = LEASE_SECONDS / 3

# What three minutes must show (a longer campaign shows at least as much).
_LEAST_IN_THREE_MINUTES: Mapping[str, int] = {
    "workflows verified": 2_000,
    "steps verified": 20_000,
    "SIGKILLs": 100,
    "backends killed": 1_000,
    "immediate restarts of the server": 2,
    "cuts during COMMIT": 100,
    "SIGSTOPs past the lease": 50,
}

# What must have happened in any campaign, however short: else it proved nothing about it.
_NEVER_ZERO = (
    *_LEAST_IN_THREE_MINUTES,
    "SIGTERMs",
    "stale settles refused",
    "unknown outcomes",
    "unknown outcomes that had committed",
    "steps rescued from dead pools",
    "processes killed by a step",
    "attempts lost",
    "attempts timed out",
    "outcomes that could not be stored",
    "steps discarded",
    "steps skipped",
    "steps cancelled",
    "steps cancelled by hand",
    "snoozes and steps given back",
    "zombie drills",
    "replay drills",
    "forgotten pool drills",
    "giving back drills",
    "storms of settles",
    "lock order storms",
    "deaf listener drills",
    "groups verified",
    "expansion drills",
)


@dataclass(frozen=True, slots=True)
class Doses:
    """How long a campaign lasts, and the mean seconds between two faults of a sort."""

    seconds: float
    """Of faults; then everything has to come to rest."""
    processes: int = 6
    unfinished: int = 250
    """So many workflows are under way at once."""
    kill: float = 1.5
    terminate: float = 7.0
    stop: float = 0.2
    """Between the end of one and the next; one at a time, of each of two."""
    backends: float = 0.55
    backends_at_once: int = 5
    cut: float = 0.9
    freeze: float = 20.0
    restart: float = 45.0

    def least(self) -> Mapping[str, int]:
        """What this campaign must have done at least, by the names of the tally."""
        if self.seconds >= 180:
            return dict.fromkeys(_NEVER_ZERO, 1) | dict(_LEAST_IN_THREE_MINUTES)
        return dict.fromkeys(_NEVER_ZERO, 1)


def doses(seconds: float) -> Doses:
    """Return the doses of a campaign of this length; a short one has some faults more often, to have them at all."""
    if seconds >= 120:
        return Doses(seconds)
    return Doses(seconds, unfinished=120, terminate=4.0, freeze=8.0, restart=0.8 * seconds)
